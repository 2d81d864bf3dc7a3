//! Which processors there are, and which of them share a core.

// Of the benches of the library.
#[allow(dead_code, reason = "they choose one pair of processors, and not each")]
#[path = "../../../../benches/common/placement.rs"]
mod processors;

use std::fs;

use processors::siblings;

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
    let near = pair(
        "near: one core",
        others.iter().find(|cpu| siblings.contains(cpu)),
    );
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
    processors::pin(cpu).unwrap_or_else(|error| panic!("processor {cpu}: {error}"));
}

fn allowed() -> Vec<usize> {
    processors::allowed().expect("Linux")
}
