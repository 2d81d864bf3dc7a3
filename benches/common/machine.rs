//! The machine of the measurements.

use std::fs;
use std::io;

use serde_json::{Value, json};

use super::placement::{Placement, allowed};

/// The machine, the kernel, and the processors of the bench.
#[derive(Debug)]
pub(crate) struct Machine {
    processor: String,
    kernel: String,
    allowed: Vec<usize>,
    apart: Option<Placement>,
    clock: String,
    idle: String,
    virtual_machine: bool,
    load: String,
}

impl Machine {
    pub(crate) fn find() -> io::Result<Self> {
        let processors = fs::read_to_string("/proc/cpuinfo")?;
        let field = |name: &str| {
            let line = processors.lines().find(|line| line.starts_with(name));
            line.and_then(|line| line.split_once(':'))
                .map_or_else(String::new, |(_, value)| value.trim().to_owned())
        };
        let read = |path: &str| match fs::read_to_string(path) {
            Ok(text) => text.trim().to_owned(),
            Err(_) => "unknown".to_owned(),
        };
        let mut processor = field("model name");
        if processor.is_empty() {
            processor = format!("{} part {}", std::env::consts::ARCH, field("CPU part"));
        }
        let load = read("/proc/loadavg");
        Ok(Self {
            processor,
            kernel: read("/proc/sys/kernel/osrelease"),
            allowed: allowed()?,
            apart: Placement::apart()?,
            clock: read("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
            idle: read("/sys/devices/system/cpu/cpuidle/current_governor_ro"),
            virtual_machine: field("flags").split(' ').any(|flag| flag == "hypervisor"),
            load: load.split(' ').next().unwrap_or_default().to_owned(),
        })
    }

    /// The two processors of a comparison, if there are two.
    pub(crate) fn apart(&self) -> Option<Placement> {
        self.apart
    }

    /// The machine in one line.
    pub(crate) fn line(&self) -> String {
        let topology = match self.apart {
            None => "one CPU allowed: measurements between two CPUs are skipped".to_owned(),
            Some(pair) => format!(
                "CPUs {} and {} of {} allowed, {}",
                pair.lead,
                pair.partner,
                self.allowed.len(),
                if pair.shares_a_core() {
                    "one core's"
                } else {
                    "on two cores according to the system"
                }
            ),
        };
        format!(
            "machine: {}{}; Linux {}; {topology}; clock {}, idle governor {}, load {} at start",
            self.processor,
            if self.virtual_machine {
                " (virtual)"
            } else {
                ""
            },
            self.kernel,
            self.clock,
            self.idle,
            self.load
        )
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "processor": self.processor,
            "virtual": self.virtual_machine,
            "kernel": self.kernel,
            "allowed": self.allowed,
            "apart": self.apart.map(|pair| [pair.lead, pair.partner]),
            "one_core": self.apart.map(Placement::shares_a_core),
            "clock": self.clock,
            "idle_governor": self.idle,
            "load": self.load,
            "line": self.line(),
        })
    }
}
