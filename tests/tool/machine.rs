//! What the tool says of machines, and of itself.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::common::names::file_directory;
use crate::tool::Tool;

/// A machine on which everything is wrong that files can say.
const FAULTS: [(&str, &str); 8] = [
    ("proc/self/status", "Cpus_allowed_list:\t0-3\n"),
    ("proc/self/cgroup", "0::/a/b\n"),
    ("sys/fs/cgroup/a/memory.max", "2147483648\n"),
    ("sys/fs/cgroup/a/memory.current", "2147000000\n"),
    ("sys/fs/cgroup/a/b/memory.current", "4096\n"),
    ("sys/fs/cgroup/a/b/memory.max", "1073741824\n"),
    (
        "sys/devices/system/cpu/cpu1/topology/thread_siblings_list",
        "1,3\n",
    ),
    (".dockerenv", ""),
];

/// What doctor finds; its code says how bad that is.
fn findings(arguments: &[&str]) -> Vec<Value> {
    let ended = Tool::run(&[&["doctor", "--json"][..], arguments].concat(), b"");
    let answer: Value = serde_json::from_slice(&ended.output).expect("JSON");
    let findings = answer["findings"].as_array().expect("findings").clone();
    for finding in &findings {
        let good = finding["verdict"] == "ok";
        assert_eq!(finding["fix"].is_null(), good, "{finding}");
    }
    let count = |verdict: &str| {
        let found = findings
            .iter()
            .filter(|finding| finding["verdict"] == verdict);
        found.count()
    };
    assert_eq!(answer["warnings"], count("warn"));
    assert_eq!(answer["notes"], count("note"));
    let code = if count("warn") > 0 { 9 } else { 0 };
    assert_eq!((ended.code, &*ended.errors), (Some(code), ""));
    findings
}

fn verdict_of(findings: &[Value], check: &str) -> (String, String) {
    let finding = findings.iter().find(|finding| finding["check"] == check);
    let finding = finding.unwrap_or_else(|| panic!("nothing of {check}"));
    let text = |key: &str| finding[key].as_str().unwrap_or_default().to_owned();
    (text("verdict"), text("found"))
}

fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
    fs::write(path, text).expect("a file");
}

pub(crate) fn a_machine_with_faults_is_shown_how_to_fix_them() {
    let root = file_directory();
    for (path, text) in FAULTS {
        write(root.path(), path, text);
    }
    let root = root.path().to_str().expect("a path in UTF-8");
    let groups = format!("30 24 0:26 / {root}/sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
    write(root.as_ref(), "proc/self/mountinfo", &groups);
    let ill = findings(&["--root", root, "--cores", "1,3"]);
    for (check, verdict, found) in [
        ("/dev/shm", "warn", "is not there"),
        ("SMT", "warn", "threads of one core"),
        ("caches", "note", "share none"),
        ("container", "note", "/.dockerenv"),
        // That of the group above, which has less left.
        ("cgroup memory", "warn", "2.00 GiB, 464.9"),
    ] {
        let (said, text) = verdict_of(&ill, check);
        assert_eq!(said, verdict, "{check}");
        assert!(text.contains(found), "{check}: {text}");
    }
    let cpu = "sys/devices/system/cpu";
    write(
        root.as_ref(),
        &format!("{cpu}/cpu1/cache/index2/level"),
        "2",
    );
    write(
        root.as_ref(),
        &format!("{cpu}/cpu1/cache/index2/shared_cpu_list"),
        "0-2",
    );
    let well = findings(&["--root", root, "--cores", "1,2"]);
    for check in ["SMT", "caches"] {
        assert_eq!(verdict_of(&well, check).0, "ok", "{check}");
    }
    assert!(verdict_of(&well, "caches").1.contains("L2"));
    let other = findings(&["--root", root, "--cores", "9"]);
    assert_eq!(verdict_of(&other, "cores").0, "warn");
}

pub(crate) fn limits_of_the_process_are_shown() {
    let mut shell = Command::new("sh");
    let doctor = "ulimit -l 64; exec \"$0\" doctor --json";
    shell.args(["-c", doctor, env!("CARGO_BIN_EXE_quoit")]);
    let answer = shell.output().expect("a shell").stdout;
    let answer: Value = serde_json::from_slice(&answer).expect("JSON");
    let findings = answer["findings"].as_array().expect("findings");
    let (verdict, found) = verdict_of(findings, "memlock limit");
    assert_eq!(verdict, "note");
    assert!(found.starts_with("64.00 KiB"), "{found}");
}

/// The verdict comes first, then the warnings, and the rest where it is asked for.
pub(crate) fn this_machine_is_examined_in_24_rows_and_80_columns() {
    let checks = findings(&[]);
    let says = |arguments: &[&str]| {
        let ended = Tool::run(&[&["doctor"][..], arguments].concat(), b"");
        assert!(matches!(ended.code, Some(0 | 9)), "{ended:?}");
        String::from_utf8(ended.output).expect("text")
    };
    let (short, all) = (says(&[]), says(&["--all"]));
    for finding in &checks {
        let check = finding["check"].as_str().expect("a name");
        assert!(all.contains(check), "{check} is not in\n{all}");
        let is_shown = short.contains(&format!("  {check} "));
        assert_eq!(is_shown, finding["verdict"] == "warn", "{check}:\n{short}");
    }
    let first = short.lines().next().expect("a verdict");
    assert!(
        first.contains("warning") && first.contains("note"),
        "{first}"
    );
    let words: Vec<_> = all
        .lines()
        .skip(1)
        .filter(|line| !line.starts_with(' '))
        .collect();
    let rank = |line: &&str| {
        ["warn", "note", "ok"]
            .iter()
            .position(|word| line.starts_with(word))
    };
    assert!(words.iter().map(rank).is_sorted(), "{all}");
    assert!(short.lines().count() <= 24, "{short}");
    for line in all.lines() {
        assert!(line.len() <= 80, "{line}");
        assert!(!line.contains('\x1b'), "colours in a pipe: {line:?}");
    }
}

pub(crate) fn completions_and_pages_name_every_subcommand() {
    let help = Tool::run(&["--help"], b"").text();
    let (_, help) = help.split_once("Commands:\n").expect("a list");
    let (help, _) = help.split_once("\n\n").expect("its end");
    let commands: Vec<_> = help
        .lines()
        .filter(|line| !line.starts_with("   ")) // the rest of a long line
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert!(commands.len() > 10 && commands.contains(&"tail"), "{help}");
    let shells = ["bash", "elvish", "fish", "powershell", "zsh"];
    let mut answers: Vec<_> = shells.map(|shell| vec!["completions", shell]).to_vec();
    answers.push(vec!["man"]);
    let mut different = BTreeSet::new();
    for arguments in answers {
        let text = Tool::run(&arguments, b"").text();
        let words: Vec<_> = text
            .split(|letter: char| !letter.is_alphanumeric())
            .collect();
        for command in &commands {
            assert!(words.contains(command), "{arguments:?} lack {command}");
        }
        assert!(different.insert(text), "{arguments:?} is as another one");
    }
    let page = Tool::run(&["man", "send"], b"").text();
    assert!(page.contains("capacity"));
    Tool::run(&["man", "nothing"], b"").with(2, "no such subcommand");
}
