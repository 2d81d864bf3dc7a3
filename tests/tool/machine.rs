//! What the tool says of machines, of itself, and of what it measured.

use std::collections::BTreeSet;
use std::fs;

use crate::tool::*;

/// What doctor finds; its code says how bad that is.
fn findings(arguments: &[&str]) -> Vec<Value> {
    let ended = run(&[&["doctor", "--json"][..], arguments].concat(), b"");
    let answer = json(&String::from_utf8_lossy(&ended.output));
    let findings = answer["findings"].as_array().expect("findings").clone();
    for finding in &findings {
        let good = finding["verdict"] == "ok";
        assert_eq!(finding["fix"].is_null(), good, "{finding}");
    }
    let verdicts: Vec<_> = findings.iter().map(|finding| &finding["verdict"]).collect();
    let count = |verdict: &str| verdicts.iter().filter(|&&found| found == verdict).count();
    let counts = json!({"warnings": count("warn"), "notes": count("note")});
    is(&answer, &counts);
    let code = if count("warn") > 0 { 9 } else { 0 };
    assert_eq!((ended.code, &*ended.errors), (Some(code), ""));
    findings
}

/// The verdict comes first, then the warnings, and the rest where it is asked for.
pub(crate) fn this_machine_is_examined_in_24_rows_and_80_columns() {
    let checks = findings(&[]);
    let says = |arguments: &[&str]| {
        let ended = run(&[&["doctor"][..], arguments].concat(), b"");
        assert!(matches!(ended.code, Some(0 | 9)), "{ended:?}");
        String::from_utf8(ended.output).expect("text")
    };
    let (short, all) = (says(&[]), says(&["--all"]));
    for finding in &checks {
        let check = finding["check"].as_str().expect("a name");
        has(&all, check);
        let is_shown = short.contains(&format!("  {check} "));
        assert_eq!(is_shown, finding["verdict"] == "warn", "{check}:\n{short}");
    }
    let first = short.lines().next().expect("a verdict");
    ["warning", "note"].iter().for_each(|word| has(first, word));
    let verdicts = all.lines().skip(1).filter(|line| !line.starts_with(' '));
    let words = ["warn", "note", "ok  "];
    let rank = |line: &str| words.iter().position(|word| line.starts_with(word));
    assert!(verdicts.map(rank).is_sorted(), "{all}");
    assert!(short.lines().count() <= 24, "{short}");
    assert!(all.lines().all(|line| line.len() <= 80), "{all}");
    // No colours in a pipe.
    lacks(&all, "\x1b");
}

pub(crate) fn completions_and_pages_name_every_subcommand() {
    let help = says(&["--help"]);
    let (_, help) = help.split_once("Commands:\n").expect("a list");
    let (help, _) = help.split_once("\n\n").expect("its end");
    // But for the rest of a long line.
    let lines = help.lines().filter(|line| !line.starts_with("   "));
    let commands: Vec<_> = lines
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert!(commands.len() > 10 && commands.contains(&"tail"), "{help}");
    let shells = ["bash", "elvish", "fish", "powershell", "zsh"];
    let answers = shells.iter().map(|shell| vec!["completions", shell]);
    let mut different = BTreeSet::new();
    for arguments in answers.chain([vec!["man"]]) {
        let text = says(&arguments);
        let words = text.split(|letter: char| !letter.is_alphanumeric());
        let words: BTreeSet<_> = words.collect();
        for command in &commands {
            assert!(words.contains(command), "{arguments:?} lack {command}");
        }
        assert!(different.insert(text), "{arguments:?} is as another one");
    }
    has(&says(&["man", "send"]), "capacity");
}

/// The rings of the bench with this process.
fn left(pid: u32) -> usize {
    let begin = format!("quoit-bench-{pid}-");
    let entries = fs::read_dir("/dev/shm").expect("a directory");
    let names = entries.map(|entry| entry.expect("an entry").file_name());
    let names = names.filter(|name| name.to_string_lossy().starts_with(&begin));
    names.count()
}

const WAYS: [&str; 4] = ["pipe", "Unix socket", "quoit parked", "quoit spinning"];

pub(crate) fn bench_says_what_it_measured_in_json_and_as_a_table() {
    let answer = says_json(&["bench", "--quick", "--json"]);
    for figure in ["round_trip_nanoseconds", "stream_nanoseconds_per_message"] {
        for way in WAYS {
            let of = |name: &str| answer[figure][way][name].as_u64().expect("a number");
            assert!(0 < of("p50") && of("p50") <= of("p99"), "{answer}");
            assert!(of("p99") <= of("max"), "{answer}");
        }
    }
    let text = says(&["bench", "--quick"]);
    for way in WAYS {
        let rows: Vec<_> = text.lines().filter(|line| line.starts_with(way)).collect();
        assert!(rows.len() == 2 && rows[0] != rows[1], "{text}");
    }
    let widths = text.lines().map(|line| line.chars().count());
    assert!(widths.max() <= Some(80), "{text}");
}

pub(crate) fn bench_leaves_nothing_however_it_ends() {
    for (is_its_own, number, code, why) in [
        (true, libc::SIGINT, 130, ""),
        (true, libc::SIGTERM, 143, ""),
        (false, libc::SIGKILL, 1, "quoit: could not measure: "),
    ] {
        let bench = start(&["bench"]);
        let pid = bench.pid();
        until("it measures", || children(pid).len() == WAYS.len());
        signal(if is_its_own { pid } else { children(pid)[0] }, number);
        let ended = bench.end();
        assert!(ended.errors.starts_with(why), "{ended:?}");
        ended.with(code, why);
        assert_eq!(left(pid), 0, "in memory, after {code}");
    }
}
