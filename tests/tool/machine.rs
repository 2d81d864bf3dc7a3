//! What the tool says of machines, and of itself.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::common::names::file_directory;
use crate::tool::Tool;

/// A machine on which everything is wrong that files can say.
const FAULTS: [(&str, &str); 11] = [
    ("proc/self/status", "Cpus_allowed_list:\t0-3\n"),
    ("proc/self/cgroup", "0::/a/b\n"),
    ("sys/fs/cgroup/a/cpu.max", "150000 100000\n"),
    ("sys/fs/cgroup/a/memory.max", "2147483648\n"),
    ("sys/fs/cgroup/a/memory.current", "2147000000\n"),
    ("sys/fs/cgroup/a/b/memory.current", "4096\n"),
    ("sys/fs/cgroup/a/b/memory.max", "1073741824\n"),
    (
        "sys/devices/system/cpu/cpu1/cpufreq/scaling_governor",
        "powersave\n",
    ),
    (
        "sys/devices/system/cpu/cpu1/topology/thread_siblings_list",
        "1,3\n",
    ),
    (
        "sys/devices/system/clocksource/clocksource0/current_clocksource",
        "hpet\n",
    ),
    (".dockerenv", ""),
];

fn findings(arguments: &[&str]) -> Vec<Value> {
    findings_of(&Tool::run(&[&["doctor", "--json"][..], arguments].concat(), b"").quietly())
}

fn findings_of(answer: &[u8]) -> Vec<Value> {
    let answer: Value = serde_json::from_slice(answer).expect("JSON");
    let findings = answer["findings"].as_array().expect("findings").clone();
    for finding in &findings {
        let good = finding["verdict"] == "ok";
        assert_eq!(finding["fix"].is_null(), good, "{finding}");
    }
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

pub(crate) fn a_machine_with_faults_is_told_how_to_mend_them() {
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
        ("governor", "warn", "powersave"),
        ("SMT", "warn", "threads of one core"),
        ("caches", "note", "share none"),
        ("clock source", "warn", "hpet"),
        ("container", "note", "/.dockerenv"),
        // That of the group above, which has less left.
        ("cgroup memory", "warn", "2.0 GiB, 464.9 KiB left"),
        ("cgroup CPU", "warn", "1.5 cores"),
    ] {
        let (said, text) = verdict_of(&ill, check);
        assert_eq!(said, verdict, "{check}");
        assert!(text.contains(found), "{check}: {text}");
    }
    let cpu = "sys/devices/system/cpu";
    write(root.as_ref(), &format!("{cpu}/isolated"), "1-2");
    write(
        root.as_ref(),
        &format!("{cpu}/cpu1/cpufreq/scaling_governor"),
        "performance",
    );
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
    for check in ["governor", "isolation", "SMT", "caches"] {
        assert_eq!(verdict_of(&well, check).0, "ok", "{check}");
    }
    assert!(verdict_of(&well, "caches").1.contains("L2"));
    let other = findings(&["--root", root, "--cores", "9"]);
    assert_eq!(verdict_of(&other, "cores").0, "warn");
}

pub(crate) fn limits_of_the_process_are_told() {
    let limited = |limits: &str| {
        let doctor = format!("{limits} exec \"$0\" doctor --json");
        let mut shell = Command::new("sh");
        shell.args(["-c", &doctor, env!("CARGO_BIN_EXE_quoit")]);
        findings_of(&shell.output().expect("a shell").stdout)
    };
    let few = limited("ulimit -n 100; ulimit -l 64; ulimit -f 1000;");
    for (check, verdict, found) in [
        ("open files", "note", "100, and each end takes two"),
        ("memlock limit", "note", "64.0 KiB"),
        ("file limit", "warn", "no ring larger than"),
    ] {
        let (said, text) = verdict_of(&few, check);
        assert_eq!(said, verdict, "{check}");
        assert!(text.contains(found), "{check}: {text}");
    }
    let enough = limited("ulimit -S -n 256;");
    assert_eq!(verdict_of(&enough, "open files").0, "ok");
    assert_eq!(verdict_of(&enough, "file limit").0, "ok");
}

/// Options of the mount, `shmem_enabled`, and what is said of names and of memfds.
const SWITCHES: &str = "\
rw,size=1k       | [never]       | note huge=never       | note shmem_enabled is never
rw,huge=advise   | [never]       | note huge=advise, and | note shmem_enabled is never
rw,huge=always   | a [never] b   | ok huge=always        | note shmem_enabled is never
huge=within_size | [never]       | ok huge=within_size   | note shmem_enabled is never
rw               | [always] b    | note huge=never       | ok shmem_enabled is always
rw               | [within_size] | note huge=never       | ok shmem_enabled is within_size
rw               | [advise]      | note huge=never       | note shmem_enabled is advise, and
rw,huge=always   | [deny]        | note huge=always, but | note shmem_enabled is deny
rw,huge=never    | a b [force]   | ok huge=never, but    | ok shmem_enabled is force
rw,huge=always   |               | note this kernel has  | note this kernel has";

pub(crate) fn each_kind_of_huge_pages_has_its_own_switch() {
    let root = file_directory();
    let directory = root.path().to_str().expect("a path in UTF-8");
    let examined = |mounts: &str, shmem_enabled: &str, reserved: &str| {
        let shmem = "sys/kernel/mm/transparent_hugepage/shmem_enabled";
        write(root.path(), "proc/self/mountinfo", mounts);
        write(root.path(), shmem, shmem_enabled);
        write(root.path(), "proc/meminfo", reserved);
        findings(&["--root", directory])
    };
    let says = |found: &[Value], check, expected: &str, fix: &str| {
        let (verdict, words) = verdict_of(found, check);
        let said = format!("{verdict} {words}");
        assert!(said.starts_with(expected), "{check}: {said}");
        let finding = found.iter().find(|finding| finding["check"] == check);
        let said = finding.map(|finding| finding["fix"].to_string());
        let helps = said.is_some_and(|said| said.contains(fix));
        assert!(helps || verdict == "ok", "{check}: no {fix}");
    };
    let shm = |kind, options| {
        format!("60 59 0:27 / {directory}/dev/shm rw shared:5 - {kind} tmpfs {options}\n")
    };
    for line in SWITCHES.lines() {
        let columns: Vec<_> = line.split('|').map(str::trim).collect();
        let [options, shmem, named, anonymous] = columns[..] else {
            panic!("{line}");
        };
        let found = examined(&shm("tmpfs", options), shmem, "");
        let fixes = match shmem {
            "" => ["CONFIG_TRANSPARENT", "CONFIG_TRANSPARENT"],
            "[deny]" => ["echo never >", "echo within_size >"],
            _ => ["remount,huge=within_size /dev/shm", "echo within_size >"],
        };
        says(&found, "huge /dev/shm", named, fixes[0]);
        says(&found, "huge memfd", anonymous, fixes[1]);
    }
    // Of two mounts the later counts, and no other file system does.
    let always = shm("tmpfs", "huge=always");
    let two = always.clone() + &shm("tmpfs", "rw");
    let remount = "mount -o remount";
    says(
        &examined(&two, "[never]", ""),
        "huge /dev/shm",
        "note huge=never",
        remount,
    );
    for none in [&*shm("ext4", "huge=always"), "", "no - mount\n"] {
        let found = examined(none, "[never]", "");
        says(
            &found,
            "huge /dev/shm",
            "note is no tmpfs of its own",
            "mount -t tmpfs",
        );
    }
    let mount = "61 59 0:28 / /huge rw - hugetlbfs none rw,pagesize=2M\n";
    let kept = "HugePages_Total:      64\n";
    for (mounts, kept, expected, fix) in [
        (
            "",
            "",
            "note no pages reserved, and nowhere mounted",
            "vm.nr_hugepages=64, mount",
        ),
        (
            mount,
            "",
            "note on /huge, but no pages reserved",
            "a ring /huge/NAME",
        ),
        (
            "",
            kept,
            "note 64 pages, but nowhere mounted",
            "mount -t hugetlbfs",
        ),
        (mount, kept, "ok 64 pages for rings /huge/NAME", ""),
    ] {
        let mounts = always.clone() + mounts;
        says(
            &examined(&mounts, "[never]", kept),
            "hugetlbfs",
            expected,
            fix,
        );
    }
}

pub(crate) fn this_machine_is_examined_in_80_columns() {
    let checks = findings(&[]);
    let text = String::from_utf8(Tool::run(&["doctor"], b"").quietly()).expect("text");
    for finding in &checks {
        let check = finding["check"].as_str().expect("a name");
        assert!(text.contains(check), "{check} is not in\n{text}");
    }
    for line in text.lines() {
        assert!(line.len() <= 80, "{line}");
        assert!(!line.contains('\x1b'), "colours in a pipe: {line:?}");
    }
}

pub(crate) fn completions_and_pages_name_every_subcommand() {
    let help = String::from_utf8(Tool::run(&["--help"], b"").quietly()).expect("text");
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
        let text = Tool::run(&arguments, b"").quietly();
        let text = String::from_utf8(text).expect("text");
        let words: Vec<_> = text
            .split(|letter: char| !letter.is_alphanumeric())
            .collect();
        for command in &commands {
            assert!(words.contains(command), "{arguments:?} lack {command}");
        }
        assert!(different.insert(text), "{arguments:?} is as another one");
    }
    let page = Tool::run(&["man", "send"], b"").quietly();
    assert!(String::from_utf8(page).expect("text").contains("capacity"));
    Tool::run(&["man", "nothing"], b"").with(2, "no such subcommand");
}
