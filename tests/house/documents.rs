//! Rules for the documentation.

use syn::visit::Visit;
use syn::{Ident, Item};

use super::functions::{Function, functions_of, items, last_name};
use super::sources::{expect_none, library, sources};

/// The files of the four endpoints, and the file of their common methods.
const OF_THE_ENDS: &str =
    "endpoint/methods.rs producer.rs consumer.rs frame_producer.rs frame_consumer.rs";

/// The interface for `bindings/`, which is not part of the API.
const HIDDEN: &str = "adapters/raw.rs";

/// Functions that only construct, read, set or copy a value, and need no Real-time section.
const TRIVIAL: &str = "new len is_empty kind set_kind set_timeout view write write_at \
    copy_from_slice read read_at copy_to copy_to_slice as_ptr as_mut_ptr as_ref as_mut as_bytes \
    as_mut_bytes slices slices_mut reason";

/// The waiting functions whose names do not end in `_timeout`.
const WAITING: &str = "push push_kind push_parts push_slice push_all extend pop pop_into pop_slice \
    pop_exact claim claim_many peek peek_many iter wait_for_peer";

/// Calls that wait for locks of the segment. Observers take none.
const LOCKING: &str = "create open open_or_create producer consumer unlink";

fn real_time(function: &Function) -> String {
    function.section("Real-time")
}

fn is_of_an_endpoint(function: &Function) -> bool {
    OF_THE_ENDS.split(' ').any(|file| file == function.file)
}

/// What the documentation of some public functions has to have, the least number of these
/// functions, which they are, and whether it has it.
type Rule = (&'static str, usize, Test, Test);
type Test = fn(&Function) -> bool;

const RULES: [Rule; 9] = [
    (
        "a complete Real-time section",
        100,
        // Nor does a builder method need it.
        |function| {
            let is_an_option = function.changes_self(false) && function.returns("Self");
            !is_an_option && !function.is_one_of(TRIVIAL)
        },
        |function| {
            let text = real_time(function).to_lowercase();
            let words = ["wait-free", "syscall", "alloc", "sleep", "as ["];
            words.iter().any(|word| text.contains(word))
        },
    ),
    (
        "\"Cancel safety: ...\": what a dropped future has done",
        20,
        |function| function.signature.asyncness.is_some(),
        |function| {
            let lines = function.doc.lines().map(str::trim);
            let mut texts = lines.filter_map(|line| line.strip_prefix("Cancel safety: "));
            texts.any(|text| !text.is_empty())
        },
    ),
    (
        "the end of the thread that waits, among its errors",
        20,
        |function| function.signature.asyncness.is_some(),
        |function| {
            let text = function.section("Errors");
            text.contains("ReactorDied") || text.starts_with("As [`") && text.contains("](Self::")
        },
    ),
    (
        "a refusal of the system, among its errors",
        20,
        |function| mentions(function, "Error"),
        |function| {
            let text = function.section("Errors");
            ["OS error", "Error::Io", "As ["]
                .iter()
                .any(|word| text.contains(word))
        },
    ),
    (
        "whether the call may sleep",
        20,
        // `close` never waits, but makes a syscall.
        |function| {
            let needs_none = function.name == "close" || function.is_one_of(TRIVIAL);
            is_of_an_endpoint(function) && function.changes_self(true) && !needs_none
        },
        |function| {
            let text = real_time(function);
            let waits = function.name.ends_with("_timeout") || function.is_one_of(WAITING);
            // Or its section refers to another function of the same kind.
            let is_as_another = text.starts_with("As [`") && text.starts_with("As [`try_") != waits;
            text.contains(if waits { "ay sleep" } else { "ait-free" }) || is_as_another
        },
    ),
    (
        "that a publish or a release may have to wake the peer, with a syscall",
        10,
        |function| {
            let verbs = ["try_push", "try_pop", "commit", "release", "drain"];
            is_of_an_endpoint(function) && verbs.iter().any(|verb| function.name.starts_with(verb))
        },
        |function| {
            let text = real_time(function);
            // Or its section refers to another function that says it.
            text.contains("no syscall but the wake") || text.starts_with("As [`try_")
        },
    ),
    (
        "how long it waits for a lock",
        5,
        |function| function.is_one_of(LOCKING) && function.file != "observer.rs",
        |function| {
            let text = real_time(function);
            text.contains("waits up to") || text.starts_with("As [")
        },
    ),
    (
        "its name in src/docs/api.md",
        100,
        |_| true,
        |function| {
            let page = include_str!("../../src/docs/api.md");
            page.contains(&format!("`{}`", function.name))
        },
    ),
    (
        "a row in tests/common/calls or in tests/waits/deadlines.rs",
        20,
        |function| mentions(function, "Deadline"),
        |function| {
            let tables = [
                include_str!("../common/calls/records.rs"),
                include_str!("../common/calls/frames.rs"),
            ];
            let rows = include_str!("../waits/deadlines.rs");
            let name = &function.name;
            tables
                .iter()
                .any(|table| table.contains(&format!("| {name}(")))
                || rows.contains(&format!("::{name}\""))
        },
    ),
];

/// Finds a name.
struct Names(&'static str, bool);

impl<'a> Visit<'a> for Names {
    fn visit_ident(&mut self, ident: &'a Ident) {
        self.1 |= ident == self.0;
    }
}

/// Whether the declaration has a type of this name.
fn mentions(function: &Function, name: &'static str) -> bool {
    let mut names = Names(name, false);
    names.visit_signature(&function.signature);
    names.1
}

fn public_functions() -> Vec<Function> {
    let mut functions: Vec<_> = sources().iter().flat_map(functions_of).collect();
    functions.retain(|function| function.is_public && function.file != HIDDEN);
    assert!(functions.len() > 100, "the functions were not found");
    functions
}

#[test]
fn the_documentation_says_what_a_caller_needs() {
    let functions = public_functions();
    let mut faults = Vec::new();
    for (what, least, is_concerned, has_it) in RULES {
        let concerned: Vec<_> = functions.iter().filter(|one| is_concerned(one)).collect();
        assert!(
            concerned.len() > least,
            "the functions were not found: {what}"
        );
        let without = concerned.into_iter().filter(|one| !has_it(one));
        faults.extend(without.map(|one| format!("{}: {} lacks {what}", one.place, one.name)));
    }
    expect_none(&faults);
    for name in TRIVIAL.split(' ').chain(WAITING.split(' ')) {
        let exists = functions.iter().any(|function| function.name == name);
        assert!(exists, "there is no longer a function {name}");
    }
    for file in OF_THE_ENDS.split(' ') {
        let exists = functions.iter().any(|function| function.file == file);
        assert!(exists, "src/{file} has no public function");
    }
}

/// The types with a `Drop`. `Ready` and `Registration` may wait for the reactor's table,
/// and `RoleGuard` for the locks of a ring with `unlink_on_drop`: see the table of drops in
/// `src/docs/api.md`. Add a new type that may wait to that table too.
const DROPS: &str = "Death Entry LockFile Ready Registration RoleGuard Segment SignalMask Temporary \
    TryIter";

#[test]
fn the_list_of_drops_is_complete() {
    let sources = library();
    let drops = sources.iter().flat_map(items).filter_map(|item| {
        let Item::Impl(block) = item else { return None };
        let (_, of, _) = block.trait_.as_ref()?;
        of.is_ident("Drop").then(|| last_name(&block.self_ty))?
    });
    let mut drops: Vec<_> = drops.map(Ident::to_string).collect();
    drops.sort();
    assert_eq!(drops.join(" "), DROPS);
}

#[test]
fn the_tour_has_an_entry_for_every_file_and_no_other() {
    let tour = include_str!("../../src/docs/tour.md");
    let words = tour.split('`');
    let places: Vec<_> = words.filter_map(|word| word.strip_prefix("src/")).collect();
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
