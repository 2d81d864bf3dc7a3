//! Pages of 2 MiB: each kind of ring has its own switch for them.

use super::{Finding, Machine};
use crate::mounts::Mount;

const SHMEM_ENABLED: &str = "sys/kernel/mm/transparent_hugepage/shmem_enabled";

pub(super) fn findings(machine: &Machine) -> Vec<Finding> {
    let mounts = machine.read("proc/self/mountinfo").unwrap_or_default();
    let shmem = machine.read(SHMEM_ENABLED);
    // The kernel puts brackets around the one that is chosen.
    let shmem = shmem
        .as_deref()
        .and_then(|all| all.split(['[', ']']).nth(1));
    vec![
        reserved(machine, &mounts),
        named(machine, &mounts, shmem),
        anonymous(shmem),
    ]
}

/// Those that the machine keeps for hugetlbfs.
fn reserved(machine: &Machine, mounts: &str) -> Finding {
    let check = "hugetlbfs";
    let count = machine.field("proc/meminfo", "HugePages_Total:");
    let count = count.as_deref().unwrap_or("0");
    let mount = Mount::all(mounts).find(|mount| mount.kind == "hugetlbfs");
    let reserve = "for rings of many MiB: sysctl vm.nr_hugepages=64";
    let make = "mount -t hugetlbfs none /mnt/huge, and name a ring /mnt/huge/NAME";
    match mount.map(|mount| mount.point) {
        None if count == "0" => {
            let fix = format!("{reserve}, {make}");
            Finding::note(check, "no pages reserved, and nowhere mounted", fix)
        }
        Some(point) if count == "0" => {
            let fix = format!("{reserve}, and name a ring {point}/NAME");
            Finding::note(check, format!("on {point}, but no pages reserved"), fix)
        }
        None => Finding::note(check, format!("{count} pages, but nowhere mounted"), make),
        Some(point) => Finding::good(check, format!("{count} pages for rings {point}/NAME")),
    }
}

/// Transparent ones for names in /dev/shm, which are its mount's to give.
fn named(machine: &Machine, mounts: &str, shmem: Option<&str>) -> Finding {
    let check = "huge /dev/shm";
    let path = machine.root.join("dev/shm");
    let mount = Mount::all(mounts).rfind(|mount| path.as_os_str() == mount.point);
    let remount = "for rings of many MiB: mount -o remount,huge=within_size /dev/shm";
    let Some(mount) = mount.filter(|mount| mount.kind == "tmpfs") else {
        let fix = "mount -t tmpfs -o huge=within_size tmpfs /dev/shm";
        return Finding::note(check, "is no tmpfs of its own", fix);
    };
    let huge = mount.option("huge").unwrap_or("never");
    match (shmem, huge) {
        (None, _) => absent(check),
        (Some("deny"), _) => {
            let found = format!("huge={huge}, but shmem_enabled denies it to all mounts");
            let fix = format!("echo never > /{SHMEM_ENABLED}, which leaves it to the mount");
            Finding::note(check, found, fix)
        }
        (Some("force"), _) => {
            let found = format!("huge={huge}, but shmem_enabled forces it on all mounts");
            Finding::good(check, found)
        }
        (_, "always" | "within_size") => Finding::good(check, format!("huge={huge}")),
        (_, "advise") => Finding::note(check, "huge=advise, and quoit does not advise", remount),
        _ => Finding::note(check, format!("huge={huge}"), remount),
    }
}

/// Transparent ones for rings without a name, which lie on the kernel's own mount.
fn anonymous(shmem: Option<&str>) -> Finding {
    let check = "huge memfd";
    let fix = format!("for large rings without a name: echo within_size > /{SHMEM_ENABLED}");
    match shmem {
        None => absent(check),
        Some(chosen @ ("always" | "within_size" | "force")) => {
            Finding::good(check, format!("shmem_enabled is {chosen}"))
        }
        Some("advise") => {
            let found = "shmem_enabled is advise, and quoit does not advise";
            Finding::note(check, found, fix)
        }
        Some(chosen) => Finding::note(check, format!("shmem_enabled is {chosen}"), fix),
    }
}

fn absent(check: &'static str) -> Finding {
    let fix = "a kernel with CONFIG_TRANSPARENT_HUGEPAGE, or hugetlbfs";
    Finding::note(check, "this kernel has no transparent huge pages", fix)
}
