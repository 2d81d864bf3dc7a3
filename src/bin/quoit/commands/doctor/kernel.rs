//! The calls of the kernel that a ring uses where they are there, and its clock.

use std::io;

use super::{Finding, Machine};

pub(super) fn findings(machine: &Machine) -> Vec<Finding> {
    vec![barrier(), many_futexes(), clock(machine)]
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

fn clock(machine: &Machine) -> Finding {
    let check = "clock source";
    let path = "sys/devices/system/clocksource/clocksource0/current_clocksource";
    let found = machine.read(path);
    match found.as_deref() {
        // Those that the kernel lets a process read by itself.
        Some("tsc" | "kvm-clock" | "hyperv_clocksource_tsc_page" | "arch_sys_counter") => {
            Finding::good(check, found.unwrap_or_default())
        }
        Some(slow) => Finding::warning(
            check,
            format!("{slow}: reading the time may be a system call"),
            "boot with tsc=reliable if the processor's counter is constant",
        ),
        None => Finding::note(check, "the system does not say", "mount sysfs on /sys"),
    }
}
