//! The cores that the two ends run on, and what they share.

use std::fs;

use super::{Finding, Machine, cores_of};

pub(super) fn findings(machine: &Machine) -> Vec<Finding> {
    let mut findings = vec![cores(machine), governor(machine), isolation(machine)];
    let allowed = machine.allowed();
    match machine.cores[..] {
        // Of others the system says nothing.
        [a, b] if allowed.contains(&a) && allowed.contains(&b) => {
            findings.push(siblings(machine, a, b));
            findings.push(caches(machine, a, b));
        }
        _ => {}
    }
    findings
}

/// Numbers as people write them.
fn list(cores: &[u32]) -> String {
    let cores: Vec<_> = cores.iter().map(u32::to_string).collect();
    cores.join(",")
}

fn of_core(machine: &Machine, core: u32, file: &str) -> Option<String> {
    machine.read(&format!("sys/devices/system/cpu/cpu{core}/{file}"))
}

fn cores(machine: &Machine) -> Finding {
    let check = "cores";
    let allowed = machine.allowed();
    let mut missing = machine.cores.clone();
    missing.retain(|core| !allowed.contains(core));
    if !missing.is_empty() {
        return Finding::warning(
            check,
            format!("{}: this process may not run there", list(&missing)),
            format!(
                "choose among {}, or see taskset and the cpuset",
                list(&allowed)
            ),
        );
    }
    if allowed.len() < 2 {
        return Finding::warning(
            check,
            "one: the two ends take turns, and no end should spin",
            "allow a second core, or RingOptions::spin(Duration::ZERO)",
        );
    }
    if machine.chosen {
        return Finding::good(check, list(&machine.cores));
    }
    let fix = "taskset -c CORE for each end, and quoit doctor --cores A,B";
    Finding::note(
        check,
        format!("{} allowed, none chosen", allowed.len()),
        fix,
    )
}

fn governor(machine: &Machine) -> Finding {
    let check = "governor";
    let of = |&core| of_core(machine, core, "cpufreq/scaling_governor");
    let mut governors: Vec<_> = machine.cores.iter().filter_map(of).collect();
    governors.sort();
    governors.dedup();
    let found = governors.join(", ");
    match &governors[..] {
        [] => Finding::good(check, "none: a virtual machine, or a fixed frequency"),
        [one] if one == "performance" => Finding::good(check, found),
        _ => Finding::warning(check, found, "cpupower frequency-set -g performance"),
    }
}

fn isolation(machine: &Machine) -> Finding {
    let check = "isolation";
    let isolated = machine.read("sys/devices/system/cpu/isolated");
    let isolated = cores_of(&isolated.unwrap_or_default());
    if !isolated.is_empty() && machine.cores.iter().all(|core| isolated.contains(core)) {
        return Finding::good(check, format!("cores {} are isolated", list(&isolated)));
    }
    let found = match &isolated[..] {
        [] => "no core is isolated from other processes".to_owned(),
        some => format!("only cores {} are isolated", list(some)),
    };
    let fix = "boot with isolcpus=A,B nohz_full=A,B if latency matters more than two cores";
    Finding::note(check, found, fix)
}

fn siblings(machine: &Machine, a: u32, b: u32) -> Finding {
    let check = "SMT";
    let Some(siblings) = of_core(machine, a, "topology/thread_siblings_list") else {
        return Finding::note(check, "the system does not say", "mount sysfs on /sys");
    };
    if cores_of(&siblings).contains(&b) {
        let fix = "choose one thread of each core, unless both ends sleep most of the time";
        let found = format!("{a} and {b} are threads of one core: a spinning end slows the other");
        return Finding::warning(check, found, fix);
    }
    Finding::good(check, format!("{a} and {b} are different cores"))
}

fn caches(machine: &Machine, a: u32, b: u32) -> Finding {
    let check = "caches";
    let directory = format!("sys/devices/system/cpu/cpu{a}/cache");
    let entries = fs::read_dir(machine.root.join(&directory));
    let mut shared = Vec::new();
    for entry in entries.into_iter().flatten().flatten() {
        let index = format!("{directory}/{}", entry.file_name().to_string_lossy());
        let file = |name| machine.read(&format!("{index}/{name}"));
        let (Some(level), Some(cores)) = (file("level"), file("shared_cpu_list")) else {
            continue;
        };
        if cores_of(&cores).contains(&b) {
            shared.push(format!("L{level}"));
        }
    }
    shared.sort();
    shared.dedup();
    if shared.is_empty() {
        let fix = "choose two cores of one socket and one cluster (lscpu -e), if there are";
        let found = format!("{a} and {b} share none, as far as the system says");
        return Finding::note(check, found, fix);
    }
    Finding::good(check, format!("{a} and {b} share {}", shared.join(", ")))
}
