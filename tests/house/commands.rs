//! Every command that a page shows is run by a test or by the gate.
//!
//! A command is a line of a block of shell, a line after `$ ` of any other block, and a piece
//! of code in a sentence that begins with one of [`PROGRAMS`], or with one of the host's. In the
//! comments of examples and benches, each line that begins with such a program is one, too.

use std::collections::BTreeSet;

use pulldown_cmark::{CodeBlockKind, Event, Tag, TagEnd};

use super::host;
use super::pages::{Page, pages};
use super::text::{expect_none, hits, paths, read, regex};

/// What a command in a sentence begins with.
const PROGRAMS: &str = "bash cargo cc pip python3 quoit quoit-nats";

/// The gate runs a command of a page word for word if it has the line `documented 'COMMAND'`. What
/// runs a command in another form has a comment `documented: COMMAND`.
const GATE: &str = ".ci/run";
const RUN_HERE: &str = r#"documented '([^']+)'|documented "([^"]+)"|(?:#|//) documented: (.+)"#;

/// The gate runs the commands in the heads of the benches, which begin with this, in short.
const BENCH: (&str, &str) = ("cargo bench ", "\n  bench_heads\n");

/// The checklist of a release: what it uploads cannot be tried.
const UPLOADS: &str = "RELEASING.md";

/// Programs with subcommands, and the folder of their tests, which name each subcommand and
/// each option.
const TESTED_IN: [(&str, &str); 4] = [
    ("quoit ", "tests/tool"),
    ("quoit-nats ", "bridges/nats/tests/bridge"),
    ("cargo run --release --example ", "tests/examples"),
    (
        "cargo run --release --features shared_memory --example ",
        "tests/examples",
    ),
];

/// A command and its place.
type Command = (String, String);

fn commands(page: &Page) -> Vec<Command> {
    let mut commands = Vec::new();
    let mut add = |text: &str, line: usize| {
        let text = text.split(" #").next().unwrap_or(text);
        let words: Vec<_> = text.split_whitespace().collect();
        if !words.is_empty() {
            commands.push((words.join(" "), format!("{}:{line}", page.path)));
        }
    };
    // Whether the block of code is one of shell.
    let mut block = None;
    for (event, range) in page.events() {
        let line = page.line_at(range.start);
        match event {
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(language))) => {
                block = Some(["sh", "bash", "console"].contains(&&*language));
            }
            Event::Start(Tag::CodeBlock(_)) => block = Some(false),
            Event::End(TagEnd::CodeBlock) => block = None,
            Event::Text(text) if block.is_some() => {
                for (line, text) in (line..).zip(text.lines()) {
                    match text.trim_start().strip_prefix("$ ") {
                        Some(text) => add(text, line),
                        None if block == Some(true) => add(text, line),
                        None => {}
                    }
                }
            }
            Event::Code(code) if begins_with_a_program(&code) => add(&code, line),
            _ => {}
        }
    }
    commands
}

fn begins_with_a_program(code: &str) -> bool {
    let (first, _) = code.split_once(' ').unwrap_or_default();
    PROGRAMS.split(' ').any(|program| program == first) || host::begins_with_a_program(code)
}

/// The comments of examples and benches, as pages: each command is in a sentence.
fn heads() -> Vec<Page> {
    let ours = regex(r"^(examples|benches|bindings|bridges)/.*\.(rs|c|cpp|py)$");
    let mut paths = paths();
    paths.retain(|path| ours.is_match(path) && !path.contains("/tests/"));
    let pages = paths
        .iter()
        .map(|path| Page::new(path, 1, &head(&read(path))));
    pages.collect()
}

fn head(source: &str) -> String {
    let comment = regex(r#"^\s*(?://[/!]?|/\*|""")( *)(.*?)(?:  .*)?$"#);
    let mut is_block = false;
    let line = |line: &str| {
        let Some(comment) = comment.captures(line) else {
            return "\n".to_owned();
        };
        // A remark may follow.
        let text = &comment[2];
        is_block ^= text.starts_with("```");
        match begins_with_a_program(text) && (is_block || comment[1].len() > 2) {
            true => format!("`{text}`\n"),
            false if is_block || text.starts_with("```") => "\n".to_owned(),
            false => format!("{}\n", line.trim_start_matches([' ', '/', '!', '*', '"'])),
        }
    };
    source.lines().map(line).collect()
}

/// The commands that the gate and the tests say they run.
fn run() -> BTreeSet<String> {
    let mut paths = paths();
    paths.retain(|path| !path.ends_with(".md") && !path.starts_with("tests/house/"));
    let texts: String = paths.iter().map(|path| read(path)).collect();
    let run = hits(RUN_HERE, &texts);
    let run = run
        .iter()
        .filter_map(|hit| hit.iter().skip(1).flatten().next());
    run.map(|command| command.as_str().to_owned()).collect()
}

/// Why nothing runs this command; `None` if something does.
fn fault_of(command: &str, run: &BTreeSet<String>) -> Option<String> {
    if run.contains(command) || host::is_listed(command) {
        return None;
    }
    let mut programs = TESTED_IN.iter();
    let tested =
        programs.find_map(|(program, folder)| Some((command.strip_prefix(program)?, folder)));
    let Some((words, folder)) = tested else {
        return Some("nothing runs it".to_owned());
    };
    let files = paths().into_iter().filter(|path| path.starts_with(folder));
    let sources: String = files.map(|path| read(&path)).collect();
    let known: BTreeSet<_> = sources.split([' ', '"', '\n']).collect();
    // The subcommand and the options.
    let needed = hits(
        r"^[^\s|<]+|\s(--\w[^\s|<]*)",
        words.split(['|', '<']).next()?,
    );
    let needed = needed.iter().map(|word| word[0].trim());
    let missing: Vec<_> = needed.filter(|word| !known.contains(word)).collect();
    (!missing.is_empty()).then(|| format!("no test has {}", missing.join(", ")))
}

fn faults_of(commands: &[Command], run: &BTreeSet<String>) -> Vec<String> {
    let faults = commands.iter().filter_map(|(command, place)| {
        let is_of_a_bench = place.starts_with("benches/") && command.starts_with(BENCH.0);
        let fault = fault_of(command, run).filter(|_| !is_of_a_bench)?;
        Some(format!("{place}: {command}: {fault}"))
    });
    faults.collect()
}

#[test]
fn every_command_of_a_page_is_run() {
    let (run, mut pages) = (run(), pages());
    pages.retain(|page| page.path != UPLOADS);
    pages.extend(heads());
    let commands: Vec<_> = pages.iter().flat_map(commands).collect();
    assert!(commands.len() > 120, "the commands were not found");
    let mut faults = faults_of(&commands, &run);
    let shown: Vec<_> = commands.iter().map(|(command, _)| &**command).collect();
    let unused = run
        .iter()
        .filter(|command| !shown.contains(&command.as_str()));
    faults.extend(unused.map(|command| format!("no page shows {command}: take its comment out")));
    faults.extend(host::unused(&shown));
    expect_none(&faults);
    assert!(read(GATE).contains(BENCH.1), "the heads of the benches");
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
    let pages = [
        Page::new("a.md", 1, text),
        Page::new("a.rs", 1, &head(source)),
    ];
    let found: Vec<_> = pages.iter().flat_map(commands).collect();
    assert_eq!(found.len(), 7);
    assert_eq!(
        faults_of(&found, &run()),
        [
            "a.md:1: cargo bench --bench of-none: nothing runs it",
            "a.md:2: quoit list --of-none: no test has --of-none",
            "a.md:5: sudo reboot: nothing runs it",
            "a.md:9: quoit of-none: no test has of-none",
            "a.rs:3: cargo bench --bench a: nothing runs it",
            "a.rs:6: quoit of-none-either: no test has of-none-either",
        ]
    );
}
