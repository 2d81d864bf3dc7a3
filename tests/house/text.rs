//! Rules for the text of the sources.

use super::sources::{Source, expect_none, library, sources};

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

/// The faults of the SAFETY comments of a file, and the number of its unsafe blocks and
/// impls.
fn unsafe_without_a_comment(source: &Source) -> (Vec<String>, usize) {
    let (mut faults, mut comments) = (Vec::new(), Vec::new());
    for pair in source.tokens.windows(2) {
        let (word, line) = (pair[0].0.as_str(), pair[0].1);
        if word != "unsafe" || !["{", "impl"].contains(&pair[1].0.as_str()) {
            continue;
        }
        let comment = safety_comment(source, line);
        if comment.is_none() {
            faults.push(format!("{} has no SAFETY comment", source.place(line)));
        } else if comments.contains(&comment) {
            faults.push(format!("{} shares its SAFETY comment", source.place(line)));
        }
        comments.push(comment);
    }
    (faults, comments.len())
}

/// The line of the SAFETY comment above the statement that `line` belongs to.
fn safety_comment(source: &Source, line: usize) -> Option<usize> {
    let lines: Vec<_> = source.text.lines().collect();
    // The statement may have begun some lines before.
    let continues = |line: &usize| {
        let last = source.code.get(line);
        last.is_some_and(|last| !["{", "}", ";", ",", "("].contains(&last.as_str()))
    };
    let above = |line: &usize| Some(line - 1).filter(|&line| line > 0);
    let mut line = above(&line)?;
    while continues(&line) {
        line = above(&line)?;
    }
    loop {
        let comment = lines[line - 1].trim();
        if source.code.contains_key(&line) || !comment.starts_with("//") {
            return None;
        }
        if comment.starts_with("// SAFETY: ") {
            return Some(line);
        }
        line = above(&line)?;
    }
}

#[test]
fn every_unsafe_has_its_own_safety_comment() {
    let (mut faults, mut count) = (Vec::new(), 0);
    for source in sources() {
        let (found, blocks) = unsafe_without_a_comment(&source);
        faults.extend(found);
        count += blocks;
    }
    expect_none(&faults);
    assert!(count > 20, "the unsafe blocks were not found");
}

#[test]
fn an_unsafe_without_a_safety_comment_is_found() {
    let faults = |code: &str| {
        unsafe_without_a_comment(&Source::parse("a.rs", code))
            .0
            .len()
    };
    let good = "fn f() {\n// SAFETY: so.\n// And so.\nlet a =\n    unsafe { f() };\nnext();\n}\n";
    assert_eq!(faults(good), 0);
    for (old, new) in [
        ("next()", "unsafe { f() }"),
        ("f() }", "f() } + unsafe { g() }"),
        ("SAFETY: ", ""),
        ("// And so.", ""),
        ("let a =", "g();"),
        ("let a =", "let a = 1 +\n"),
    ] {
        assert_eq!(faults(&good.replace(old, new)), 1, "{new:?} for {old:?}");
    }
    assert_eq!(faults("unsafe impl Send for S {}"), 1);
    assert_eq!(faults("// SAFETY: so.\nunsafe impl Send for S {}"), 0);
}

/// SAFETY comments that rely on the behaviour of another process.
fn trusting_comments(source: &Source) -> Vec<String> {
    let lines: Vec<_> = source.text.lines().map(str::trim).collect();
    let mut places = Vec::new();
    for (index, _) in lines
        .iter()
        .enumerate()
        .filter(|(_, line)| line.starts_with("// SAFETY:"))
    {
        let comment = lines[index..]
            .iter()
            .map_while(|line| line.strip_prefix("//"));
        let comment = comment
            .flat_map(str::split_whitespace)
            .collect::<Vec<_>>()
            .join(" ");
        let comment = comment.to_lowercase().replace('-', " ");
        if comment.contains("well behaved") || comment.contains("breaks the rules") {
            places.push(source.place(index + 1));
        }
    }
    places
}

#[test]
fn no_safety_comment_trusts_the_peer() {
    let found: Vec<_> = library().iter().flat_map(trusting_comments).collect();
    expect_none(&found);
    let found = |text| trusting_comments(&Source::parse("a.rs", text)).len();
    assert_eq!(found("// SAFETY: the peer is well-behaved.\n"), 1);
    assert_eq!(found("// SAFETY: no peer breaks\n// the rules.\n"), 1);
    assert_eq!(found("// SAFETY: checked.\n\n// It breaks the rules.\n"), 0);
}

#[test]
fn the_library_does_not_use_the_feature_loom() {
    for Source { path, text, .. } in sources() {
        for word in ["feature = \"loom\"", "cfg(loom"] {
            assert!(!text.contains(word), "src/{path} has {word}");
        }
    }
}
