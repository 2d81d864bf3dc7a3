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
    for (forbidden, allowed, code) in [
        (
            "ring.rs",
            "sync.rs",
            "use core::sync::{self, atomic as words};",
        ),
        (
            "ring.rs",
            "sync.rs",
            "fn f() { core :: hint\n:: spin_loop() }",
        ),
        (
            "cursor.rs",
            "ring.rs",
            "fn f(s: S) { unsafe { s.at.read() } }",
        ),
        ("cursor.rs", "ring.rs", "struct S { at: *const u8 }"),
    ] {
        let found = |path| misplaced(&[Source::parse(path, code)]);
        assert_ne!(found(forbidden), [""; 0], "{code}");
        assert_eq!(found(allowed), [""; 0], "{code}");
    }
    let code = "/// Ordering.\nfn f() -> &'static str { \"unsafe asm!\" } // libc";
    assert_eq!(misplaced(&[Source::parse("cursor.rs", code)]), [""; 0]);
}

#[test]
fn no_file_has_more_than_400_lines_of_code() {
    for Source { path, code, .. } in sources() {
        let count = code.len();
        assert!(count <= 400, "src/{path} has {count} lines of code");
    }
}

/// The unsafe blocks that have no SAFETY comment of their own: none between them and the block
/// before. That each has one is a lint of clippy, `undocumented_unsafe_blocks`, which lets the blocks of
/// a statement share it.
fn shared_comments(source: &Source) -> Vec<String> {
    let comments: Vec<_> = (1..)
        .zip(source.text.lines())
        .filter(|(_, line)| line.contains("// SAFETY:"))
        .map(|(line, _)| line)
        .collect();
    let (mut shared, mut last) = (Vec::new(), 0);
    for pair in source.tokens.windows(2) {
        if pair[0].0 == "unsafe" && pair[1].0 == "{" {
            let line = pair[0].1;
            let mut own = comments
                .iter()
                .filter(|place| (last + 1..line).contains(place));
            shared.extend(own.next().is_none().then(|| source.place(line)));
            last = line;
        }
    }
    shared
}

#[test]
fn every_unsafe_has_its_own_safety_comment() {
    expect_none(
        &sources()
            .iter()
            .flat_map(shared_comments)
            .collect::<Vec<_>>(),
    );
    let lints = include_str!("../../Cargo.toml");
    assert!(lints.contains("\nundocumented_unsafe_blocks = \"deny\"\n"));
    let comment = "\n// SAFETY: checked.\n";
    for (code, faults) in [
        ("fn f() {# let a = unsafe { f() };# unsafe { g() } }", 0),
        ("fn f() {# let a = unsafe { f() } + unsafe { g() }; }", 1),
    ] {
        let source = Source::parse("a.rs", &code.replace('#', comment));
        assert_eq!(shared_comments(&source).len(), faults, "{code}");
    }
}

/// A text that no file has whose path begins and ends like this: what it is, its pattern, a sample
/// that has it, and one that has not.
const FORBIDDEN: [[&str; 6]; 5] = [
    [
        "a SAFETY comment that trusts the peer",
        r"// SAFETY:.*(\n *//.*)*([Ww]ell[- ]behaved|breaks(\n *//)? the(\n *//)? rules)",
        "src/",
        ".rs",
        "// SAFETY: no peer breaks\n// the rules.\n",
        "// SAFETY: checked.\n\n// It breaks the rules.\n",
    ],
    [
        "the feature loom: the library does not change with it",
        r#"feature = "loom"|cfg\(loom"#,
        "src/",
        ".rs",
        "#[cfg(feature = \"loom\")]",
        "as loom-tests/ does",
    ],
    [
        "a link that counts the methods of a name: it changes with another method",
        r"\(#method\.\w+-\d",
        "src/",
        ".rs",
        "[`push`](#method.push-1)",
        "[`push`](#method.push)",
    ],
    [
        "a call that panics if no process reads its output",
        r"print(ln)?!\(",
        "examples/",
        ".rs",
        "eprint!(\"text\")",
        "writeln!(output, \"text\")",
    ],
    [
        "a comment after a value: systemd takes it for a part of the value",
        r"\n[A-Z][A-Za-z]+=[^\n#;]*[#;]",
        "",
        ".md",
        "\nCPUAffinity=2 # one core\n",
        "\n# Twice:\nRestart=always\n\n# Another title\n",
    ],
];

#[test]
fn no_file_has_a_forbidden_text() {
    let (paths, mut faults) = (paths(), Vec::new());
    for [what, pattern, begin, end, sample, other] in FORBIDDEN {
        let pattern = Regex::new(pattern).expect("a pattern");
        assert!(
            pattern.is_match(sample) && !pattern.is_match(other),
            "{what}"
        );
        let is_its = |path: &&String| path.starts_with(begin) && path.ends_with(end);
        assert!(paths.iter().any(|path| is_its(&path)), "{what}");
        for path in paths.iter().filter(is_its) {
            let text = read(path);
            let hits = pattern.find_iter(&text);
            let lines = hits.map(|hit| text[..hit.start()].matches('\n').count() + 1);
            faults.extend(lines.map(|line| format!("{path}:{line}: {what}")));
        }
    }
    expect_none(&faults);
}
