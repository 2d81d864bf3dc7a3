//! What is looked at: where rings live, what they may take, the calls of the kernel that
//! they use, and the cores of their ends.

use std::fs;
use std::io;
use std::mem::MaybeUninit;

use indicatif::HumanBytes;

use super::finding::{Finding, Machine, cores_of};
use crate::memory_limit::MemoryLimit;

/// What docker gives a container.
const DOCKERS: u64 = 64 << 20;
/// Too little for rings, and for the programs that use them.
const LITTLE: u64 = 64 << 20;

pub(super) fn findings(machine: &Machine) -> Vec<Finding> {
    let mut findings = vec![
        shared_memory(machine),
        container(machine),
        locked_memory(),
        barrier(),
        many_futexes(),
        cores(machine),
    ];
    findings.extend(group_memory(machine));
    let allowed = machine.allowed();
    match machine.cores[..] {
        // Of others the system says nothing.
        [a, b] if allowed.contains(&a) && allowed.contains(&b) => {
            findings.push(siblings(machine, a, b));
            findings.push(caches(machine, a, b));
        }
        _ => {}
    }
    findings
}

fn shared_memory(machine: &Machine) -> Finding {
    let check = "/dev/shm";
    let path = machine.root.join("dev/shm");
    let mut path = path.into_os_string().into_encoded_bytes();
    path.push(0);
    let mut stat = MaybeUninit::<libc::statvfs>::zeroed();
    // SAFETY: the path ends with a zero, and the result has its size.
    let failed = unsafe { libc::statvfs(path.as_ptr().cast(), stat.as_mut_ptr()) } != 0;
    if failed {
        let error = io::Error::last_os_error();
        let fix = "mount -t tmpfs tmpfs /dev/shm, or give rings paths of files";
        return Finding::warning(check, format!("is not there: {error}"), fix);
    }
    // SAFETY: all zeroes are a value of it, and so is what the kernel wrote.
    let stat = unsafe { stat.assume_init() };
    let (size, free) = (stat.f_blocks * stat.f_frsize, stat.f_bavail * stat.f_frsize);
    let found = format!("{}, {} free", HumanBytes(size), HumanBytes(free));
    if size <= DOCKERS {
        let fix = "docker run --shm-size=1g, or mount -o remount,size=1g /dev/shm";
        Finding::warning(check, found, fix)
    } else if free < DOCKERS {
        let fix = "remove rings that nobody holds, or mount -o remount,size=1g /dev/shm";
        Finding::warning(check, found, fix)
    } else {
        Finding::good(check, found)
    }
}

fn container(machine: &Machine) -> Finding {
    let check = "container";
    let marks = [".dockerenv", "run/.containerenv"];
    let marked = marks.iter().find(|mark| machine.root.join(mark).exists());
    match marked {
        Some(mark) => Finding::note(
            check,
            format!("/{mark} is there: /dev/shm is this container's own, unless it is shared"),
            "both endpoints need one /dev/shm: docker run --ipc=container:NAME or --ipc=host",
        ),
        None => Finding::good(check, "no sign of one"),
    }
}

fn group_memory(machine: &Machine) -> Option<Finding> {
    let limits = MemoryLimit::all(&machine.root.join("proc"));
    let groups = limits.into_iter().filter(MemoryLimit::is_of_a_group);
    let MemoryLimit {
        file, limit, free, ..
    } = groups.min_by_key(|limit| limit.free)?;
    let (limit, left) = (HumanBytes(limit), HumanBytes(free));
    let found = format!("{limit}, {left} left for rings ({})", file.display());
    let check = "cgroup memory";
    let fix = "for larger rings: docker run --memory, MemoryMax= in the unit of systemd, or \
               resources.limits.memory in Kubernetes; beyond the limit the kernel kills";
    Some(match free < LITTLE {
        true => Finding::warning(check, found, fix),
        false => Finding::note(check, found, fix),
    })
}

fn locked_memory() -> Finding {
    let check = "memlock limit";
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the result is a place of the right size.
    unsafe { libc::getrlimit(libc::RLIMIT_MEMLOCK, &raw mut limit) };
    match limit.rlim_cur {
        libc::RLIM_INFINITY => Finding::good(check, "unlimited"),
        limit => Finding::note(
            check,
            format!("{} for RingOptions::lock_memory", HumanBytes(limit)),
            "ulimit -l unlimited, or LimitMEMLOCK=infinity in the unit of systemd",
        ),
    }
}

fn barrier() -> Finding {
    let check = "membarrier";
    let query = libc::MEMBARRIER_CMD_QUERY;
    // SAFETY: a query changes nothing.
    let known = unsafe { libc::syscall(libc::SYS_membarrier, query, 0, 0) };
    let wanted =
        libc::MEMBARRIER_CMD_GLOBAL_EXPEDITED | libc::MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED;
    if known >= 0 && known as libc::c_int & wanted == wanted {
        return Finding::good(check, "global expedited: a push needs no fence");
    }
    let fix = "Linux 4.16 or newer; in a container, a seccomp profile that allows membarrier";
    Finding::warning(check, "is missing: each push makes a fence", fix)
}

fn many_futexes() -> Finding {
    let check = "futex_waitv";
    // SAFETY: with no futexes the kernel reads nothing, and refuses.
    unsafe { libc::syscall(libc::SYS_futex_waitv, 0, 0, 0, 0, 0) };
    if io::Error::last_os_error().raw_os_error() == Some(libc::EINVAL) {
        return Finding::good(check, "one sleep for many rings (Select, futures)");
    }
    let fix = "Linux 5.16 or newer; in a container, a seccomp profile that allows futex_waitv";
    let found = "is missing: Select and the feature futures do not work";
    Finding::warning(check, found, fix)
}

/// Numbers as people write them.
fn list(cores: &[u32]) -> String {
    let cores: Vec<_> = cores.iter().map(u32::to_string).collect();
    cores.join(",")
}

fn cores(machine: &Machine) -> Finding {
    let check = "cores";
    let allowed = machine.allowed();
    let mut missing = machine.cores.clone();
    missing.retain(|core| !allowed.contains(core));
    if !missing.is_empty() {
        return Finding::warning(
            check,
            format!("{}: this process may not run there", list(&missing)),
            format!(
                "choose among {}, or see taskset and the cpuset",
                list(&allowed)
            ),
        );
    }
    if allowed.len() < 2 {
        return Finding::warning(
            check,
            "one: the two ends take turns, and no end should spin",
            "allow a second core, or RingOptions::spin(Duration::ZERO)",
        );
    }
    Finding::good(check, list(&machine.cores))
}

fn of_core(machine: &Machine, core: u32, file: &str) -> Option<String> {
    machine.read(&format!("sys/devices/system/cpu/cpu{core}/{file}"))
}

fn siblings(machine: &Machine, a: u32, b: u32) -> Finding {
    let check = "SMT";
    let Some(siblings) = of_core(machine, a, "topology/thread_siblings_list") else {
        return Finding::note(check, "the system does not say", "mount sysfs on /sys");
    };
    if cores_of(&siblings).contains(&b) {
        let fix = "choose one thread of each core, unless both ends sleep most of the time";
        let found = format!("{a} and {b} are threads of one core: a spinning end slows the other");
        return Finding::warning(check, found, fix);
    }
    Finding::good(check, format!("{a} and {b} are different cores"))
}

fn caches(machine: &Machine, a: u32, b: u32) -> Finding {
    let check = "caches";
    let directory = format!("sys/devices/system/cpu/cpu{a}/cache");
    let entries = fs::read_dir(machine.root.join(&directory));
    let mut shared = Vec::new();
    for entry in entries.into_iter().flatten().flatten() {
        let index = format!("{directory}/{}", entry.file_name().to_string_lossy());
        let file = |name| machine.read(&format!("{index}/{name}"));
        let (Some(level), Some(cores)) = (file("level"), file("shared_cpu_list")) else {
            continue;
        };
        if cores_of(&cores).contains(&b) {
            shared.push(format!("L{level}"));
        }
    }
    shared.sort();
    shared.dedup();
    if shared.is_empty() {
        let fix = "choose two cores of one socket and one cluster (lscpu -e), if there are";
        let found = format!("{a} and {b} share none, as far as the system says");
        return Finding::note(check, found, fix);
    }
    Finding::good(check, format!("{a} and {b} share {}", shared.join(", ")))
}
