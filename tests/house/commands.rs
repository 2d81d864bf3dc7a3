//! Every command that a page shows is run by a test or by the gate.
//!
//! A command is a line of a block of shell, a line after `$ ` of any other block, and a piece
//! of code in a sentence that begins with one of [`PROGRAMS`], or with one of the host's. In the
//! comments of examples and benches, each line that begins with such a program is one, too.

use pulldown_cmark::Event;

use super::host;
use super::pages::{Page, pages, read};
use super::sources::expect_none;
use super::words::paths;

/// What a command in a sentence begins with.
const PROGRAMS: &str = "bash cargo cc pip python3 quoit quoit-nats";

/// The gate runs a command of a page word for word if it has the line `documented 'COMMAND'`.
const GATE: &str = ".ci/run";

/// Commands that are run in another form, by the test or the script that does it: a file, and for each
/// command a text of that file. Of the tool, the bridge and the examples [`missing_by_rule`] knows the
/// tests.
const RUN_BY: [(&str, &[&str]); 8] = [
    // The gate itself, and parts of what it runs: each bench by itself is a part of all.
    (
        GATE,
        &[
            "bash .ci/run => # The gate: bash .ci/run\n",
            "bash bridges/nats/test.sh =>   bash bridges/nats/test.sh | tee",
            "cargo deny => \nsuite 'cargo deny' deny\n",
            "cargo test => documented 'cargo test --features loom'\n",
            "cargo test --test house => documented 'cargo test --features loom'\n",
            "cargo test --features loom --test loom_cursor => documented 'cargo test --features loom'\n",
            "cargo doc --open => cargo doc --locked --quiet --no-deps --all-features\n",
            "cargo install --path . --features cli --locked => \
             cargo install --path . --features cli --locked --debug",
            "cargo install gungraun-runner --version 0.20.0 --locked => \
             --version \"$version\" gungraun-runner\n",
            "cargo install cargo-fuzz => \
             cargo install --locked --quiet --root \"$target/fuzz\" cargo-fuzz\n",
            "cargo bench --bench parked => documented 'cargo bench'\n",
            "cargo bench --bench parked -- --only periodic => documented 'cargo bench'\n",
            "cargo bench --bench round_trip => documented 'cargo bench'\n",
            "cargo bench --bench throughput => documented 'cargo bench'\n",
            "cargo bench --bench transports => documented 'cargo bench'\n",
            "cargo bench --bench verdict -- --numbers src/docs/numbers.md => \
             cargo bench --bench verdict -- --numbers \"$scratch/numbers.md\"\n",
            "cargo build --lib --examples && cargo test => \
             cargo build --locked --quiet --lib --examples",
            "python3 bindings/python/measure.py => \"$interpreter\" bindings/python/measure.py\n",
            // The bridge, optimised.
            "cargo build --release => (cd bridges/nats && cargo build --release",
            "cargo bench --bench figures => \
             (cd bridges/nats && cargo build --release && cargo bench --bench figures)",
        ],
    ),
    (
        "loom-tests/models/slots.rs",
        &[
            "LOOM_LOCATION=1 cargo test --features loom --test loom_cursor -- slots_of_one --exact => \
             name: \"slots_of_one\",",
        ],
    ),
    // README's two programs.
    (
        "tests/examples/readme.rs",
        &[
            "cargo new ticks => cargo(\"new ",
            "cargo run -- write => \"write\"",
            "cargo run -- read => \"read\"",
        ],
    ),
    // Other languages.
    (
        "tests/foreign/consumers.rs",
        &[
            "cc -std=c11 -O2 -pthread examples/c/consume.c -o target/consume && \
             target/consume quoit-frames => /examples/c/consume.c",
            "python3 examples/python/quoit.py consume quoit-frames => {PYTHON}/quoit.py",
        ],
    ),
    (
        "bindings/c/tests/bindings/install.rs",
        &[
            "bindings/c/build.sh --prefix /usr/local => Command::new(root().join(\"build.sh\"))",
            "cc app.c $(pkg-config --cflags --libs quoit) => pub(crate) fn pkg_config_finds_it()",
        ],
    ),
    (
        "bindings/c/tests/bindings/page.rs",
        &["c++ -std=c++20 app.cpp $(pkg-config --cflags --libs quoit) => [\"cc \", \"c++ \"]"],
    ),
    (
        "bindings/c/tests/bindings/examples.rs",
        &[
            "cargo run --release --example market_data -- NAME 1000000 => examples/market_data\")).args",
        ],
    ),
    (
        "bindings/python/test.sh",
        &[
            "pip wheel bindings/python => $pip wheel --no-deps --no-build-isolation --wheel-dir",
            "pip wheel --no-deps => $pip wheel --no-deps --no-build-isolation --wheel-dir",
            "pip wheel --no-deps bindings/python => $pip wheel --no-deps --no-build-isolation --wheel-dir",
            "pip install quoit-*.whl => $pip install --no-index \"$wheels\"/quoit-*.whl\n",
            "pip install quoit-*.whl numpy => $pip install --no-index \"$wheels\"/quoit-*.whl\n",
        ],
    ),
];

/// Each of these commands with its proof: the file, and the text.
fn proofs() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    RUN_BY.iter().flat_map(|&(file, rows)| {
        rows.iter().map(move |row| {
            let (command, text) = row.split_once(" => ").expect("a command and a text");
            (command, file, text)
        })
    })
}

/// The gate runs the commands in the heads of the benches, which begin with this, in short.
const BENCH: (&str, &str) = ("cargo bench ", "\n  bench_heads\n");

/// The checklist of a release: what it uploads cannot be tried.
const UPLOADS: &str = "RELEASING.md";

/// Programs with subcommands, and the folder of their tests, which name each subcommand and
/// each option.
const TESTED_IN: [(&str, &str); 4] = [
    ("quoit", "tests/tool"),
    ("quoit-nats", "bridges/nats/tests/bridge"),
    ("cargo run --release --example", "tests/examples"),
    (
        "cargo run --release --features shared_memory --example",
        "tests/examples",
    ),
];

/// Commands of a page, each with its place.
fn commands(page: &Page) -> Vec<(String, String)> {
    let mut commands = Vec::new();
    let mut add = |text: &str, line: usize| {
        let text = text.split(" #").next().unwrap_or(text);
        let words: Vec<_> = text.split_whitespace().collect();
        if !words.is_empty() {
            commands.push((words.join(" "), format!("{}:{line}", page.path)));
        }
    };
    for block in page.blocks() {
        let is_shell = ["sh", "bash", "console"].contains(&&*block.language);
        for (index, text) in block.text.lines().enumerate() {
            match text.trim_start().strip_prefix("$ ") {
                Some(text) => add(text, block.line + index),
                None if is_shell => add(text, block.line + index),
                None => {}
            }
        }
    }
    for (event, range) in page.events() {
        if let Event::Code(code) = event {
            if begins_with_a_program(&code) {
                add(&code, page.line_at(range.start));
            }
        }
    }
    commands
}

fn begins_with_a_program(code: &str) -> bool {
    let first = code.split(' ').next().unwrap_or_default();
    let is_ours = PROGRAMS.split(' ').any(|program| program == first) && first != code;
    is_ours || host::begins_with_a_program(code)
}

/// The comments of examples and benches, as pages: each command is in a sentence.
fn heads() -> Vec<Page> {
    let mut paths = paths();
    paths.retain(|path| {
        let mut folders = "examples/ benches/ bindings/ bridges/".split(' ');
        folders.any(|folder| path.starts_with(folder))
            && !path.contains("/tests/")
            && ".rs .c .cpp .py"
                .split(' ')
                .any(|ending| path.ends_with(ending))
    });
    let pages = paths.iter().map(|path| Page::new(path, &head(&read(path))));
    pages.collect()
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

/// What the tests do not have of a command of [`TESTED_IN`]; `None` for any other command.
fn missing_by_rule(command: &str) -> Option<Vec<&str>> {
    let tested = TESTED_IN.into_iter().find_map(|(program, folder)| {
        let words = command.strip_prefix(program)?.strip_prefix(' ')?;
        Some((words, folder))
    });
    let (words, folder) = tested?;
    let files = paths().into_iter().filter(|path| path.starts_with(folder));
    let sources: String = files.map(|path| read(&path)).collect();
    let known: Vec<_> = sources.split([' ', '"', '\n']).collect();
    let words = words.split(['|', '<']).next()?.split_whitespace();
    let needed = words
        .enumerate()
        .filter(|(index, word)| *index == 0 || word.starts_with("--") && word.len() > 2);
    let missing = needed
        .map(|(_, word)| word)
        .filter(|word| !known.contains(word));
    Some(missing.collect())
}

/// Why nothing runs this command; `None` if something does.
fn fault_of(command: &str, gate: &str) -> Option<String> {
    if gate.contains(&format!("documented '{command}'"))
        || gate.contains(&format!("documented \"{command}\""))
        || host::is_listed(command)
    {
        return None;
    }
    if let Some((_, file, text)) = proofs().find(|(run, ..)| *run == command) {
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
    for (command, ..) in proofs() {
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
    let source = "//! ```text\n//! rm a   short\n//! cargo bench --bench a   short\n//! ```\n\
        /// Or\n///   quoit of-none-either\n// quoit is\nfn f() {}\n";
    let (page, gate) = (Page::new("a.md", text), read(GATE));
    let found = [page, Page::new("a.rs", &head(source))];
    let found: Vec<_> = found.iter().flat_map(commands).collect();
    assert_eq!(found.len(), 7);
    let faults = found.iter().filter_map(|(command, place)| {
        let fault = fault_of(command, &gate)?;
        Some(format!("{place}: {command}: {fault}"))
    });
    assert_eq!(
        faults.collect::<Vec<_>>(),
        [
            "a.md:5: sudo reboot: nothing runs it",
            "a.md:9: quoit of-none: no test has of-none",
            "a.md:1: cargo bench --bench of-none: nothing runs it",
            "a.md:2: quoit list --of-none: no test has --of-none",
            "a.rs:3: cargo bench --bench a: nothing runs it",
            "a.rs:6: quoit of-none-either: no test has of-none-either",
        ]
    );
}
