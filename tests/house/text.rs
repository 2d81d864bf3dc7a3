//! Rules for the text of the sources.

use std::mem::replace;

use syn::visit::{self, Visit};
use syn::{Arm, ExprUnsafe, Stmt};

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

/// Unsafe blocks that share a statement or the arm of a match, and so its SAFETY comment, with one before them. That each
/// has a comment is a lint of clippy, `undocumented_unsafe_blocks`.
#[derive(Default)]
struct Shared {
    in_this_statement: usize,
    blocks: usize,
    lines: Vec<usize>,
}

impl<'ast> Visit<'ast> for Shared {
    fn visit_stmt(&mut self, statement: &'ast Stmt) {
        let outer = replace(&mut self.in_this_statement, 0);
        visit::visit_stmt(self, statement);
        self.in_this_statement = outer;
    }

    fn visit_arm(&mut self, arm: &'ast Arm) {
        let outer = replace(&mut self.in_this_statement, 0);
        visit::visit_arm(self, arm);
        self.in_this_statement = outer;
    }

    fn visit_expr_unsafe(&mut self, block: &'ast ExprUnsafe) {
        self.in_this_statement += 1;
        self.blocks += 1;
        if self.in_this_statement > 1 {
            self.lines.push(block.unsafe_token.span.start().line);
        }
        visit::visit_expr_unsafe(self, block);
    }
}

fn shared_comments(source: &Source) -> Shared {
    let mut shared = Shared::default();
    shared.visit_file(&source.file);
    shared
}

#[test]
fn every_unsafe_has_its_own_safety_comment() {
    let (mut faults, mut count) = (Vec::new(), 0);
    for source in sources() {
        let shared = shared_comments(&source);
        faults.extend(shared.lines.iter().map(|&line| source.place(line)));
        count += shared.blocks;
    }
    expect_none(&faults);
    assert!(count > 20, "the unsafe blocks were not found");
    let lints = include_str!("../../Cargo.toml");
    assert!(lints.contains("\nundocumented_unsafe_blocks = \"deny\"\n"));
    for (code, faults) in [
        ("fn f() { let a = unsafe { f() }; unsafe { g() } }", 0),
        ("fn f() { let a = unsafe { f() } + unsafe { g() }; }", 1),
        ("fn f() { g(|| { unsafe { f() }; unsafe { g() } }) }", 0),
        (
            "fn f() { let a = S { a: unsafe { f() }, b: unsafe { g() } }; }",
            1,
        ),
    ] {
        let found = shared_comments(&Source::parse("a.rs", code)).lines;
        assert_eq!(found.len(), faults, "{code}");
    }
}

/// SAFETY comments that rely on the behaviour of another process.
fn trusting_comments(source: &Source) -> Vec<String> {
    let lines: Vec<_> = source.text.lines().map(str::trim).collect();
    let begins = |index: &usize| {
        let comment = lines[*index].strip_prefix("// ");
        comment.is_some_and(|comment| comment.starts_with("SAFETY:"))
    };
    let trusts = |index: &usize| {
        let comment = lines[*index..]
            .iter()
            .map_while(|line| line.strip_prefix("//"));
        let words: Vec<_> = comment.flat_map(str::split_whitespace).collect();
        let text = words.join(" ").to_lowercase().replace('-', " ");
        text.contains("well behaved") || text.contains("breaks the rules")
    };
    let places = (0..lines.len()).filter(begins).filter(trusts);
    places.map(|index| source.place(index + 1)).collect()
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
