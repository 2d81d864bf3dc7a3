//! README's two programs as a new user's crate: its `Cargo.toml` and `main.rs` are the blocks of
//! the page. Built by cargo, started, killed, started again, and ended by signals.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use quoit::{Observer, Role};

use super::common::names::RingName;
use super::common::rings::sleeps_at;
use super::example::Program;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The first block of a language in README.md.
fn block(language: &str) -> &'static str {
    let page = include_str!("../../README.md");
    let block = page.split(&format!("```{language}\n")).nth(1);
    let block = block.and_then(|block| block.split("\n```").next());
    block.unwrap_or_else(|| panic!("README.md has no {language}"))
}

/// Makes and builds the user's crate, with another ring than "ticks"; says where the program is.
fn build(ring: &RingName) -> PathBuf {
    // In the target and with the profile of this test, which most of it was compiled for.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("");
    let user = target.join("tmp/readme-user");
    let _ = fs::remove_dir_all(&user);
    let cargo = |words: &str| {
        let mut cargo = Command::new(env!("CARGO"));
        // Of the gate: its lints are not for a user.
        cargo.env_remove("RUSTC_WORKSPACE_WRAPPER");
        let output = cargo.args(words.split(' ')).current_dir(target.join("tmp"));
        let output = output.output().expect("cargo runs");
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{errors}");
        errors
    };
    // documented: cargo new ticks
    cargo("new --quiet --vcs none readme-user");
    let dependencies = block("toml").replace("\"../quoit\"", &format!("{ROOT:?}"));
    assert!(dependencies.contains(ROOT), "README.md names no path");
    let manifest = fs::read_to_string(user.join("Cargo.toml")).expect("a file");
    let package = manifest
        .strip_suffix("[dependencies]\n")
        .expect("the last line");
    // No part of a workspace that a directory above may have.
    let manifest = format!("{package}{dependencies}\n[workspace]\n");
    fs::write(user.join("Cargo.toml"), manifest).expect("a file");
    let program = block("rust,no_run").replace("\"ticks\"", &format!("\"{ring}\""));
    assert_eq!(program.matches(ring.as_str()).count(), 2);
    fs::write(user.join("src/main.rs"), program).expect("a file");
    // The versions that are there: no network is needed.
    fs::copy(Path::new(ROOT).join("Cargo.lock"), user.join("Cargo.lock")).expect("a copy");
    let build = "build --quiet --offline --profile test --target-dir ..";
    let errors = cargo(&format!("{build} --manifest-path readme-user/Cargo.toml"));
    assert_eq!(errors, "", "they compile without a warning");
    target.join("debug/readme-user")
}

/// The number of the tick that the reader prints.
fn at(line: &str) -> u64 {
    let number = line.strip_prefix("Tick { at: ");
    let number = number.and_then(|rest| rest.strip_suffix(", price: 101.5 }"));
    let number = number.unwrap_or_else(|| panic!("{line:?} is no tick"));
    number.parse().expect("a number")
}

#[test]
fn the_programs_of_the_readme_are_killed_and_resume() {
    let ring = RingName::new("readme");
    let program = build(&ring);
    let start = |what| Program::start(Command::new(&program).arg(what));

    fs::write(ring.file(), "no ring").expect("a file");
    let why = "is not a quoit ring: it is too short; choose another name or remove the file\n";
    start("write").end().is(1, "", &format!("\"{ring}\" {why}"));
    fs::remove_file(ring.file()).expect("the file is there");

    // documented: cargo run -- read
    // documented: cargo run -- write
    let mut reader = start("read");
    let mut writer = start("write");
    let mut ticks = 0..;
    let mut reads = |reader: &mut Program, count: usize| {
        for number in ticks.by_ref().take(count) {
            assert_eq!(at(&reader.line()), number);
        }
    };
    reads(&mut reader, 5000);

    let observer = Observer::open(ring.as_str()).expect("the ring is there");
    writer.kill();
    let left = observer.positions().tail - 5000;
    reads(&mut reader, usize::try_from(left).expect("a few"));
    // It has noticed the crash, or it would have ended, and waits for the next one.
    sleeps_at(&observer, Role::Consumer, 5);
    let writer = start("write");
    reads(&mut reader, 20_000); // more than the ring and the pipe hold: the new writer's, too

    reader.kill();
    let printed = reader.end();
    sleeps_at(&observer, Role::Producer, 5);
    let last = at(printed.said().lines().last().expect("a line"));
    let mut reader = start("read");
    let first = at(&reader.line());
    // It may have been killed between its pop and its line.
    assert!(
        [last + 1, last + 2].contains(&first),
        "{last}, then {first}"
    );
    for number in first + 1..first + 5000 {
        assert_eq!(at(&reader.line()), number);
    }

    writer.signal(libc::SIGINT);
    reader.signal(libc::SIGTERM);
    for program in [writer, reader] {
        program.end().quietly();
    }
}
