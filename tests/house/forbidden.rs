//! Texts that no file has, and texts that a file has.

use super::text::{Source, expect_none, hits, line, paths, read, regex, sources};

/// What is read of a file: all of it, or only the code of a source of the crate, without its tests.
type Of = fn(&str) -> String;
const TEXT: Of = str::to_owned;
const CODE: Of = |text| Source::new("a.rs", text).code;

/// What no file has: its name, its pattern, the files, their least number, and a file that may have it.
/// A sample that has it, and one that has not.
type Row = (
    &'static str,
    Of,
    [&'static str; 2],
    usize,
    &'static str,
    [&'static str; 2],
);

#[rustfmt::skip]
const FORBIDDEN: [Row; 11] = [
    ("an atomic, an ordering or a hint: src/sync.rs has them, with names", CODE,
        [r"\b(atomic|intrinsics|Ordering|Relaxed|Acquire|Release|AcqRel|SeqCst)\b|(core|std)\s*::\s*hint\b|\bhint\s*::",
        r"^src/.*\.rs$"], 10, "src/sync.rs",
        ["fn f() { core :: hint\n:: spin_loop() }", "/// Ordering.\nfn f() { \"atomic\" } // hint::"]),
    ("assembly", CODE, [r"\b(global_|naked_)?asm!", r"^src/.*\.rs$"], 10, "src/payload.rs",
        ["fn f() { core::arch::asm!(\"nop\") }", "fn f() { \"asm!\" } // asm!"]),
    ("a system call or a pointer in the protocol", CODE,
        [r"\b(libc|unsafe|NonNull|std|extern)\b|\*const\b|\*mut\b|&raw\b",
        r"^src/(cursor|parker|wait/sleep)\.rs$"], 3, "",
        ["struct S { at: *const u8 }", "fn f() -> &'static str { \"unsafe\" } // libc"]),
    ("a view of payload that returns a reference without `unsafe`", CODE,
        [r"\b(Deref|DerefMut|AsRef|AsMut|Borrow|BorrowMut|Index|IndexMut)(<[^>]*>)? for (Frame|FrameClaim|Frames|FrameView|FrameBatch|BatchFrame|Peek|PeekMany|Claim|ClaimMany)\b",
        r"^src/.*\.rs$"], 10, "",
        ["impl<'a> core::ops::Deref for Frame<'a> {}", "impl Deref for Name {} impl Drop for Frame<'_> {}"]),
    ("a SAFETY comment that trusts the peer", TEXT,
        [r"// SAFETY:.*(\n *//.*)*([Ww]ell[- ]behaved|breaks(\n *//)? the(\n *//)? rules)", r"^src/.*\.rs$"], 10, "",
        ["// SAFETY: no peer breaks\n// the rules.\n", "// SAFETY: checked.\n\n// It breaks the rules.\n"]),
    ("the feature loom: the library does not change with it", TEXT,
        [r#"feature = "loom"|cfg\(loom"#, r"^src/.*\.rs$"], 10, "",
        ["#[cfg(feature = \"loom\")]", "as loom-tests/ does"]),
    ("a link that counts the methods of a name: it changes with another method", TEXT,
        [r"\(#method\.\w+-\d", r"^src/.*\.rs$"], 10, "",
        ["[`push`](#method.push-1)", "[`push`](#method.push)"]),
    ("a call that panics if no process reads its output", TEXT,
        [r"print(ln)?!\(", r"^examples/.*\.rs$"], 10, "",
        ["eprint!(\"text\")", "writeln!(output, \"text\")"]),
    ("a comment after a value: systemd takes it for a part of the value", TEXT,
        [r"\n[A-Z][A-Za-z]+=[^\n#;]*[#;]", r"\.md$"], 10, "",
        ["\nCPUAffinity=2 # one core\n", "\n# Twice:\nRestart=always\n\n# Another title\n"]),
    ("a feature of a bench: `cargo bench` measures everything", TEXT,
        [r"\[\[bench\]\]\n([^\[\n].*\n)*required-features", r"^Cargo\.toml$"], 1, "",
        ["[[bench]]\nname = \"a\"\nrequired-features = [\"cli\"]\n", "[[bench]]\nname = \"a\"\n\n[[test]]\nrequired-features"]),
    ("a test that needs loom, and is no model", TEXT,
        [r#"\[\[test\]\]\n((name|harness) .*\n)*required-features = \["loom"#, r"^Cargo\.toml$"], 1, "",
        ["[[test]]\nname = \"a\"\nrequired-features = [\"loom\"]\n",
        "[[test]]\nname = \"a\"\npath = \"loom-tests/a.rs\"\nrequired-features = [\"loom\"]\n"]),
];

#[test]
fn no_file_has_a_forbidden_text() {
    let (paths, mut faults) = (paths(), Vec::new());
    for (what, of, [pattern, files], least, exception, [sample, other]) in FORBIDDEN {
        let (pattern, files) = (regex(pattern), regex(files));
        assert!(pattern.is_match(&of(sample)), "{what}");
        assert!(!pattern.is_match(&of(other)), "{what}");
        let mut count = 0;
        for path in paths.iter().filter(|path| files.is_match(path)) {
            count += 1;
            let text = of(&read(path));
            let hits = pattern.find_iter(&text).filter(|_| path != exception);
            faults.extend(hits.map(|hit| format!("{path}:{}: {what}", line(&text, hit.start()))));
        }
        assert!(count >= least, "the files were not found: {what}");
        assert!(
            exception.is_empty() || pattern.is_match(&read(exception)),
            "{what}"
        );
    }
    expect_none(&faults);
}

#[test]
fn no_file_has_more_than_400_lines_of_code() {
    for Source { path, code, .. } in sources() {
        let count = code.lines().filter(|line| !line.trim().is_empty()).count();
        assert!(count <= 400, "src/{path} has {count} lines of code");
    }
}

/// Clippy lets the blocks of a statement share one.
#[test]
fn every_unsafe_has_its_own_safety_comment() {
    for Source { path, text, .. } in sources() {
        let mut before: Vec<_> = text.split("unsafe {").collect();
        before.pop();
        let has_one = before.iter().all(|code| code.contains("// SAFETY:"));
        assert!(has_one, "src/{path}");
    }
}

/// `cargo test` refuses the whole command otherwise, or runs no test of a module.
#[test]
fn the_suites_and_modules_that_a_script_lists_exist() {
    let paths = paths();
    for script in [".ci/coverage", ".ci/mutants"] {
        let text = read(script);
        let lists = hits(r"suites=\((\w[^)]*)\)", &text);
        assert_eq!(lists.len(), 1, "{script}");
        for suite in lists[0][1].split_whitespace() {
            let main = format!("tests/{suite}/main.rs");
            assert!(paths.contains(&main), "{script}: there is no suite {suite}");
        }
    }
    let gate = read(".ci/run");
    let emulated = hits(r"'(\w+) (\w+)::\w*'", &gate);
    assert!(emulated.len() > 5, "the modules were not found");
    for module in emulated {
        let file = format!("tests/{}/{}.rs", &module[1], &module[2]);
        assert!(paths.contains(&file), ".ci/run: there is no {file}");
    }
}

/// The examples, each with the feature that it needs, if any.
#[test]
fn the_list_of_examples_has_a_command_for_each() {
    let (list, manifest) = (read("examples/README.md"), read("Cargo.toml"));
    let paths = paths().join("\n");
    let examples = hits(r"(?m)^examples/(\w+)(\.rs|/main\.rs)$", &paths);
    assert!(examples.len() > 10, "the examples were not found");
    for example in examples {
        let name = &example[1];
        let needed =
            format!("\\[\\[example\\]\\]\nname = \"{name}\"\nrequired-features = \\[\"(\\w+)\"");
        let feature = hits(&needed, &manifest).pop();
        let feature = feature.map_or(String::new(), |hit| format!("--features {} ", &hit[1]));
        let command = format!("| `cargo run --release {feature}--example {name}");
        assert!(list.contains(&command), "no row has {command}");
    }
}

/// Step 1 of `RELEASING.md`.
#[test]
fn all_packages_have_one_version() {
    let packages = "Cargo.toml bindings/c/Cargo.toml bindings/python/Cargo.toml \
        bindings/python/pyproject.toml bridges/nats/Cargo.toml Cargo.lock benches/instructions/Cargo.lock \
        bindings/c/Cargo.lock bindings/python/Cargo.lock bridges/nats/Cargo.lock tests/fuzz/Cargo.lock";
    for file in packages.split_whitespace() {
        let text = read(file);
        let own = text.split_once("\nname = \"quoit\"\n");
        let found = own
            .map_or(&*text, |(_, own)| own)
            .lines()
            .find_map(|line| line.strip_prefix("version = "));
        assert_eq!(
            found,
            Some(concat!("\"", env!("CARGO_PKG_VERSION"), "\"")),
            "{file}"
        );
    }
}
