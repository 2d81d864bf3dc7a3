//! Rules for the text of the sources.

use regex::Regex;

use super::pages::read;
use super::sources::{Source, expect_none, sources};
use super::words::paths;

/// Names that only these files may use.
const ONLY_IN: [(&str, &str); 2] = [
    (
        "atomic core::hint std::hint hint:: intrinsics Ordering Relaxed Acquire Release AcqRel SeqCst",
        "sync.rs",
    ),
    ("asm! global_asm! naked_asm!", "payload.rs"),
];

/// Names for system calls and pointers, and the files that must not use them.
const NOT_IN: (&str, &str) = (
    "libc unsafe *const *mut &raw NonNull std extern",
    "cursor.rs parker.rs wait/sleep.rs",
);

/// The places of all forbidden names.
fn misplaced(sources: &[Source]) -> Vec<String> {
    let mut places = Vec::new();
    for source in sources {
        let is_one_of = |files: &str| files.split(' ').any(|file| source.path == file);
        for (pieces, files) in ONLY_IN {
            if !is_one_of(files) {
                places.extend(source.places_of(pieces));
            }
        }
        if is_one_of(NOT_IN.1) {
            places.extend(source.places_of(NOT_IN.0));
        }
    }
    places
}

#[test]
fn atomics_are_only_in_sync_and_the_protocol_makes_no_system_call() {
    let sources = sources();
    expect_none(&misplaced(&sources));
    for path in ["sync.rs", "cursor.rs", "parker.rs", "wait/sleep.rs"] {
        let mut sources = sources.iter();
        let exists = sources.any(|source| source.path == path);
        assert!(exists, "there is no src/{path}");
    }
}

#[test]
fn a_forbidden_name_is_found() {
    let found = |path, code| misplaced(&[Source::parse(path, code)]);
    for code in [
        "use std::sync::atomic::AtomicU8;",
        "use core::sync::{self, atomic as words};",
        "use core::hint as tips;",
        "fn f() { core :: hint :: spin_loop() }",
        "fn f() { assert!(load(Ordering\n::Acquire) == 1) }",
    ] {
        assert_ne!(found("ring.rs", code), [""; 0], "{code}");
        assert_eq!(found("sync.rs", code), [""; 0], "{code}");
    }
    for code in [
        "fn f() { libc::sched_yield(); }",
        "use std::fs;",
        "struct S { at: *const u8 }",
        "fn f(s: S) { unsafe { s.at.read() } }",
        "use core::ptr::NonNull as Place;",
    ] {
        assert_ne!(found("cursor.rs", code), [""; 0], "{code}");
        assert_eq!(found("ring.rs", code), [""; 0], "{code}");
    }
    let code = "/// Ordering.\nfn f() -> &'static str { \"unsafe asm!\" } // libc";
    assert_eq!(found("cursor.rs", code), [""; 0]);
}

#[test]
fn no_file_has_more_than_400_lines_of_code() {
    for Source { path, code, .. } in sources() {
        let count = code.len();
        assert!(count <= 400, "src/{path} has {count} lines of code");
    }
}

/// The lines of unsafe blocks that have no SAFETY comment of their own: none between them and the block
/// before. That each has one is a lint of clippy, `undocumented_unsafe_blocks`, which lets the blocks of
/// a statement share it.
fn shared_comments(source: &Source) -> (Vec<usize>, usize) {
    let (mut shared, mut count, mut last) = (Vec::new(), 0, 0);
    let comments: Vec<_> = (1..)
        .zip(source.text.lines())
        .filter(|(_, line)| line.contains("// SAFETY:"))
        .collect();
    for pair in source.tokens.windows(2) {
        if pair[0].0 == "unsafe" && pair[1].0 == "{" {
            let line = pair[0].1;
            let has_its_own = comments
                .iter()
                .any(|(place, _)| (last + 1..line).contains(place));
            shared.extend((!has_its_own).then_some(line));
            (count, last) = (count + 1, line);
        }
    }
    (shared, count)
}

#[test]
fn every_unsafe_has_its_own_safety_comment() {
    let (mut faults, mut count) = (Vec::new(), 0);
    for source in sources() {
        let (shared, blocks) = shared_comments(&source);
        faults.extend(shared.iter().map(|&line| source.place(line)));
        count += blocks;
    }
    expect_none(&faults);
    assert!(count > 20, "the unsafe blocks were not found");
    let lints = include_str!("../../Cargo.toml");
    assert!(lints.contains("\nundocumented_unsafe_blocks = \"deny\"\n"));
    let comment = "\n// SAFETY: checked.\n";
    for (code, faults) in [
        ("fn f() {# let a = unsafe { f() };# unsafe { g() } }", 0),
        ("fn f() {# let a = unsafe { f() } + unsafe { g() }; }", 1),
        (
            "fn f() {# let a = S { a: unsafe { f() },\n b: unsafe { g() } }; }",
            1,
        ),
        ("unsafe fn f() { unsafe impl S for T {} }", 0),
    ] {
        let source = Source::parse("a.rs", &code.replace('#', comment));
        assert_eq!(shared_comments(&source).0.len(), faults, "{code}");
    }
}

/// A text that no file has whose path begins and ends like this: its pattern, a sample that has it,
/// and one that has not.
type Forbidden = (
    &'static str,
    &'static str,
    [&'static str; 2],
    &'static [&'static str],
    &'static str,
);

const FORBIDDEN: &[Forbidden] = &[
    (
        "a SAFETY comment that trusts the peer",
        r"// SAFETY:.*(\n *//.*)*([Ww]ell[- ]behaved|breaks(\n *//)? the(\n *//)? rules)",
        ["src/", ".rs"],
        &[
            "// SAFETY: the peer is well-behaved.\n",
            "// SAFETY: no peer breaks\n// the rules.\n",
        ],
        "// SAFETY: checked.\n\n// It breaks the rules.\n",
    ),
    (
        "the feature loom: the library does not change with it",
        r#"feature = "loom"|cfg\(loom"#,
        ["src/", ".rs"],
        &["#[cfg(feature = \"loom\")]", "#[cfg(loom)]"],
        "as loom-tests/ does",
    ),
    (
        "a link that counts the methods of a name: it changes with another method",
        r"\(#method\.\w+-\d",
        ["src/", ".rs"],
        &["[`push`](#method.push-1)"],
        "[`push`](#method.push)",
    ),
    (
        "a call that panics if no process reads its output",
        r"print(ln)?!\(",
        ["examples/", ".rs"],
        &["println!(\"text\")", "eprint!(\"text\")"],
        "writeln!(output, \"text\")",
    ),
    (
        "a comment after a value: systemd takes it for a part of the value",
        r"\n[A-Z][A-Za-z]+=[^\n#;]*[#;]",
        ["", ".md"],
        &["\nCPUAffinity=2 # one core\n"],
        "\n# Twice:\nRestart=always\n\n# Another title\n",
    ),
];

#[test]
fn no_file_has_a_forbidden_text() {
    let (paths, mut faults) = (paths(), Vec::new());
    for (what, pattern, [begin, end], samples, other) in FORBIDDEN {
        let pattern = Regex::new(pattern).expect("a pattern");
        assert!(samples.iter().all(|text| pattern.is_match(text)), "{what}");
        assert!(!pattern.is_match(other), "{what}");
        let is_its = |path: &&String| path.starts_with(begin) && path.ends_with(end);
        assert!(paths.iter().any(|path| is_its(&path)), "{what}");
        for path in paths.iter().filter(is_its) {
            let text = read(path);
            let places = pattern
                .find_iter(&text)
                .map(|hit| text[..hit.start()].matches('\n').count());
            faults.extend(places.map(|line| format!("{path}:{}: {what}", line + 1)));
        }
    }
    expect_none(&faults);
}
