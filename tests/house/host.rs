//! The commands of the host that the pages show: each runs here on a ring of this process, or is
//! listed with the reason why no test runs it.

use std::path::Path;
use std::process::Command;

use quoit::RingOptions;

/// Whether a text begins with the program of one of these commands.
pub(crate) fn begins_with_a_program(text: &str) -> bool {
    let commands = RUN.iter().chain(&NOT_RUN);
    let mut programs = commands.filter_map(|(command, _)| command.split(' ').next());
    // `head += 1` is code of the layout.
    programs.any(|program| {
        let rest = text.strip_prefix(program);
        rest.is_some_and(|rest| rest.starts_with(' ') && !rest.starts_with(" +="))
    })
}

/// A command, and a part of its output. `NAME`, `PID` and `TID` are those of the ring, of this
/// process and of this thread. An empty directory stands for that of the control groups.
#[rustfmt::skip]
const RUN: [(&str, &str); 21] = [
    ("awk '{print $10}' /proc/PID/stat", "\n"),
    ("awk '{print $12}' /proc/PID/stat", "\n"),
    ("cd /sys/fs/cgroup", ""),
    ("chmod 600 /dev/shm/NAME", ""),
    ("df -h /dev/shm", "/dev/shm"),
    ("echo +cpuset > cgroup.subtree_control", ""),
    ("mkdir rings", ""),
    ("echo 2-3 > rings/cpuset.cpus", ""),
    ("echo isolated > rings/cpuset.cpus.partition", ""),
    ("echo PID > rings/cgroup.procs", ""),
    ("exec 3>&-", ""),
    ("grep -A22 \" $(stat -c %i /dev/shm/NAME) \" /proc/PID/smaps | grep Swap:", "kB"),
    ("grep nonvoluntary /proc/PID/task/TID/status", "nonvoluntary_ctxt_switches"),
    ("head -c 16384 /dev/shm/NAME", ""),
    ("ls -i /dev/shm/NAME", "NAME"),
    ("ls -l /dev/shm/NAME", "rw-------"),
    ("ls -ln /dev/shm/NAME", "rw-------"),
    ("lscpu -e", "L1d:L1i:L2"),
    ("ps -o pid,psr,comm -L -p PID", "PSR"),
    ("swapon --show", ""),
    ("taskset -acp 0-3 PID", "affinity list"),
];

/// The beginnings of the others, and why they do not run.
const NOT_RUN: [(&str, &str); 20] = [
    ("chrt", "an option, or it changes a thread of the user"),
    ("cp /dev/shm/bad", "a file of the runbook, as any other"),
    ("cpupower", "needs the package of the running kernel"),
    ("docker", "needs a daemon"),
    ("echo", "writes to files of the host"),
    ("exec 3> /dev/cpu_dma_latency", "changes the whole host"),
    ("gdb", "a session"),
    ("mcap", "needs the program of that format"),
    ("mkdir -p /mnt/huge", "changes the host"),
    ("mount", "changes the host"),
    ("nats", "needs its client; the bridge's tests do the same"),
    ("perf", "needs the package of the running kernel"),
    ("rtla", "needs the package of the running kernel"),
    ("sysctl", "changes the whole host"),
    ("systemd-detect-virt", "needs systemd"),
    ("taskset -c 2", "needs three processors"),
    ("ulimit -f", "an option"),
    ("ulimit -l", "an option"),
    ("umount", "changes the host"),
    ("vmstat", "does not end"),
];

/// Whether the tables have this command.
pub(crate) fn is_listed(command: &str) -> bool {
    let mut beginnings = NOT_RUN.iter();
    RUN.iter().any(|(run, _)| *run == command)
        || beginnings.any(|(beginning, _)| command.starts_with(beginning))
}

/// The entries that no command of a page needs.
pub(crate) fn unused(commands: &[&str]) -> Vec<String> {
    let shown = |text: &str| commands.iter().any(|command| command.starts_with(text));
    let entries = RUN.iter().chain(&NOT_RUN).map(|(text, _)| *text);
    let unused = entries.filter(|text| !shown(text));
    unused
        .map(|text| format!("no page shows {text}: take it out"))
        .collect()
}

#[test]
fn the_commands_for_any_host_run() {
    let process = std::process::id();
    let name = format!("quoit-house-{process}");
    let ring = RingOptions::new(64).create::<u64>(&name).expect("a ring");
    let consumer = ring.consumer().expect("the role is free");
    let thread = std::fs::read_link("/proc/thread-self").expect("this thread");
    let thread = Path::new(&thread).file_name().expect("its number");
    let thread = thread.to_str().expect("a number").to_owned();
    let directory = tempfile::tempdir().expect("a directory");
    let groups = directory.path().to_str().expect("a path in UTF-8");
    let mut faults = Vec::new();
    for (command, part) in RUN {
        let fill = |text: &str| {
            let text = text.replace("TID", &thread).replace("NAME", &name);
            let text = text.replace("PID", &process.to_string());
            text.replace("/sys/fs/cgroup", groups)
        };
        let mut shell = Command::new("sh");
        let output = shell
            .args(["-euc", &fill(command)])
            .current_dir(groups)
            .output();
        let output = output.expect("a shell");
        let text =
            String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        if !output.status.success() || !text.contains(&fill(part)) {
            faults.push(format!("{command}: {}: {text}", output.status));
        }
    }
    let procs = std::fs::read_to_string(directory.path().join("rings/cgroup.procs"));
    drop(consumer);
    ring.unlink().expect("no process holds it");
    super::text::expect_none(&faults);
    assert_eq!(procs.expect("a file"), format!("{process}\n"));
}
