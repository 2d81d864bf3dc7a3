//! The tables of `src/docs/api.md` have a signature for each row.

use syn::spanned::Spanned;
use syn::{FnArg, ReturnType, Signature};

use super::functions::{Function, functions_of};
use super::pages::read;
use super::sources::{Source, expect_none, library};

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
fn signatures_of(link: &str, functions: &[Function]) -> Vec<String> {
    let mut path: Vec<_> = link.split("::").collect();
    let name = path.pop().unwrap_or_default();
    let of = path.pop();
    let is_a_type = of.is_some_and(|of| of.starts_with(char::is_uppercase));
    let of_type = |of: Option<&str>| {
        let named = functions.iter().filter(|function| function.name == name);
        let found = named.filter(|function| function.of.as_deref() == of);
        let found: Vec<_> = found.map(|function| short(&function.signature)).collect();
        found
    };
    let own = if is_a_type { of_type(of) } else { Vec::new() };
    if own.is_empty() { of_type(None) } else { own }
}

/// What is wrong with the tables of a page that have a column "signature".
fn faults_of(page: &str, functions: &[Function]) -> (Vec<String>, usize) {
    let (mut faults, mut rows, mut has_signatures) = (Vec::new(), 0, false);
    for (index, line) in page.lines().enumerate() {
        let place = format!("src/docs/api.md:{}", index + 1);
        let row = line.strip_prefix("| ");
        let Some(row) = row.and_then(|row| row.strip_suffix(" |")) else {
            has_signatures &= line.starts_with("|--");
            continue;
        };
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        if !has_signatures {
            has_signatures = cells.get(1) == Some(&"signature");
            let needs_them = cells[0].starts_with("call") || cells[0].starts_with("option");
            let is_of_calls = cells.get(1) == Some(&"purpose") && needs_them;
            faults.extend(is_of_calls.then(|| format!("{place}: no column \"signature\"")));
            continue;
        }
        rows += 1;
        let links = cells[0].split("](crate::").skip(1);
        let links = links.filter_map(|link| link.split(')').next());
        let mut signatures = links.map(|link| signatures_of(link, functions));
        let first = signatures.find(|found| !found.is_empty());
        let first = first.unwrap_or_default();
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

#[test]
fn each_row_of_the_page_of_the_api_has_the_signature_of_its_first_name() {
    let functions: Vec<_> = library().iter().flat_map(functions_of).collect();
    let (faults, rows) = faults_of(&read("src/docs/api.md"), &functions);
    expect_none(&faults);
    assert!(rows > 90, "the rows were not found");
}

#[test]
fn a_wrong_signature_is_found() {
    let source =
        "impl<T> P<T> {\n    pub fn a(&mut self, b: T,\n        c: u8) -> Result<T, E> {}\n}";
    let functions = functions_of(&Source::parse("a.rs", source));
    let head = "| call | signature | purpose |\n|---|---|---|\n";
    for (page, faults) in [
        (
            &*format!("{head}| [`a`](crate::P::a) | `(b: T, c: u8) -> Result<T, E>` | copies |\n"),
            0,
        ),
        (
            &format!("{head}| [`a`](crate::P::a) | `(b: T)` | copies |\n"),
            1,
        ),
        (
            &format!("{head}| [`P`](crate::P) | `()` | no function has the name |\n"),
            1,
        ),
        (
            "| call of a `P` | purpose |\n|---|---|\n| [`a`](crate::P::a) | copies |\n",
            1,
        ),
    ] {
        assert_eq!(faults_of(page, &functions).0.len(), faults, "{page}");
    }
}
