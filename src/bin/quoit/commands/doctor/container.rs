//! Hints that this is a container, and what its control group allows.

use std::path::Path;

use super::{Finding, Machine};
use crate::memory_limit::MemoryLimit;
use crate::progress::bytes;

pub(super) fn findings(machine: &Machine) -> Vec<Finding> {
    let mut findings = vec![container(machine)];
    findings.extend(memory(machine));
    findings.extend(processors(machine));
    findings
}

fn container(machine: &Machine) -> Finding {
    let check = "container";
    let marks = [".dockerenv", "run/.containerenv"];
    let marked = marks.iter().find(|mark| machine.root.join(mark).exists());
    match marked {
        Some(mark) => Finding::note(
            check,
            format!("/{mark} is there"),
            "both ends need one /dev/shm: docker run --ipc=container:NAME or --ipc=host",
        ),
        None => Finding::good(check, "no sign of one"),
    }
}

/// The tightest limit of this process's control group and those above it, as
/// `parse` reads it.
fn tightest<T: PartialOrd>(
    machine: &Machine,
    file: &str,
    parse: impl Fn(&str) -> Option<T>,
) -> Option<T> {
    let own = machine
        .field("proc/self/cgroup", "0::/")
        .unwrap_or_default();
    let limits = Path::new(&own).ancestors().filter_map(|group| {
        let group = group.to_string_lossy();
        parse(&machine.read(&format!("sys/fs/cgroup/{group}/{file}"))?)
    });
    limits.reduce(|least, limit| if limit < least { limit } else { least })
}

fn memory(machine: &Machine) -> Option<Finding> {
    let limits = MemoryLimit::all(&machine.root.join("proc"));
    let groups = limits.into_iter().filter(MemoryLimit::is_of_a_group);
    let MemoryLimit {
        file, limit, free, ..
    } = groups.min_by_key(|limit| limit.free)?;
    let (limit, left) = (bytes(limit), bytes(free));
    let found = format!("{limit}, {left} left for rings ({})", file.display());
    let check = "cgroup memory";
    let fix = "for larger rings: docker run --memory, MemoryMax= in the unit of systemd, or \
               resources.limits.memory in Kubernetes; beyond the limit the kernel kills";
    Some(match free < LITTLE {
        true => Finding::warning(check, found, fix),
        false => Finding::note(check, found, fix),
    })
}

/// Too little for rings, and for the programs that use them.
const LITTLE: u64 = 64 << 20;

fn processors(machine: &Machine) -> Option<Finding> {
    let cores = tightest(machine, "cpu.max", |text| {
        let (quota, period) = text.split_once(' ')?;
        Some(quota.parse::<f64>().ok()? / period.parse::<f64>().ok()?)
    })?;
    Some(Finding::warning(
        "cgroup CPU",
        format!("{cores:.1} cores: spinning uses them up, and then nothing runs for a while"),
        "docker run --cpus or CPUQuota= higher, or RingOptions::spin(Duration::ZERO)",
    ))
}
