//! A tracer that sees every system call of a child, as strace does.

use std::collections::BTreeMap;
use std::thread::{self, JoinHandle};
use std::time::Instant;

/// The system call that a traced child makes to say that a window ends here.
/// It asks for its parent, which no library does by itself.
pub(crate) fn end_window() {
    // SAFETY: the call takes no memory; past the C library, so that it is made.
    unsafe { libc::syscall(libc::SYS_getppid) };
}

/// What a child called between two ends of windows.
pub(crate) struct Window<S> {
    /// How often each system call was made.
    pub(crate) calls: BTreeMap<u64, u64>,
    /// What was seen at its beginning and at its end.
    pub(crate) before: S,
    pub(crate) after: S,
    pub(crate) seconds: f64,
}

/// Traces a child until it ends, from a thread of its own; `look` is called
/// while the child stands still between two windows. What comes before the
/// first end of a window and after the last is in no window.
pub(crate) fn trace<S: Copy + Send + 'static>(
    pid: u32,
    look: impl Fn() -> S + Send + 'static,
) -> JoinHandle<Vec<Window<S>>> {
    let (attached, is_attached) = std::sync::mpsc::channel();
    let tracer = thread::spawn(move || {
        let pid = libc::pid_t::try_from(pid).expect("a pid");
        request(libc::PTRACE_SEIZE, pid, libc::PTRACE_O_TRACESYSGOOD);
        request(libc::PTRACE_INTERRUPT, pid, 0);
        attached.send(()).expect("the starter waits");
        follow(pid, look)
    });
    is_attached.recv().expect("the tracer attaches");
    tracer
}

fn follow<S: Copy>(pid: libc::pid_t, look: impl Fn() -> S) -> Vec<Window<S>> {
    let mut windows = Vec::new();
    let mut open: Option<(S, Instant)> = None;
    let mut calls = BTreeMap::new();
    let mut enters = true;
    loop {
        let mut status = 0;
        // SAFETY: the status lives through the call.
        let waited = unsafe { libc::waitpid(pid, &raw mut status, libc::__WALL) };
        if waited != pid || libc::WIFEXITED(status) || libc::WIFSIGNALED(status) {
            return windows;
        }
        let signal = libc::WSTOPSIG(status);
        let mut deliver = 0;
        if signal == libc::SIGTRAP | 0x80 {
            if enters {
                let number = system_call(pid);
                if number == libc::SYS_getppid as u64 {
                    let now = look();
                    if let Some((before, began)) = open {
                        windows.push(Window {
                            calls: std::mem::take(&mut calls),
                            before,
                            after: now,
                            seconds: began.elapsed().as_secs_f64(),
                        });
                    }
                    calls.clear();
                    open = Some((now, Instant::now()));
                } else {
                    *calls.entry(number).or_insert(0) += 1;
                }
            }
            enters = !enters;
        } else if status >> 16 == 0 {
            deliver = signal; // a signal of the child's own
        }
        request(libc::PTRACE_SYSCALL, pid, deliver);
    }
}

/// The system call that a child stands before.
fn system_call(pid: libc::pid_t) -> u64 {
    // SAFETY: all zero bytes are such a record.
    let mut info: libc::ptrace_syscall_info = unsafe { std::mem::zeroed() };
    let size = size_of_val(&info);
    let command = libc::PTRACE_GET_SYSCALL_INFO;
    // SAFETY: the record lives through the call and is as long as it says.
    let got = unsafe { libc::ptrace(command, pid, size, &raw mut info) };
    assert!(got > 0, "the child stands before a system call");
    // SAFETY: at an entry this is the part that is filled in.
    unsafe { info.u.entry }.nr
}

fn request(command: libc::c_uint, pid: libc::pid_t, data: libc::c_int) {
    let data = libc::c_long::from(data);
    // SAFETY: none of these requests takes memory of ours.
    let done = unsafe { libc::ptrace(command, pid, 0_usize, data) };
    // The child may have been killed meanwhile; waitpid tells.
    let gone = std::io::Error::last_os_error().raw_os_error() == Some(libc::ESRCH);
    assert!(done != -1 || gone, "the child can be traced");
}

/// A child that stands still, and goes on instruction by instruction.
pub(crate) struct Halted(libc::pid_t);

impl Halted {
    pub(crate) fn new(pid: u32) -> Self {
        let halted = Self(libc::pid_t::try_from(pid).expect("a pid"));
        request(libc::PTRACE_SEIZE, halted.0, 0);
        request(libc::PTRACE_INTERRUPT, halted.0, 0);
        halted.stands();
        halted
    }

    /// Goes on until `is_so`, and is left there as if by SIGSTOP. No system
    /// call on the way may wait.
    pub(crate) fn stop_when(self, is_so: impl Fn() -> bool) {
        while !is_so() {
            request(libc::PTRACE_SINGLESTEP, self.0, 0);
            self.stands();
        }
        request(libc::PTRACE_DETACH, self.0, libc::SIGSTOP);
    }

    fn stands(&self) {
        // SAFETY: no status is asked for.
        let waited = unsafe { libc::waitpid(self.0, core::ptr::null_mut(), libc::__WALL) };
        assert_eq!(waited, self.0, "the child stands still");
    }
}
