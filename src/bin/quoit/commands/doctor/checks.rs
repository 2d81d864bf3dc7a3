//! What is examined: where rings are, what they may take, the calls of the kernel that they
//! use, and the cores of their endpoints.

use std::fs;
use std::io;

use indicatif::HumanBytes;
use rustix::fs::statvfs;
use rustix::process::{Resource, getrlimit};
use rustix::thread::{MembarrierQuery, membarrier_query};

use super::finding::{Finding, Found, Machine, good, note, warning};
use crate::memory_limit::MemoryLimit;
use crate::names;

/// What docker gives a container.
const DOCKERS: u64 = 64 << 20;
/// Too little for rings, and for the programs that use them.
const LITTLE: u64 = 64 << 20;

pub(super) fn findings(machine: &Machine) -> Vec<Finding> {
    let mut findings = vec![
        Finding::of("/dev/shm", shared_memory(machine)),
        Finding::of("container", container(machine)),
        Finding::of("memlock limit", locked_memory()),
        Finding::of("membarrier", barrier()),
        Finding::of("futex_waitv", many_futexes()),
        Finding::of("cores", cores(machine)),
    ];
    let group = group_memory(machine);
    findings.extend(group.map(|found| Finding::of("cgroup memory", found)));
    let allowed = machine.allowed();
    match machine.cores[..] {
        // Of others the system says nothing.
        [a, b] if allowed.contains(&a) && allowed.contains(&b) => {
            findings.push(Finding::of("SMT", siblings(machine, a, b)));
            findings.push(Finding::of("caches", caches(machine, a, b)));
        }
        _ => {}
    }
    findings
}

fn shared_memory(machine: &Machine) -> Found {
    let stat = match statvfs(machine.root.join("dev/shm")) {
        Ok(stat) => stat,
        Err(error) => {
            let fix = "mount -t tmpfs tmpfs /dev/shm, or give rings paths of files";
            return warning(format!("is not there: {error}"), fix);
        }
    };
    let (size, free) = (stat.f_blocks * stat.f_frsize, stat.f_bavail * stat.f_frsize);
    let found = format!("{}, {} free", HumanBytes(size), HumanBytes(free));
    if size <= DOCKERS {
        let fix = "docker run --shm-size=1g, or mount -o remount,size=1g /dev/shm";
        warning(found, fix)
    } else if free < DOCKERS {
        let fix = "remove rings that no process holds, or mount -o remount,size=1g /dev/shm";
        warning(found, fix)
    } else {
        good(found)
    }
}

fn container(machine: &Machine) -> Found {
    let marks = [".dockerenv", "run/.containerenv"];
    let marked = marks.iter().find(|mark| machine.root.join(mark).exists());
    match marked {
        Some(mark) => note(
            format!("/{mark} is there: /dev/shm is this container's own, unless it is shared"),
            "both endpoints need one /dev/shm: docker run --ipc=container:NAME or --ipc=host",
        ),
        None => good("no sign of one"),
    }
}

fn group_memory(machine: &Machine) -> Option<Found> {
    let limits = MemoryLimit::all(&machine.root.join("proc"));
    let groups = limits.into_iter().filter(MemoryLimit::is_of_a_group);
    let MemoryLimit {
        file, limit, free, ..
    } = groups.min_by_key(|limit| limit.free)?;
    let (limit, left) = (HumanBytes(limit), HumanBytes(free));
    let found = format!("{limit}, {left} left for rings ({})", file.display());
    let fix = "for larger rings: docker run --memory, MemoryMax= in the unit of systemd, or \
               resources.limits.memory in Kubernetes; beyond the limit the kernel kills";
    Some(match free < LITTLE {
        true => warning(found, fix),
        false => note(found, fix),
    })
}

fn locked_memory() -> Found {
    match getrlimit(Resource::Memlock).current {
        None => good("unlimited"),
        Some(limit) => note(
            format!("{} for RingOptions::lock_memory", HumanBytes(limit)),
            "ulimit -l unlimited, or LimitMEMLOCK=infinity in the unit of systemd",
        ),
    }
}

fn barrier() -> Found {
    let wanted = MembarrierQuery::GLOBAL_EXPEDITED | MembarrierQuery::REGISTER_GLOBAL_EXPEDITED;
    if membarrier_query().contains(wanted) {
        return good("global expedited: a push needs no fence");
    }
    let fix = "Linux 4.16 or newer; in a container, a seccomp profile that allows membarrier";
    warning("is missing: each push makes a fence", fix)
}

fn many_futexes() -> Found {
    // SAFETY: with no futexes the kernel reads nothing, and refuses.
    unsafe { libc::syscall(libc::SYS_futex_waitv, 0, 0, 0, 0, 0) };
    if io::Error::last_os_error().raw_os_error() == Some(libc::EINVAL) {
        return good("one sleep for many rings (Select, futures)");
    }
    let fix = "Linux 5.16 or newer; in a container, a seccomp profile that allows futex_waitv";
    let found = "is missing: Select and the feature futures do not work";
    warning(found, fix)
}

/// Numbers as people write them.
fn list(cores: &[u32]) -> String {
    let cores: Vec<_> = cores.iter().map(u32::to_string).collect();
    cores.join(",")
}

fn cores(machine: &Machine) -> Found {
    let allowed = machine.allowed();
    let mut missing = machine.cores.clone();
    missing.retain(|core| !allowed.contains(core));
    if !missing.is_empty() {
        return warning(
            format!("{}: this process may not run there", list(&missing)),
            format!(
                "choose among {}, or see taskset and the cpuset",
                list(&allowed)
            ),
        );
    }
    if allowed.len() < 2 {
        return warning(
            "one: the two endpoints take turns, and none should spin",
            "allow a second core, or RingOptions::spin(Duration::ZERO)",
        );
    }
    good(list(&machine.cores))
}

fn of_core(machine: &Machine, core: u32, file: &str) -> Option<String> {
    machine.read(&format!("sys/devices/system/cpu/cpu{core}/{file}"))
}

fn siblings(machine: &Machine, a: u32, b: u32) -> Found {
    let Some(siblings) = of_core(machine, a, "topology/thread_siblings_list") else {
        return note("the system does not say", "mount sysfs on /sys");
    };
    if names::cores(&siblings).is_ok_and(|cores| cores.contains(&b)) {
        let fix = "choose one thread of each core, unless both endpoints sleep most of the time";
        let found =
            format!("{a} and {b} are threads of one core: a spinning endpoint slows the other");
        return warning(found, fix);
    }
    good(format!("{a} and {b} are different cores"))
}

fn caches(machine: &Machine, a: u32, b: u32) -> Found {
    let directory = format!("sys/devices/system/cpu/cpu{a}/cache");
    let entries = fs::read_dir(machine.root.join(&directory));
    let mut shared = Vec::new();
    for entry in entries.into_iter().flatten().flatten() {
        let index = format!("{directory}/{}", entry.file_name().to_string_lossy());
        let file = |name| machine.read(&format!("{index}/{name}"));
        let (Some(level), Some(cores)) = (file("level"), file("shared_cpu_list")) else {
            continue;
        };
        if names::cores(&cores).is_ok_and(|cores| cores.contains(&b)) {
            shared.push(format!("L{level}"));
        }
    }
    shared.sort();
    shared.dedup();
    if shared.is_empty() {
        let fix = "choose two cores of one socket and one cluster (lscpu -e), if there are";
        let found = format!("{a} and {b} share none, as far as the system says");
        return note(found, fix);
    }
    good(format!("{a} and {b} share {}", shared.join(", ")))
}
