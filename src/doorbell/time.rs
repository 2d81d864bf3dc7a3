//! The monotonic clock, and its times as the kernel takes them.

/// Nanoseconds on the monotonic clock of this process. Another process may be in another
/// time namespace, so no such time leaves this one.
pub(crate) fn now() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` lives through the call, which cannot fail.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

pub(super) fn timespec(nanos: u64) -> libc::timespec {
    libc::timespec {
        // Not `libc::time_t`, which is deprecated for musl.
        tv_sec: (nanos / 1_000_000_000) as _,
        tv_nsec: (nanos % 1_000_000_000) as libc::c_long,
    }
}
