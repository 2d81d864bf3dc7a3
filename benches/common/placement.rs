//! The processors of the two processes.

use std::{fs, io};

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The processors of the two processes of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Placement {
    pub(crate) lead: usize,
    pub(crate) partner: usize,
}

impl Placement {
    /// Both on the first processor that this process may use.
    pub(crate) fn together() -> io::Result<Self> {
        let cpu = *allowed()?.first().ok_or(io::ErrorKind::NotFound)?;
        Ok(Self {
            lead: cpu,
            partner: cpu,
        })
    }

    /// On two processors, on different cores if possible; `None` if this process may use
    /// only one.
    pub(crate) fn apart() -> io::Result<Option<Self>> {
        let allowed = allowed()?;
        let Some((&lead, others)) = allowed.split_first() else {
            return Ok(None);
        };
        let siblings = siblings(lead);
        let of_another_core = others.iter().find(|cpu| !siblings.contains(cpu));
        let partner = of_another_core.or(others.first());
        Ok(partner.map(|&partner| Self { lead, partner }))
    }

    /// Whether the two processors belong to one core.
    pub(crate) fn shares_a_core(self) -> bool {
        self.lead == self.partner || siblings(self.lead).contains(&self.partner)
    }
}

/// The processors that this process may use.
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

/// The processors of the same core, according to the system.
pub(crate) fn siblings(cpu: usize) -> Vec<usize> {
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
