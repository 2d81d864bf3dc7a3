//! The processors of the two sides, and the machine.

use std::{env, fs, io};

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The processors of the two sides of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Placement {
    pub(crate) lead: usize,
    pub(crate) partner: usize,
}

impl Placement {
    /// On two processors, on different cores if possible; `None` if this process may use
    /// only one.
    pub(crate) fn apart() -> io::Result<Option<Self>> {
        let allowed = allowed()?;
        let lead = allowed[0];
        let others = || allowed[1..].iter().copied();
        let on_another_core = others().find(|&cpu| core(cpu) != core(lead));
        let partner = on_another_core.or(others().next());
        Ok(partner.map(|partner| Self { lead, partner }))
    }

    pub(crate) fn is_apart(self) -> bool {
        self.lead != self.partner
    }
}

/// Both on the first processor that this process may use.
pub(crate) fn together() -> io::Result<Placement> {
    let [lead, partner] = [allowed()?[0]; 2];
    Ok(Placement { lead, partner })
}

/// The processors that this process may use: one or more.
pub(crate) fn allowed() -> io::Result<Vec<usize>> {
    let set = sched_getaffinity(None)?;
    let is_in = |&cpu: &usize| set.is_set(cpu);
    Ok((0..CpuSet::MAX_CPU).filter(is_in).collect())
}

/// Keeps this thread on one processor.
pub(crate) fn pin(cpu: usize) -> io::Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu);
    Ok(sched_setaffinity(None, &set)?)
}

/// The processors of this one's core, according to the system.
pub(crate) fn core(cpu: usize) -> String {
    read(&format!(
        "/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list"
    ))
}

fn read(path: &str) -> String {
    let text = fs::read_to_string(path);
    text.map_or_else(|_| "unknown".to_owned(), |text| text.trim().to_owned())
}

/// The machine, the kernel, and the processors of the bench in one line.
pub(crate) fn machine(apart: Option<Placement>) -> io::Result<String> {
    let processors = fs::read_to_string("/proc/cpuinfo")?;
    let field = |name: &str| {
        let line = processors.lines().find(|line| line.starts_with(name));
        let value = line.and_then(|line| line.split_once(':'));
        value.map_or("", |(_, value)| value.trim())
    };
    let processor = match field("model name") {
        "" => format!("{} part {}", env::consts::ARCH, field("CPU part")),
        // Of several generations that have one name, the family tells.
        name => format!("{name} (family {})", field("cpu family")),
    };
    let is_virtual = field("flags").split(' ').any(|flag| flag == "hypervisor");
    let virtual_machine = if is_virtual { ", virtual" } else { "" };
    let topology = match apart {
        None => "one CPU allowed: measurements between two CPUs are skipped".to_owned(),
        Some(Placement { lead, partner }) => {
            let allowed = allowed()?.len();
            let cores = match core(lead) == core(partner) {
                true => "one core's",
                false => "on two cores according to the system",
            };
            format!("CPUs {lead} and {partner} of {allowed} allowed, {cores}")
        }
    };
    let kernel = read("/proc/sys/kernel/osrelease");
    let clock = read("/sys/devices/system/clocksource/clocksource0/current_clocksource");
    let idle = read("/sys/devices/system/cpu/cpuidle/current_governor_ro");
    let load = read("/proc/loadavg");
    let load = load.split(' ').next().unwrap_or_default();
    Ok(format!(
        "machine: {processor}{virtual_machine}; Linux {kernel}; {topology}; clock {clock}, idle \
         governor {idle}, load {load} at start"
    ))
}
