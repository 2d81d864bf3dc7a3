//! System calls that a seccomp filter refuses from now on.

/// Makes a system call fail with ENOSYS, as on a kernel without it. Only for child
/// processes: a filter cannot be removed.
pub(crate) fn forbid(number: libc::c_long) {
    refuse(number, libc::ENOSYS, None, 0);
}

/// Makes a system call fail with this error: always, or if its second argument is in this
/// range.
pub(crate) fn refuse_with(number: libc::c_long, answer: i32, commands: Option<[u32; 2]>) {
    refuse(number, answer, commands, 0);
}

/// The same for all threads of this process.
pub(crate) fn forbid_in_all_threads(number: libc::c_long) {
    refuse(number, libc::ENOSYS, None, libc::SECCOMP_FILTER_FLAG_TSYNC);
}

/// Has any system call kill this process from now on.
pub(crate) fn die_at_the_next_call() {
    install(&mut [end(libc::SECCOMP_RET_KILL_PROCESS)], 0);
}

fn statement(code: u32, k: u32, jt: u8, jf: u8) -> libc::sock_filter {
    let code = code as u16;
    libc::sock_filter { code, jt, jf, k }
}

fn end(action: u32) -> libc::sock_filter {
    statement(libc::BPF_RET | libc::BPF_K, action, 0, 0)
}

/// All arguments are in the range of the commands if there is none.
fn refuse(number: libc::c_long, answer: i32, commands: Option<[u32; 2]>, flags: libc::c_ulong) {
    let [first, last] = commands.unwrap_or([0, u32::MAX]);
    let load = |offset| statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, offset, 0, 0);
    // Skips `yes` statements if the condition holds, and `no` otherwise.
    let jump =
        |comparison, k, yes, no| statement(libc::BPF_JMP | comparison | libc::BPF_K, k, yes, no);
    let number = u32::try_from(number).expect("a system call");
    let mut filter = [
        load(0),
        jump(libc::BPF_JEQ, number, 0, 4),
        load(24), // the lower half of the second argument
        jump(libc::BPF_JGE, first, 0, 2),
        jump(libc::BPF_JGT, last, 1, 0),
        end(libc::SECCOMP_RET_ERRNO | answer as u32),
        end(libc::SECCOMP_RET_ALLOW),
    ];
    install(&mut filter, flags);
}

fn install(filter: &mut [libc::sock_filter], flags: libc::c_ulong) {
    let program = libc::sock_fprog {
        len: filter.len() as u16,
        filter: filter.as_mut_ptr(),
    };
    // SAFETY: the call changes only this process's privileges.
    let alone = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    assert_eq!(alone, 0, "no new privileges");
    let (call, operation) = (libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER);
    // SAFETY: the program and its filter outlive the call.
    let set = unsafe { libc::syscall(call, operation, flags, &raw const program) };
    assert_eq!(set, 0, "the filter is set");
}
