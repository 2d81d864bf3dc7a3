//! Rules for the documentation.

use super::functions::{Function, functions_of};
use super::text::{Source, expect_none, hits, library, read, regex, sources};

/// The files of the four endpoints, and the file of their common methods.
const ENDS: &str =
    "endpoint/methods.rs|producer.rs|consumer.rs|frame_producer.rs|frame_consumer.rs";

/// The interface for `bindings/`, which is not part of the API.
const HIDDEN: &str = "adapters/raw";

/// Functions that only construct, read, set or copy a value, and need no Real-time section.
const TRIVIAL: &str = "new|len|is_empty|kind|set_kind|set_timeout|view|write|write_at|\
    copy_from_slice|read|read_at|copy_to|copy_to_slice|as_ptr|as_mut_ptr|as_ref|as_mut|as_bytes|\
    as_mut_bytes|slices|slices_mut|reason";

/// The waiting functions whose names do not end in `_timeout`.
const WAITING: &str = "push|push_kind|push_parts|push_slice|push_all|extend|pop|pop_into|pop_slice|\
    pop_exact|claim|claim_many|peek|peek_many|iter|wait_for_peer";

/// A public function as `FILE: pub fn NAME(ARGUMENTS) -> TYPE` that has the first pattern, but not the
/// second one, has the third in a section. What it is, and the least number of these functions.
/// A section may refer to another function of the same kind.
#[rustfmt::skip]
const RULES: [(&str, usize, &str, &str, &str, &str); 8] = [
    ("a complete Real-time section", 100,
        // Nor does a builder method need it.
        "", r"fn (TRIVIAL)\(|\(mut self.*-> Self$",
        "Real-time", r"(?i)wait-free|syscall|alloc|sleep|as \["),
    ("what a dropped future has done, as \"Cancel safety: ...\"", 20,
        "async fn", "^$", "", r"(?m)^Cancel safety: ."),
    ("the end of the thread that waits", 20,
        "async fn", "^$", "Errors", r"ReactorDied|^As \[`.*\]\(Self::"),
    ("a refusal of the system", 20,
        r"\(.*\bError\b", "^$", "Errors", r"OS error|Error::Io|As \["),
    ("that the call may sleep", 10,
        r"^(ENDS): .*fn (\w+_timeout|WAITING)\(&mut self", "^$",
        "Real-time", r"ay sleep|^As \[`([^t]|t[^r]|try[^_])"),
    ("that the call never sleeps", 20,
        // `close` never waits, but makes a syscall.
        r"^(ENDS): .*\(&mut self", r"fn (\w+_timeout|close|WAITING|TRIVIAL)\(",
        "Real-time", r"ait-free|^As \[`try_"),
    ("that a publish or a release may have to wake the peer, with a syscall", 10,
        r"^(ENDS): .*fn (try_push|try_pop|commit|release|drain)", "^$",
        "Real-time", r"no syscall but the wake|^As \[`try_"),
    ("how long it waits for a lock", 5,
        // An observer takes none.
        r"fn (create|open|open_or_create|producer|consumer|unlink)\(", "^observer.rs",
        "Real-time", r"waits up to|^As \["),
];

fn public_functions() -> Vec<Function> {
    let mut functions: Vec<_> = sources().iter().flat_map(functions_of).collect();
    functions.retain(|function| !function.file.starts_with(HIDDEN));
    assert!(functions.len() > 100, "the functions were not found");
    functions
}

#[test]
fn the_documentation_says_what_a_caller_needs() {
    let functions = public_functions();
    let pattern = |text: &str| {
        let lists = [("ENDS", ENDS), ("WAITING", WAITING), ("TRIVIAL", TRIVIAL)];
        let list = |text: String, (name, list): (&str, &str)| text.replace(name, list);
        regex(&lists.into_iter().fold(text.to_owned(), list))
    };
    let mut faults = Vec::new();
    for (what, least, which, not, section, has) in RULES {
        let (which, not, has) = (pattern(which), pattern(not), pattern(has));
        let mut count = 0;
        for one in &functions {
            let line = format!("{}: {}{}", one.file, one.head, one.signature);
            if which.is_match(&line) && !not.is_match(&line) {
                count += 1;
                let is_there = has.is_match(&one.section(section));
                faults.extend((!is_there).then(|| one.fault(what)));
            }
        }
        assert!(count > least, "the functions were not found: {what}");
    }
    let page = read("src/docs/api.md");
    let tables = "common/calls/records.rs common/calls/frames.rs waits/deadlines.rs";
    let tables: String = tables
        .split(' ')
        .map(|table| read(&format!("tests/{table}")))
        .collect();
    for one in &functions {
        let name = &one.name;
        let is_named = page.contains(&format!("`{name}`"));
        faults.extend((!is_named).then(|| one.fault("its name in src/docs/api.md")));
        let has_a_row = [format!("| {name}("), format!("::{name}\"")]
            .iter()
            .any(|row| tables.contains(row));
        let needs_one = one.signature.contains("Deadline");
        faults.extend((needs_one && !has_a_row).then(|| one.fault("a row in a table of calls")));
    }
    expect_none(&faults);
    for name in TRIVIAL.split('|').chain(WAITING.split('|')) {
        let exists = functions.iter().any(|function| function.name == name);
        assert!(exists, "there is no longer a function {name}");
    }
    for file in ENDS.split('|') {
        let exists = functions.iter().any(|function| function.file == file);
        assert!(exists, "src/{file} has no public function");
    }
}

/// What is wrong with the signatures in the tables of `src/docs/api.md`: each row has that of the
/// first name in it that has one.
fn signature_faults(page: &str, functions: &[Function]) -> Vec<String> {
    let (mut faults, mut has_signatures) = (Vec::new(), false);
    for (index, line) in page.lines().enumerate() {
        let place = format!("src/docs/api.md:{}", index + 1);
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let [_, names, cell, ..] = cells[..] else {
            has_signatures = false;
            continue;
        };
        if cell == "signature" || cell.starts_with("---") {
            has_signatures |= cell == "signature";
        } else if !has_signatures {
            let needs_them = cell == "purpose" && regex("^(call|option)").is_match(names);
            faults.extend(needs_them.then(|| format!("{place}: no column \"signature\"")));
        } else {
            let links = hits(r"\]\(crate::([^)]*)\)", names);
            let mut all = links.iter().map(|link| signatures_of(&link[1], functions));
            let first = all.find(|found| !found.is_empty()).unwrap_or_default();
            // Nothing for a type, a module or a constant.
            let cell = cell.trim_matches('`');
            if !(first.iter().any(|one| one == cell) || first.is_empty() && cell.is_empty()) {
                faults.push(format!("{place}: {cell:?}, not {first:?}"));
            }
        }
    }
    faults
}

/// Of the function that a link refers to, such as `Producer::push` or `unlink`. A macro's methods
/// are of no type.
fn signatures_of(link: &str, functions: &[Function]) -> Vec<String> {
    let (of, name) = link.rsplit_once("::").unwrap_or(("", link));
    let of = of
        .rsplit("::")
        .next()
        .filter(|of| of.starts_with(char::is_uppercase));
    let found = |of: Option<&str>| -> Vec<_> {
        let found = functions
            .iter()
            .filter(|one| one.name == name && one.of.as_deref() == of);
        found.map(Function::without_self).collect()
    };
    let own = found(of);
    if own.is_empty() { found(None) } else { own }
}

#[test]
fn each_row_of_the_page_of_the_api_has_the_signature_of_its_first_name() {
    let page = read("src/docs/api.md");
    let functions: Vec<_> = library().iter().flat_map(functions_of).collect();
    expect_none(&signature_faults(&page, &functions));
    assert!(
        page.matches(" | `(").count() > 90,
        "the rows were not found"
    );
}

/// The types with a `Drop`. `Ready` and `Registration` may wait for the reactor's table,
/// and `RoleGuard` for the locks of a ring with `unlink_on_drop`: see the table of drops in
/// `src/docs/api.md`. Add a new type that may wait to that table too.
const DROPS: &str = "Death DirectoryLock Entry Extension LockFile Ready Registration RoleGuard Segment \
    SignalMask Temporary TryIter";

#[test]
fn the_list_of_drops_is_complete() {
    let sources = library();
    let drops = sources
        .iter()
        .flat_map(|source| hits(r"\bDrop for (\w+)", &source.code));
    let mut drops: Vec<_> = drops.map(|drop| drop[1].to_owned()).collect();
    drops.sort();
    assert_eq!(drops.join(" "), DROPS);
}

#[test]
fn the_tour_has_an_entry_for_every_file_and_no_other() {
    let tour = read("src/docs/tour.md");
    let words = tour.split('`');
    let places: Vec<_> = words.filter_map(|word| word.strip_prefix("src/")).collect();
    let sources = sources();
    // An entry for a folder also covers the file of the same name.
    let is_in = |source: &Source, place: &str| match place.strip_suffix('/') {
        Some(folder) => source.path == format!("{folder}.rs") || source.path.starts_with(place),
        None => source.path == place,
    };
    let mut faults = Vec::new();
    for source in &sources {
        let is_there = places.iter().any(|place| is_in(source, place));
        faults.extend((!is_there).then(|| format!("no entry for src/{}", source.path)));
    }
    for place in places.iter().filter(|place| **place != "layout.md") {
        let exists = sources.iter().any(|source| is_in(source, place));
        faults.extend((!exists).then(|| format!("src/{place} does not exist")));
    }
    expect_none(&faults);
}

#[test]
fn a_wrong_signature_is_found() {
    let source = "struct P;\nimpl<T: A<B>> P<T> {\n    pub fn a(&mut self, b: T,\n        c: u8) -> Result<T, E> {}\n}";
    let functions = functions_of(&Source::new("a.rs", source));
    let head = "| call | signature | purpose |\n|---|---|---|\n";
    let right = "| [`a`](crate::P::a) | `(b: T, c: u8) -> Result<T, E>` | copies |";
    for (head, row, faults) in [
        (head, right, 0),
        (head, "| [`a`](crate::P::a) | `(b: T)` | copies |", 1),
        (head, "| [`P`](crate::P) | `()` | has no function |", 1),
        ("| call of a `P` | purpose |\n|---|---|\n", right, 1),
    ] {
        let found = signature_faults(&format!("{head}{row}"), &functions);
        assert_eq!(found.len(), faults, "{row}: {found:?}");
    }
}
