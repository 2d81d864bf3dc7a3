//! Whether there is memory for a ring, asked before the kernel answers with SIGKILL.

use std::path::Path;
use std::thread;
use std::time::Duration;

use super::memory_limit::MemoryLimit;
use crate::error::Error;

/// Smaller rings are not worth the question: the answer takes 0.1 ms, a tenth of the time
/// that the kernel takes to reserve so much.
const ASKED: u64 = 4 << 20;

/// Refuses so much memory if the kernel would kill for it.
pub(super) fn survives(wanted: u64) -> Result<(), Error> {
    if wanted < ASKED {
        return Ok(());
    }
    for attempt in 0..=COUNTED {
        let limits = MemoryLimit::all(Path::new("/proc"));
        let Some(limit) = limits.into_iter().min_by_key(|limit| limit.free) else {
            break;
        };
        let MemoryLimit { free, unsure, .. } = limit;
        if wanted <= free {
            break;
        }
        if wanted > free.saturating_add(unsure) || attempt == COUNTED {
            return Err(Error::NotEnoughMemory {
                wanted,
                available: free,
                hint: way_out(&limit).into(),
            });
        }
        thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// After so many times 10 ms the kernel has counted what is in use; what it counts for
/// nothing by then is its own.
const COUNTED: u32 = 250;

fn way_out(limit: &MemoryLimit) -> String {
    let MemoryLimit {
        file, limit: set, ..
    } = limit;
    let file = file.display();
    if limit.is_of_a_group() {
        format!(
            "beyond the limit of this process's control group, {set} bytes in {file}, the kernel \
             kills; make the ring smaller, remove rings, or raise the limit (docker run --memory; \
             MemoryMax= in a unit of systemd; resources.limits.memory in Kubernetes)"
        )
    } else {
        format!(
            "this machine has {set} bytes of memory ({file}), and beyond them the kernel kills; \
             make the ring smaller, remove rings, or end other programs"
        )
    }
}
