//! System calls that this process may not make from now on.

/// Lets a system call fail with ENOSYS, as on a kernel that does not have it.
/// For children: there is no way back.
pub(crate) fn forbid(number: libc::c_long) {
    refuse(number, 0);
}

/// The same for all threads that this process has.
pub(crate) fn forbid_in_all_threads(number: libc::c_long) {
    refuse(number, libc::SECCOMP_FILTER_FLAG_TSYNC);
}

fn refuse(number: libc::c_long, flags: libc::c_ulong) {
    let statement = |code: u32, k: u32| libc::sock_filter {
        code: code as u16,
        jt: 0,
        jf: 0,
        k,
    };
    let load_number = statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0);
    let skip_unless = libc::sock_filter {
        code: (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16,
        jt: 0,
        jf: 1,
        k: u32::try_from(number).expect("a system call"),
    };
    let refuse = statement(
        libc::BPF_RET | libc::BPF_K,
        libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32,
    );
    let allow = statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW);
    let mut filter = [load_number, skip_unless, refuse, allow];
    let program = libc::sock_fprog {
        len: filter.len() as u16,
        filter: filter.as_mut_ptr(),
    };
    // SAFETY: the call changes nothing but this process's privileges.
    let alone = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    assert_eq!(alone, 0, "no new privileges");
    let (call, operation) = (libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER);
    // SAFETY: the program and its filter live through the call.
    let set = unsafe { libc::syscall(call, operation, flags, &raw const program) };
    assert_eq!(set, 0, "the filter is set");
}
