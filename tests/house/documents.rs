//! Rules for the documentation.

use syn::visit::Visit;
use syn::{Attribute, Expr, ExprLit, Ident, ImplItem, Item, ItemMod, Lit, ReturnType, Signature};
use syn::{Type, Visibility};

use super::sources::{Source, library, sources};

/// The files of the four endpoints, and the file of their common methods.
#[rustfmt::skip]
const OF_THE_ENDS: [&str; 5] = [
    "endpoint/methods.rs", "producer.rs", "consumer.rs", "frame_producer.rs", "frame_consumer.rs",
];

/// The interface for `bindings/`, which is not part of the API.
const HIDDEN: &str = "adapters/raw.rs";

/// Functions that only construct, read, set or copy a value, and need no Real-time section.
#[rustfmt::skip]
const TRIVIAL: [&str; 23] = [
    "new", "len", "is_empty", "kind", "set_kind", "set_timeout", "view", "write", "write_at",
    "copy_from_slice", "read", "read_at", "copy_to", "copy_to_slice", "as_ptr", "as_mut_ptr",
    "as_ref", "as_mut", "as_bytes", "as_mut_bytes", "slices", "slices_mut", "reason",
];

/// A public function and its declaration.
struct Function {
    file: String,
    name: String,
    signature: Signature,
    doc: String,
    place: String,
}

impl Function {
    /// Whether it takes `&mut self`, or `mut self`.
    fn changes_self(&self, by_reference: bool) -> bool {
        self.signature.receiver().is_some_and(|receiver| {
            receiver.mutability.is_some() && receiver.reference.is_some() == by_reference
        })
    }

    /// Whether it returns a type with this name.
    fn returns(&self, name: &str) -> bool {
        let ReturnType::Type(_, ty) = &self.signature.output else {
            return false;
        };
        let Type::Path(ty) = &**ty else { return false };
        ty.path
            .segments
            .last()
            .is_some_and(|segment| segment.ident == name)
    }

    /// Whether it is a builder method.
    fn is_an_option(&self) -> bool {
        self.changes_self(false) && self.returns("Self")
    }

    /// The text of a section of its documentation.
    fn section(&self, title: &str) -> Option<String> {
        let mut lines = self.doc.lines().map(str::trim);
        lines.find(|line| *line == format!("# {title}"))?;
        let text: Vec<_> = lines.take_while(|line| !line.starts_with("# ")).collect();
        Some(text.join(" ").trim().to_owned())
    }
}

/// All items of a file, also those of the modules in it.
fn items(source: &Source) -> Vec<&Item> {
    fn with_inner(item: &Item) -> Vec<&Item> {
        match item {
            Item::Mod(ItemMod {
                content: Some((_, items)),
                ..
            }) => items.iter().flat_map(with_inner).collect(),
            _ => vec![item],
        }
    }
    source.file.items.iter().flat_map(with_inner).collect()
}

fn functions_of(source: &Source) -> Vec<Function> {
    let mut functions = Vec::new();
    let mut add = |visibility: &Visibility, attributes: &[Attribute], signature: &Signature| {
        let is_hidden = attributes.iter().any(hides);
        if matches!(visibility, Visibility::Public(_)) && !is_hidden {
            let doc: Vec<_> = attributes.iter().filter_map(doc).collect();
            functions.push(Function {
                file: source.path.clone(),
                name: signature.ident.to_string(),
                signature: signature.clone(),
                doc: doc.join("\n"),
                place: source.place(signature.ident.span().start().line),
            });
        }
    };
    for item in items(source) {
        match item {
            Item::Fn(function) => add(&function.vis, &function.attrs, &function.sig),
            Item::Impl(block) => block.items.iter().for_each(|item| {
                if let ImplItem::Fn(function) = item {
                    add(&function.vis, &function.attrs, &function.sig);
                }
            }),
            _ => {}
        }
    }
    functions
}

/// The name of an enum that is public and not `#[non_exhaustive]`.
fn complete_enum(item: &Item) -> Option<String> {
    let Item::Enum(item) = item else { return None };
    let mut attributes = item.attrs.iter();
    let may_grow = attributes.any(|attribute| attribute.path().is_ident("non_exhaustive"));
    let is_public = matches!(item.vis, Visibility::Public(_));
    (is_public && !may_grow).then(|| item.ident.to_string())
}

/// Whether the attribute is `#[doc(hidden)]`: then its item is no part of the API.
fn hides(attribute: &Attribute) -> bool {
    let list = attribute.meta.require_list().ok();
    list.is_some_and(|list| list.path.is_ident("doc") && list.tokens.to_string() == "hidden")
}

/// The text of a doc comment.
fn doc(attribute: &Attribute) -> Option<String> {
    match &attribute.meta.require_name_value().ok()?.value {
        Expr::Lit(ExprLit {
            lit: Lit::Str(text),
            ..
        }) => Some(text.value()),
        _ => None,
    }
}

fn public_functions() -> Vec<Function> {
    let sources = sources();
    let mut functions: Vec<_> = sources.iter().flat_map(functions_of).collect();
    functions.retain(|function| function.file != HIDDEN);
    assert!(functions.len() > 100, "the functions were not found");
    functions
}

fn functions_of_the_endpoints() -> Vec<Function> {
    let mut functions = public_functions();
    functions.retain(|function| OF_THE_ENDS.contains(&function.file.as_str()));
    for file in OF_THE_ENDS {
        let mut functions = functions.iter();
        let exists = functions.any(|function| function.file == file);
        assert!(exists, "src/{file} has no public function");
    }
    functions
}

#[test]
fn every_fallible_public_function_has_an_errors_section() {
    for function in public_functions() {
        let Function { name, place, .. } = &function;
        let says = function
            .section("Errors")
            .is_some_and(|text| !text.is_empty());
        assert!(
            says || !function.returns("Result"),
            "{place}: {name} has no Errors section"
        );
    }
}

#[test]
fn every_public_function_has_a_real_time_section() {
    const WORDS: [&str; 5] = ["wait-free", "syscall", "alloc", "sleep", "as ["];
    for function in public_functions() {
        if function.is_an_option() || TRIVIAL.contains(&function.name.as_str()) {
            continue;
        }
        let Function { name, place, .. } = &function;
        let text = function.section("Real-time");
        let text = text.unwrap_or_else(|| panic!("{place}: {name} has no Real-time section"));
        let text = text.to_lowercase();
        let says = WORDS.iter().any(|word| text.contains(word));
        assert!(
            says,
            "{place}: {name} has an incomplete Real-time section: {text:?}"
        );
    }
}

/// Every async function says what a dropped future has done.
#[test]
fn every_async_function_has_a_cancel_safety_section() {
    let mut functions = public_functions();
    functions.retain(|function| function.signature.asyncness.is_some());
    assert!(functions.len() > 20, "the async functions were not found");
    for Function {
        name, place, doc, ..
    } in functions
    {
        let mut lines = doc.lines().map(str::trim);
        let says = lines.any(|line| {
            line.strip_prefix("Cancel safety: ")
                .is_some_and(|text| !text.is_empty())
        });
        assert!(says, "{place}: {name} does not say \"Cancel safety: ...\"");
    }
}

#[test]
fn the_list_of_trivial_functions_is_not_out_of_date() {
    let functions = public_functions();
    for name in TRIVIAL {
        let exists = functions.iter().any(|function| function.name == name);
        assert!(exists, "there is no longer a function {name}");
    }
}

/// The waiting functions whose names do not end in `_timeout`.
#[rustfmt::skip]
const WAITING: [&str; 16] = [
    "push", "push_kind", "push_parts", "push_slice", "push_all", "extend", "pop", "pop_into",
    "pop_slice", "pop_exact", "claim", "claim_many", "peek", "peek_many", "iter", "wait_for_peer",
];

/// It never waits, but makes a syscall.
const CLOSE: &str = "close";

#[test]
fn real_time_sections_say_whether_a_call_may_sleep() {
    for function in functions_of_the_endpoints() {
        let Function { name, place, .. } = &function;
        let skipped = name == CLOSE || TRIVIAL.contains(&name.as_str());
        if !function.changes_self(true) || skipped {
            continue;
        }
        let text = function.section("Real-time").unwrap_or_default();
        let waits = name.ends_with("_timeout") || WAITING.contains(&name.as_str());
        let expected = if waits { "ay sleep" } else { "ait-free" };
        // Or its section refers to another function of the same kind.
        let is_as_another = text.starts_with("As [`") && text.starts_with("As [`try_") != waits;
        let says = text.contains(expected) || is_as_another;
        assert!(says, "{place}: {name} says {text:?}");
    }
}

/// A function that publishes or releases may have to wake the peer, with a syscall.
#[test]
fn real_time_sections_of_calls_that_move_a_position_mention_the_wake() {
    const MOVES: [&str; 5] = ["try_push", "try_pop", "commit", "release", "drain"];
    for function in functions_of_the_endpoints() {
        let Function { name, place, .. } = &function;
        if MOVES.iter().any(|verb| name.starts_with(verb)) {
            let text = function.section("Real-time").unwrap_or_default();
            // Or its section refers to another function that says it.
            let says = text.contains("no syscall but the wake") || text.starts_with("As [`try_");
            assert!(says, "{place}: {name} says {text:?}");
        }
    }
}

/// Enums that programs match on; src/docs/api.md says why they are complete.
#[rustfmt::skip]
const COMPLETE: [&str; 7] = [
    "ClaimError", "PeerError", "PopError", "PushError", "Role", "Selected", "ShapeKind",
];

#[test]
fn every_other_public_enum_is_non_exhaustive() {
    let sources = sources();
    let items = sources.iter().flat_map(items);
    let mut complete: Vec<_> = items.filter_map(complete_enum).collect();
    complete.sort();
    assert_eq!(complete, COMPLETE);
}

/// If two methods of a type had one name, only such a link would point to the second.
#[test]
fn no_link_counts_the_methods_of_a_name() {
    for Source { path, text, .. } in library() {
        let mut links = text
            .split("(#method.")
            .skip(1)
            .filter_map(|link| link.split(')').next());
        let counted = links.find(|link| link.contains('-'));
        assert_eq!(counted, None, "src/{path} has a link with a number");
    }
}

#[test]
fn the_page_of_the_api_names_every_public_function() {
    let page = include_str!("../../src/docs/api.md");
    for Function { name, place, .. } in public_functions() {
        let named = page.contains(&format!("`{name}`"));
        assert!(named, "{place}: src/docs/api.md does not name {name}");
    }
}

#[test]
fn the_tour_has_an_entry_for_every_file_and_no_other() {
    let tour = include_str!("../../src/docs/tour.md");
    let places: Vec<_> = tour
        .split('`')
        .filter_map(|word| word.strip_prefix("src/"))
        .collect();
    let files: Vec<_> = sources().into_iter().map(|source| source.path).collect();
    // An entry for a folder also covers the file of the same name.
    let is_in = |file: &str, place: &str| match place.strip_suffix('/') {
        Some(folder) => file.strip_suffix(".rs") == Some(folder) || file.starts_with(place),
        None => file == place,
    };
    for file in &files {
        let has_a_place = places.iter().any(|place| is_in(file, place));
        assert!(has_a_place, "src/docs/tour.md has no entry for src/{file}");
    }
    for place in places {
        let exists = place == "layout.md" || files.iter().any(|file| is_in(file, place));
        assert!(
            exists,
            "src/docs/tour.md names src/{place}, which does not exist"
        );
    }
}

/// Finds the name of a deadline.
struct Names(bool);

impl<'a> Visit<'a> for Names {
    fn visit_ident(&mut self, ident: &'a Ident) {
        self.0 |= ident == "Deadline";
    }
}

/// `tests/waits/deadlines.rs` makes every call with a timeout: those of `common::calls`, and a
/// row for each other one.
#[test]
fn every_call_with_a_timeout_has_a_row_in_deadlines() {
    let rows = include_str!("../waits/deadlines.rs");
    let records = include_str!("../common/calls/records.rs");
    let table = [records, include_str!("../common/calls/frames.rs")].concat();
    let mut count = 0;
    for Function {
        name,
        place,
        signature,
        ..
    } in public_functions()
    {
        let mut names = Names(false);
        names.visit_signature(&signature);
        if !names.0 {
            continue;
        }
        count += 1;
        let in_table = table.contains(&format!("| {name}("));
        let has_a_row = in_table || rows.contains(&format!("::{name}\""));
        assert!(
            has_a_row,
            "{place}: tests/waits/deadlines.rs has no row for {name}"
        );
    }
    assert!(count > 20, "the calls were not found");
}

/// Calls that wait for locks of the segment.
#[rustfmt::skip]
const LOCKING: [&str; 6] = [
    "create", "open", "open_or_create", "producer", "consumer", "unlink",
];

#[test]
fn calls_that_wait_for_a_lock_state_the_limit() {
    let observers = ["observer.rs"]; // which take no lock
    for function in public_functions() {
        let Function {
            name, place, file, ..
        } = &function;
        if !LOCKING.contains(&name.as_str()) || observers.contains(&file.as_str()) {
            continue;
        }
        let text = function.section("Real-time").unwrap_or_default();
        let says = text.contains("waits up to") || text.starts_with("As [");
        assert!(says, "{place}: {name} says {text:?}");
    }
}

/// The types with a `Drop`. `Ready` and `Registration` may wait for the reactor's table,
/// and `RoleGuard` for the locks of a ring with `unlink_on_drop`: see the table of drops in
/// `src/docs/api.md`. Add a new type that may wait to that table too.
#[rustfmt::skip]
const DROPS: [&str; 10] = [
    "Death", "Entry", "LockFile", "Ready", "Registration", "RoleGuard", "Segment", "SignalMask",
    "Temporary", "TryIter",
];

#[test]
fn the_list_of_drops_is_complete() {
    let sources = library();
    let mut found: Vec<_> = sources
        .iter()
        .flat_map(items)
        .filter_map(|item| {
            let Item::Impl(block) = item else { return None };
            let (_, of, _) = block.trait_.as_ref()?;
            let Type::Path(ty) = &*block.self_ty else {
                return None;
            };
            let name = ty.path.segments.last()?.ident.to_string();
            of.is_ident("Drop").then_some(name)
        })
        .collect();
    found.sort();
    assert_eq!(found, DROPS);
}
