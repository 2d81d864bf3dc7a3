//! The machine of the measurements.

use std::{fs, io};

use serde_json::{Value, json};

use super::placement::{Placement, allowed};

/// The machine, the kernel, and the processors of the bench.
#[derive(Debug)]
pub(crate) struct Machine {
    /// Two processors, if there are two.
    pub(crate) apart: Option<Placement>,
    /// The machine in one line.
    pub(crate) line: String,
    pub(crate) json: Value,
}

impl Machine {
    pub(crate) fn find() -> io::Result<Self> {
        let processors = fs::read_to_string("/proc/cpuinfo")?;
        let field = |name: &str| {
            let line = processors.lines().find(|line| line.starts_with(name));
            let value = line.and_then(|line| line.split_once(':'));
            value.map_or("", |(_, value)| value.trim())
        };
        let read = |path: &str| match fs::read_to_string(path) {
            Ok(text) => text.trim().to_owned(),
            Err(_) => "unknown".to_owned(),
        };
        let processor = match field("model name") {
            "" => format!("{} part {}", std::env::consts::ARCH, field("CPU part")),
            // Of several generations that have one name, the family tells.
            name => format!("{name} (family {})", field("cpu family")),
        };
        let virtual_machine = field("flags").split(' ').any(|flag| flag == "hypervisor");
        let kernel = read("/proc/sys/kernel/osrelease");
        let clock = read("/sys/devices/system/clocksource/clocksource0/current_clocksource");
        let idle = read("/sys/devices/system/cpu/cpuidle/current_governor_ro");
        let load = read("/proc/loadavg");
        let load = load.split(' ').next().unwrap_or_default();
        let (allowed, apart) = (allowed()?, Placement::apart()?);
        let one_core = apart.map(Placement::shares_a_core);
        let topology = match apart {
            None => "one CPU allowed: measurements between two CPUs are skipped".to_owned(),
            Some(Placement { lead, partner }) => format!(
                "CPUs {lead} and {partner} of {} allowed, {}",
                allowed.len(),
                match one_core {
                    Some(true) => "one core's",
                    _ => "on two cores according to the system",
                }
            ),
        };
        let line = format!(
            "machine: {processor}{}; Linux {kernel}; {topology}; clock {clock}, idle governor {idle}, \
             load {load} at start",
            if virtual_machine { ", virtual" } else { "" }
        );
        let json = json!({
            "processor": processor, "virtual": virtual_machine, "kernel": kernel,
            "allowed": allowed, "apart": apart.map(|pair| [pair.lead, pair.partner]),
            "one_core": one_core, "clock": clock, "idle_governor": idle, "load": load, "line": line,
        });
        Ok(Self { apart, line, json })
    }
}
