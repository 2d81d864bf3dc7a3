//! Every command that a page shows is run by a test or by the gate.
//!
//! A command is a line of a block of shell, a line after `$ ` of any other block, and a piece
//! of code in a sentence that begins with one of [`PROGRAMS`], or with one of the host's. In the
//! comments of examples and benches, each line that begins with such a program is one, too.

use std::fs;
use std::process::Command;

use super::host;
use super::pages::{Page, names_in, pages, read};
use super::sources::expect_none;
use super::words::paths;

/// What a command in a sentence begins with.
const PROGRAMS: [&str; 7] = [
    "bash",
    "cargo",
    "cc",
    "pip",
    "python3",
    "quoit",
    "quoit-nats",
];

/// The gate runs a command of a page word for word if it has the line `documented 'COMMAND'`.
const GATE: &str = ".ci/run";

/// A command that is run in another form, and the test or the script that does it: a file, and
/// a text of that file. Of the tool, the bridge and the examples [`proof_by_rule`] knows the tests.
const RUN_BY: [(&str, &str, &str); 34] = [
    // The gate itself, and parts of what it runs.
    ("bash .ci/run", GATE, "# The gate: bash .ci/run\n"),
    (
        "bash bridges/nats/test.sh",
        GATE,
        "  bash bridges/nats/test.sh | tee",
    ),
    ("cargo deny", GATE, "\nsuite 'cargo deny' deny\n"),
    (
        "cargo test",
        GATE,
        "documented 'cargo test --features loom'\n",
    ),
    (
        "cargo test --test house",
        GATE,
        "documented 'cargo test --features loom'\n",
    ),
    (
        "cargo test --features loom --test loom_cursor",
        GATE,
        "documented 'cargo test --features loom'\n",
    ),
    (
        "LOOM_LOCATION=1 cargo test --features loom --test loom_cursor -- slots_of_one --exact",
        "loom-tests/models/slots.rs",
        "name: \"slots_of_one\",",
    ),
    (
        "cargo doc --open",
        GATE,
        "cargo doc --locked --quiet --no-deps --all-features\n",
    ),
    (
        "cargo install --path . --features cli --locked",
        GATE,
        "cargo install --path . --features cli --locked --debug",
    ),
    (
        "cargo install gungraun-runner --version 0.20.0 --locked",
        GATE,
        "--version \"$version\" gungraun-runner\n",
    ),
    (
        "cargo install cargo-fuzz",
        GATE,
        "cargo install --locked --quiet --root \"$target/fuzz\" cargo-fuzz\n",
    ),
    // Each bench by itself is a part of all.
    (
        "cargo bench --bench parked",
        GATE,
        "documented 'cargo bench'\n",
    ),
    (
        "cargo bench --bench parked -- --only periodic",
        GATE,
        "documented 'cargo bench'\n",
    ),
    (
        "cargo bench --bench round_trip",
        GATE,
        "documented 'cargo bench'\n",
    ),
    (
        "cargo bench --bench throughput",
        GATE,
        "documented 'cargo bench'\n",
    ),
    (
        "cargo bench --bench transports",
        GATE,
        "documented 'cargo bench'\n",
    ),
    (
        "cargo bench --bench transports -- --all",
        GATE,
        "documented 'cargo bench --bench transports -- --all'\n",
    ),
    (
        "cargo bench --bench verdict -- --numbers src/docs/numbers.md",
        GATE,
        "cargo bench --bench verdict -- --numbers \"$scratch/numbers.md\"\n",
    ),
    // README's two programs.
    ("cargo new ticks", "tests/examples/readme.rs", "\"new\""),
    (
        "cargo run -- write",
        "tests/examples/readme.rs",
        "\"write\"",
    ),
    ("cargo run -- read", "tests/examples/readme.rs", "\"read\""),
    // Other languages.
    (
        "cc -std=c11 -O2 -pthread examples/c/consume.c -o target/consume && target/consume quoit-frames",
        "tests/foreign/c.rs",
        "/examples/c/consume.c",
    ),
    (
        "python3 examples/python/quoit.py consume quoit-frames",
        "tests/foreign/python.rs",
        "/examples/python/quoit.py",
    ),
    (
        "bindings/c/build.sh --prefix /usr/local",
        "bindings/c/tests/bindings/install.rs",
        "Command::new(root().join(\"build.sh\"))",
    ),
    (
        "cc app.c $(pkg-config --cflags --libs quoit)",
        "bindings/c/tests/bindings/install.rs",
        "pub(crate) fn pkg_config_finds_it()",
    ),
    (
        "cargo build --lib --examples && cargo test",
        GATE,
        "cargo build --locked --quiet --lib --examples",
    ),
    ("pip wheel bindings/python", WHEEL, BUILDS_IT),
    ("pip wheel --no-deps", WHEEL, BUILDS_IT),
    ("pip wheel --no-deps bindings/python", WHEEL, BUILDS_IT),
    ("pip install quoit-*.whl", WHEEL, INSTALLS_IT),
    ("pip install quoit-*.whl numpy", WHEEL, INSTALLS_IT),
    (
        "python3 bindings/python/measure.py",
        GATE,
        "\"$interpreter\" bindings/python/measure.py\n",
    ),
    // The bridge, optimised.
    (
        "cargo build --release",
        GATE,
        "(cd bridges/nats && cargo build --release",
    ),
    (
        "cargo bench --bench figures",
        GATE,
        "(cd bridges/nats && cargo build --release && cargo bench --bench figures)",
    ),
];

const WHEEL: &str = "bindings/python/test.sh";
const BUILDS_IT: &str = "$pip wheel --no-deps --no-build-isolation --wheel-dir";
const INSTALLS_IT: &str = "$pip install --no-index \"$wheels\"/quoit-*.whl\n";

/// The gate runs the commands in the heads of the benches, which begin with this, in short.
const BENCH: (&str, &str) = ("cargo bench ", "\n  bench_heads\n");

/// The checklist of a release: what it uploads cannot be tried.
const UPLOADS: &str = "RELEASING.md";

/// Programs with subcommands, and the folder of their tests, which name each subcommand and
/// each option as a string.
const TESTED_IN: [(&str, &str); 3] = [
    ("quoit", "tests/tool"),
    ("quoit-nats", "bridges/nats/tests/bridge"),
    ("cargo run --release --example", "tests/examples"),
];

/// Commands of a page, each with its place.
fn commands(page: &Page) -> Vec<(String, String)> {
    let mut commands = Vec::new();
    let mut add = |text: &str, number: usize| {
        let text = text.split(" #").next().unwrap_or(text);
        let words: Vec<_> = text.split_whitespace().collect();
        if !words.is_empty() {
            commands.push((words.join(" "), format!("{}:{number}", page.path)));
        }
    };
    // Code in a sentence may continue in the next line.
    let mut sentences = (String::new(), 0);
    let mut prose = Vec::new();
    for line in page.lines() {
        match line.block {
            Some("sh" | "bash" | "console") => {
                add(line.text.trim_start().trim_start_matches("$ "), line.number);
            }
            Some(_) => {
                let shown = line.text.strip_prefix("$ ");
                shown.into_iter().for_each(|text| add(text, line.number));
            }
            None if line.text.is_empty() => prose.push(std::mem::take(&mut sentences)),
            None => {
                sentences.0 += line.text;
                sentences.0.push(' ');
                sentences.1 = line.number;
            }
        }
    }
    prose.push(sentences);
    for (text, number) in prose {
        for code in text.split('`').skip(1).step_by(2) {
            if begins_with_a_program(code) {
                add(code, number);
            }
        }
    }
    commands
}

fn begins_with_a_program(code: &str) -> bool {
    let mut programs = PROGRAMS.iter().chain(&host::PROGRAMS);
    programs.any(|program| {
        code.strip_prefix(program)
            .is_some_and(|rest| rest.starts_with(' '))
    })
}

/// The comments of examples and benches, as pages: each command is in a sentence.
fn heads() -> Vec<Page> {
    let mut paths = paths();
    paths.retain(|path| {
        let mut folders = ["examples/", "benches/", "bindings/", "bridges/"].iter();
        folders.any(|folder| path.starts_with(folder))
            && !path.contains("/tests/")
            && [".rs", ".c", ".cpp", ".py"]
                .iter()
                .any(|ending| path.ends_with(ending))
    });
    let page = |path: String| {
        let text = head(&read(&path));
        Page { path, text }
    };
    paths.into_iter().map(page).collect()
}

fn head(source: &str) -> String {
    let mut is_block = false;
    let line = |line: &str| {
        let line = line.trim_start();
        let mut marks = ["//!", "///", "//", "/*", "\"\"\""].into_iter();
        let text = marks.find_map(|mark| line.strip_prefix(mark));
        let text = text.unwrap_or_default();
        if text.trim_start().starts_with("```") {
            is_block = !is_block;
            return "\n".to_owned();
        }
        // A remark may follow.
        let command = text.trim_start().split("  ").next().unwrap_or_default();
        match begins_with_a_program(command) && (is_block || text.starts_with("   ")) {
            true => format!("`{command}`\n"),
            false => format!("{}\n", text.trim()),
        }
    };
    source.lines().map(line).collect()
}

/// All sources in a folder, one after the other.
fn sources_in(folder: &str) -> String {
    let names = names_in(folder).into_iter();
    let sources = names.filter(|name| name.ends_with(".rs"));
    sources
        .map(|name| read(&format!("{folder}/{name}")))
        .collect()
}

/// What the tests do not have of a command of [`TESTED_IN`]; `None` for any other command.
fn missing_by_rule(command: &str) -> Option<Vec<String>> {
    let plain = command.replace("--features shared_memory ", "");
    let (program, folder) = TESTED_IN
        .into_iter()
        .find(|(program, _)| plain.starts_with(&format!("{program} ")))?;
    let words = plain[program.len()..].split(['|', '<']).next()?;
    let words = words.split(' ').filter(|word| !word.is_empty());
    let options = words
        .clone()
        .filter(|word| word.starts_with("--") && word.len() > 2);
    let sources = sources_in(folder);
    let strings = words
        .take(1)
        .chain(options)
        .map(|word| format!("\"{word}\""));
    Some(strings.filter(|string| !sources.contains(string)).collect())
}

/// Why nothing runs this command; `None` if something does.
fn fault_of(command: &str, gate: &str) -> Option<String> {
    if gate.contains(&format!("documented '{command}'"))
        || gate.contains(&format!("documented \"{command}\""))
        || ISOLATION.contains(&command)
        || host::is_listed(command)
    {
        return None;
    }
    if let Some((_, file, text)) = RUN_BY.iter().find(|(run, ..)| *run == command) {
        let is_there = read(file).contains(text);
        return (!is_there).then(|| format!("{file} has no {text:?}"));
    }
    match missing_by_rule(command) {
        None => Some("nothing runs it".to_owned()),
        Some(missing) if missing.is_empty() => None,
        Some(missing) => Some(format!("no test has {}", missing.join(", "))),
    }
}

#[test]
fn every_command_of_a_page_is_run() {
    let gate = read(GATE);
    let mut pages = pages();
    pages.retain(|page| page.path != UPLOADS);
    pages.extend(heads());
    let commands: Vec<_> = pages.iter().flat_map(commands).collect();
    assert!(commands.len() > 120, "the commands were not found");
    let mut faults = Vec::new();
    for (command, place) in &commands {
        let is_of_a_bench = place.starts_with("benches/") && command.starts_with(BENCH.0);
        if is_of_a_bench && gate.contains(BENCH.1) {
            continue;
        }
        let fault = fault_of(command, &gate);
        faults.extend(fault.map(|fault| format!("{place}: {command}: {fault}")));
    }
    for (command, ..) in RUN_BY {
        if !commands.iter().any(|(shown, _)| shown == command) {
            faults.push(format!("no page shows {command}: take it out of RUN_BY"));
        }
    }
    let shown: Vec<_> = commands.iter().map(|(command, _)| &**command).collect();
    faults.extend(host::unused(&shown));
    expect_none(&faults);
}

#[test]
fn a_command_that_nothing_runs_is_found() {
    let text = "\
# A page

Say `cargo bench --bench
of-none`, `cargo`, `quoit list --of-none` or `quoit list`.

```sh
  sudo reboot # now
```

```text
$ quoit of-none
quoit: an answer
```
";
    let (path, text) = ("a.md".to_owned(), text.to_owned());
    let found = commands(&Page { path, text });
    let faults = found.iter().filter_map(|(command, place)| {
        let fault = fault_of(command, &read(GATE))?;
        Some(format!("{place}: {command}: {fault}"))
    });
    let faults: Vec<_> = faults.collect();
    assert_eq!(
        faults,
        [
            "a.md:7: sudo reboot: nothing runs it",
            "a.md:11: quoit of-none: no test has \"of-none\"",
            "a.md:4: cargo bench --bench of-none: nothing runs it",
            "a.md:4: quoit list --of-none: no test has \"--of-none\"",
        ]
    );
    assert_eq!(found.len(), 5);
    let source =
        "//! ```text\n//! cargo bench --bench a   short\n//! ```\n/// Or `lscpu -e`.\nfn f() {}\n";
    let (path, text) = ("a.rs".to_owned(), head(source));
    let found = commands(&Page { path, text });
    let found: Vec<_> = found.iter().map(|(command, _)| &**command).collect();
    assert_eq!(found, ["cargo bench --bench a", "lscpu -e"]);
}

/// The block of `docs::tuning` that makes a partition of the control groups.
const ISOLATION: [&str; 6] = [
    "cd /sys/fs/cgroup",
    "echo +cpuset > cgroup.subtree_control",
    "mkdir rings",
    "echo 2-3 > rings/cpuset.cpus",
    "echo isolated > rings/cpuset.cpus.partition",
    "echo PID > rings/cgroup.procs",
];

/// In a directory in place of the kernel's: what arrives there is what the kernel would get.
#[test]
fn the_commands_for_isolated_cores_write_what_they_say() {
    let directory = tempfile::tempdir().expect("a directory");
    let page = read("src/docs/tuning.md");
    let lines = page.lines().map(str::trim_start);
    let is_of_them = |line: &&str| ISOLATION.iter().any(|command| line.starts_with(command));
    let script: Vec<_> = lines.filter(is_of_them).collect();
    assert_eq!(script.len(), ISOLATION.len());
    let place = directory.path().to_str().expect("a path in UTF-8");
    let script = script.join("\n").replace("/sys/fs/cgroup", place);
    let status = Command::new("sh").args(["-euc", &script]).status();
    assert!(status.expect("a shell").success());
    for (file, text) in [
        ("cgroup.subtree_control", "+cpuset\n"),
        ("rings/cpuset.cpus", "2-3\n"),
        ("rings/cpuset.cpus.partition", "isolated\n"),
        ("rings/cgroup.procs", "PID\n"),
    ] {
        let written = fs::read_to_string(directory.path().join(file));
        assert_eq!(written.expect("the file is written"), text);
    }
}
