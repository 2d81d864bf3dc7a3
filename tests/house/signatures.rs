//! The tables of `src/docs/api.md` have a signature for each row.

use syn::spanned::Spanned;
use syn::{FnArg, ImplItem, Item, ItemMod, ReturnType, Signature, Type};

use super::pages::read;
use super::sources::{Source, expect_none, library};

/// A function, and the type that it belongs to, if its file says so: a macro does not.
struct Declared {
    of: Option<String>,
    signature: Signature,
}

fn declared(item: Item, of_file: &mut Vec<Declared>) {
    match item {
        Item::Mod(ItemMod {
            content: Some((_, items)),
            ..
        }) => items.into_iter().for_each(|item| declared(item, of_file)),
        Item::Fn(function) => of_file.push(Declared {
            of: None,
            signature: function.sig,
        }),
        Item::Impl(block) => {
            let Type::Path(of) = &*block.self_ty else {
                return;
            };
            let of = of.path.segments.last().map(|part| part.ident.to_string());
            of_file.extend(block.items.into_iter().filter_map(|item| {
                let ImplItem::Fn(function) = item else {
                    return None;
                };
                let of = of.clone();
                let signature = function.sig;
                Some(Declared { of, signature })
            }));
        }
        _ => {}
    }
}

/// As the source has it, in one line.
fn text(of: &impl Spanned) -> String {
    let text = of.span().source_text().expect("parsed from a text");
    let words: Vec<_> = text.split_whitespace().collect();
    words.join(" ").replace("crate::", "")
}

/// Without `self`: `(message: T) -> Result<(), PushError<T>>`.
fn short(signature: &Signature) -> String {
    let inputs = signature.inputs.iter();
    let inputs = inputs.filter(|input| matches!(input, FnArg::Typed(_)));
    let inputs: Vec<_> = inputs.map(text).collect();
    let output = match &signature.output {
        ReturnType::Default => String::new(),
        ReturnType::Type(_, output) => format!(" -> {}", text(output)),
    };
    format!("({}){output}", inputs.join(", "))
}

/// The signatures of the item that a link refers to: `crate::Producer::push`, `crate::unlink`.
fn signatures_of(link: &str, functions: &[Declared]) -> Vec<String> {
    let mut path: Vec<_> = link.split("::").collect();
    let name = path.pop().unwrap_or_default();
    let of = path.pop();
    let is_a_type = of.is_some_and(|of| of.starts_with(char::is_uppercase));
    let named = || {
        functions
            .iter()
            .filter(|function| function.signature.ident == name)
    };
    let own = named().filter(|function| is_a_type && function.of.as_deref() == of);
    let mut found: Vec<_> = own.map(|function| short(&function.signature)).collect();
    if found.is_empty() {
        let free = named().filter(|function| function.of.is_none());
        found = free.map(|function| short(&function.signature)).collect();
    }
    found
}

/// What is wrong with the tables of a page that have a column "signature".
fn faults_of(page: &str, functions: &[Declared]) -> (Vec<String>, usize) {
    let (mut faults, mut rows, mut has_signatures) = (Vec::new(), 0, false);
    for (index, line) in page.lines().enumerate() {
        let place = format!("src/docs/api.md:{}", index + 1);
        let Some(row) = line
            .strip_prefix("| ")
            .and_then(|row| row.strip_suffix(" |"))
        else {
            has_signatures &= line.starts_with("|--");
            continue;
        };
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        if !has_signatures {
            has_signatures = cells.get(1) == Some(&"signature");
            let needs_them = ["call", "option"]
                .iter()
                .any(|head| cells[0].starts_with(head));
            let is_of_calls = cells.get(1) == Some(&"purpose") && needs_them;
            faults.extend(is_of_calls.then(|| format!("{place}: no column \"signature\"")));
            continue;
        }
        rows += 1;
        let links = cells[0].split("](crate::").skip(1);
        let links = links.filter_map(|link| link.split(')').next());
        let mut signatures = links.map(|link| signatures_of(link, functions));
        let first = signatures
            .find(|found| !found.is_empty())
            .unwrap_or_default();
        let cell = cells.get(1).unwrap_or(&"").trim_matches('`');
        // Nothing for a type, a module or a constant.
        let is_right = match first.is_empty() {
            true => cell.is_empty(),
            false => first.iter().any(|signature| signature == cell),
        };
        if !is_right {
            faults.push(format!("{place}: {cell:?}, not {first:?}"));
        }
    }
    (faults, rows)
}

fn functions() -> Vec<Declared> {
    let mut functions = Vec::new();
    let files = library().into_iter().map(|Source { file, .. }| file);
    for item in files.flat_map(|file| file.items) {
        declared(item, &mut functions);
    }
    functions
}

#[test]
fn each_row_of_the_page_of_the_api_has_the_signature_of_its_first_name() {
    let (faults, rows) = faults_of(&read("src/docs/api.md"), &functions());
    expect_none(&faults);
    assert!(rows > 90, "the rows were not found");
}

#[test]
fn a_wrong_signature_is_found() {
    let source =
        "impl<T> P<T> {\n    pub fn a(&mut self, b: T,\n        c: u8) -> Result<T, E> {}\n}";
    let mut functions = Vec::new();
    for item in Source::parse("a.rs", source).file.items {
        declared(item, &mut functions);
    }
    let head = "| call | signature | purpose |\n|---|---|---|\n";
    for (row, faults) in [
        (
            "| [`a`](crate::P::a) | `(b: T, c: u8) -> Result<T, E>` | copies |\n",
            0,
        ),
        ("| [`a`](crate::P::a) | `(b: T)` | copies |\n", 1),
        (
            "| [`b`](crate::P::b) | `()` | no function has the name |\n",
            1,
        ),
        ("| [`P`](crate::P) | | a type |\n", 0),
    ] {
        assert_eq!(
            faults_of(&format!("{head}{row}"), &functions).0.len(),
            faults
        );
    }
    let without = "| call of a `P` | purpose |\n|---|---|\n| [`a`](crate::P::a) | copies |\n";
    assert_eq!(faults_of(without, &functions).0.len(), 1);
}
