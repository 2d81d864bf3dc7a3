//! Which processors there are, and which of them share a core.

use std::fs;

/// Two processors, and what they are to each other.
#[derive(Clone, Copy)]
pub(crate) struct Pair {
    pub(crate) what: &'static str,
    pub(crate) lead: usize,
    pub(crate) partner: usize,
}

/// Two of one core, and two of different cores, as far as there are such.
pub(crate) fn pairs() -> Vec<Pair> {
    let allowed = allowed();
    let Some((&lead, others)) = allowed.split_first() else {
        return Vec::new();
    };
    let siblings = siblings(lead);
    let pair = |what, partner: Option<&usize>| {
        partner.map(|&partner| Pair {
            what,
            lead,
            partner,
        })
    };
    let near = pair("near: one core", others.iter().find(|cpu| siblings.contains(cpu)));
    let far = pair(
        "far: two cores, as far as the system says",
        others.iter().find(|cpu| !siblings.contains(cpu)),
    );
    near.into_iter().chain(far).collect()
}

/// The processor's name, the kernel, the load.
pub(crate) fn machine() -> String {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let processors = read("/proc/cpuinfo");
    let name = processors
        .lines()
        .find(|line| line.starts_with("model name"))
        .and_then(|line| line.split(':').nth(1))
        .unwrap_or(std::env::consts::ARCH);
    let (kernel, load) = (read("/proc/sys/kernel/osrelease"), read("/proc/loadavg"));
    let load = load.split(' ').next().unwrap_or_default();
    let processors = allowed().len();
    let (name, kernel) = (name.trim(), kernel.trim());
    format!("{name}, {processors} processors allowed, Linux {kernel}, load {load}")
}

/// Keeps this process on one processor.
pub(crate) fn pin(cpu: usize) {
    // SAFETY: all zero bytes are an empty set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: the number is of a processor of this machine, below the set's size.
    unsafe { libc::CPU_SET(cpu, &mut set) };
    // SAFETY: the set lives through the call and is as long as it says.
    let result = unsafe { libc::sched_setaffinity(0, size_of_val(&set), &raw const set) };
    assert_eq!(result, 0, "processor {cpu}: {}", std::io::Error::last_os_error());
}

fn allowed() -> Vec<usize> {
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    parse_list(list.unwrap_or_default().trim())
}

/// The processors of the same core.
fn siblings(cpu: usize) -> Vec<usize> {
    let path = format!("/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list");
    fs::read_to_string(path).map_or_else(|_| vec![cpu], |list| parse_list(list.trim()))
}

/// Reads a list such as `0-2,5`.
fn parse_list(list: &str) -> Vec<usize> {
    let ranges = list.split(',').filter_map(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        Some(first.parse().ok()?..=last.parse().ok()?)
    });
    ranges.flatten().collect()
}
