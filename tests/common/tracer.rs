//! A tracer that sees every system call of a child, as strace does.

/// The system call by which a traced child marks a place in its code: it reads its parent's pid, which
/// no library does.
pub(crate) fn mark() {
    // SAFETY: the call has no pointers. It bypasses the C library, which could cache the result.
    unsafe { libc::syscall(libc::SYS_getppid) };
}

/// Traces a child through this many of these system calls. Runs `meddle` after each, while
/// the child is stopped.
pub(crate) fn meddle(pid: u32, call: libc::c_long, mut count: u32, mut meddling: impl FnMut(u32)) {
    attach(pid);
    let mut is_that_call = false;
    loop {
        let stop = next_stop(pid, 0).expect("the child continues");
        match stop {
            Stop::Before(number, _) => is_that_call = number == call,
            Stop::After(_) if is_that_call => {
                count -= 1;
                meddling(count);
            }
            _ => {}
        }
        if count == 0 {
            return request(libc::PTRACE_DETACH, pid, 0, 0);
        }
        resume(pid, stop);
    }
}

/// Where a traced child is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Before this system call, with its arguments.
    Before(libc::c_long, [u64; 6]),
    /// After a system call, with its result.
    After(i64),
    /// Before the delivery of this signal; 0 for none.
    Signal(libc::c_int),
}

/// Makes this thread the tracer of a child, and stops the child.
pub(crate) fn attach(pid: u32) {
    let options = libc::c_long::from(libc::PTRACE_O_TRACESYSGOOD);
    request(libc::PTRACE_SEIZE, pid, 0, options);
    request(libc::PTRACE_INTERRUPT, pid, 0, 0);
}

/// A child's next stop; `None` if it has ended, or with WNOHANG still runs.
pub(crate) fn next_stop(pid: u32, options: libc::c_int) -> Option<Stop> {
    let mut status = 0;
    let options = options | libc::__WALL;
    // SAFETY: the status outlives the call.
    let waited = unsafe { libc::waitpid(pid as libc::pid_t, &raw mut status, options) };
    if waited <= 0 || !libc::WIFSTOPPED(status) {
        return None;
    }
    Some(match libc::WSTOPSIG(status) {
        signal if signal == libc::SIGTRAP | 0x80 => system_call(pid),
        signal if status >> 16 == 0 => Stop::Signal(signal),
        _ => Stop::Signal(0),
    })
}

/// The kernel's `ptrace_syscall_info`, which the libc crate does not have for musl.
#[repr(C)]
#[derive(Default)]
struct SystemCall {
    op: u8,
    arch: u32,
    instruction: u64,
    stack: u64,
    /// Before a call its number, after it its result.
    number_or_result: u64,
    arguments: [u64; 6],
}

/// `PTRACE_GET_SYSCALL_INFO` and `PTRACE_SYSCALL_INFO_EXIT`.
const GET_SYSCALL_INFO: u16 = 0x420e;
const INFO_OF_EXIT: u8 = 2;

/// Of a child that is stopped, at a system call or elsewhere.
fn info(pid: u32) -> SystemCall {
    let mut info = SystemCall::default();
    let size = size_of_val(&info);
    // SAFETY: the record outlives the call and has the given length.
    let got = unsafe { libc::ptrace(GET_SYSCALL_INFO.into(), pid, size, &raw mut info) };
    assert!(got > 0, "the child is stopped");
    info
}

/// The address of the next instruction of a child that is stopped.
pub(crate) fn next_instruction(pid: u32) -> u64 {
    info(pid).instruction
}

/// The system call at which a child is stopped.
fn system_call(pid: u32) -> Stop {
    let info = info(pid);
    if info.op == INFO_OF_EXIT {
        return Stop::After(info.number_or_result as i64);
    }
    Stop::Before(info.number_or_result as libc::c_long, info.arguments)
}

/// Lets a child continue from this stop to its next one.
pub(crate) fn resume(pid: u32, stop: Stop) {
    let deliver = match stop {
        Stop::Signal(signal) => libc::c_long::from(signal),
        _ => 0,
    };
    request(libc::PTRACE_SYSCALL, pid, 0, deliver);
}

/// Any request without pointers to this process's memory. Only musl has a signed number.
pub(crate) fn request(command: impl Into<i64>, pid: u32, place: u64, data: libc::c_long) {
    // SAFETY: the caller passes such a request; `place` is an address in the child.
    let done = unsafe { libc::ptrace(command.into() as _, pid, place, data) };
    // The child may have been killed at the same time; waitpid reports that.
    let gone = std::io::Error::last_os_error().raw_os_error() == Some(libc::ESRCH);
    assert!(done != -1 || gone, "the child can be traced");
}

/// A stopped child, which continues instruction by instruction.
pub(crate) struct Halted(u32);

impl Halted {
    pub(crate) fn new(pid: u32) -> Self {
        attach(pid);
        let halted = Self(pid);
        halted.stands();
        halted
    }

    /// Continues until `is_so`, and stops the child there as SIGSTOP would. No system call
    /// before that may block.
    pub(crate) fn stop_when(self, is_so: impl Fn() -> bool) {
        while !is_so() {
            request(libc::PTRACE_SINGLESTEP, self.0, 0, 0);
            self.stands();
        }
        let stop = libc::c_long::from(libc::SIGSTOP);
        request(libc::PTRACE_DETACH, self.0, 0, stop);
    }

    fn stands(&self) {
        assert!(next_stop(self.0, 0).is_some(), "the child has ended");
    }
}
