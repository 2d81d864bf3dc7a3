//! The processors of the two processes.

use std::fs;
use std::io;
use std::mem::size_of;

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
    let mut set = no_cpus();
    // SAFETY: the set outlives the call and has the given size.
    let result = unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &raw mut set) };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    let most = libc::CPU_SETSIZE as usize;
    // SAFETY: the number is below the set's size.
    let is_in = |&cpu: &usize| unsafe { libc::CPU_ISSET(cpu, &set) };
    Ok((0..most).filter(is_in).collect())
}

/// Keeps this process on one processor.
pub(crate) fn pin(cpu: usize) -> io::Result<()> {
    let mut set = no_cpus();
    // SAFETY: the number is from `allowed`, so it is below the set's size.
    unsafe { libc::CPU_SET(cpu, &mut set) };
    // SAFETY: the set outlives the call and has the given size.
    let result =
        unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set) };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

fn no_cpus() -> libc::cpu_set_t {
    // SAFETY: a zeroed set is empty.
    unsafe { std::mem::zeroed() }
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
