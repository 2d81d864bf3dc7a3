//! A child that is stepped through an operation, one instruction at a time.

use std::io;
use std::thread;

use crate::common::child::{Child, hear, say};

/// In a child: waits for its tracer, then performs `operation` between two marks.
pub(crate) fn traced<R>(operation: impl FnOnce() -> R) -> R {
    say("ready");
    hear();
    mark();
    let result = operation();
    mark();
    result
}

/// A system call that no library makes.
fn mark() {
    // SAFETY: the call has no pointers. It bypasses the C library, which could cache the result.
    unsafe { libc::syscall(libc::SYS_getppid) };
}

/// A child's next instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    Instruction,
    /// A system call, with its number.
    Call(i64),
    /// The mark after the operation.
    End,
}

/// A child that is stopped before an instruction of its operation.
pub(crate) struct Stepper {
    pub(crate) child: Child,
    pid: libc::pid_t,
}

impl Stepper {
    /// Attaches to a child that is ready.
    pub(crate) fn attach(child: Child) -> Self {
        child.expect("ready");
        let pid = libc::pid_t::try_from(child.pid()).expect("a pid");
        request(libc::PTRACE_SEIZE, pid, libc::PTRACE_O_TRACESYSGOOD);
        request(libc::PTRACE_INTERRUPT, pid, 0);
        stopped(pid);
        Self { child, pid }
    }

    /// Steps it to the beginning of its operation.
    pub(crate) fn begin(&mut self) {
        self.child.tell("go");
        while self.pass_call() != libc::SYS_getppid {}
    }

    /// Continues to the next entry or exit of a system call: a call stops it twice.
    fn continues(&mut self) -> i64 {
        request(libc::PTRACE_SYSCALL, self.pid, 0);
        stopped(self.pid);
        processor::number_within(&self.registers())
    }

    pub(crate) fn next(&self) -> Next {
        let registers = self.registers();
        match processor::number(&registers) {
            _ if !self.is_call(&registers) => Next::Instruction,
            libc::SYS_getppid => Next::End,
            number => Next::Call(number),
        }
    }

    /// Whether the operation has ended.
    pub(crate) fn is_at_end(&self) -> bool {
        let registers = self.registers();
        processor::number(&registers) == libc::SYS_getppid && self.is_call(&registers)
    }

    fn is_call(&self, registers: &libc::user_regs_struct) -> bool {
        let (mask, call) = processor::CALL;
        let counter = processor::counter(registers);
        // SAFETY: the request has no pointer to this process's memory.
        let code = unsafe { libc::ptrace(libc::PTRACE_PEEKTEXT, self.pid, counter, 0) };
        code & mask == call
    }

    /// Steps one instruction, or one system call.
    pub(crate) fn step(&mut self) {
        request(libc::PTRACE_SINGLESTEP, self.pid, 0);
        stopped(self.pid);
    }

    /// Continues to the end of the next system call; returns its number.
    pub(crate) fn pass_call(&mut self) -> i64 {
        let number = self.continues();
        self.continues();
        number
    }

    /// Continues until the next system call sleeps.
    pub(crate) fn run_into_sleep(&mut self) {
        self.continues();
        request(libc::PTRACE_CONT, self.pid, 0);
        while !self.is_sleeping() {
            thread::yield_now();
        }
    }

    fn is_sleeping(&self) -> bool {
        let path = format!("/proc/{}/stat", self.pid);
        let stat = std::fs::read_to_string(path).expect("the child's state");
        let (_, after_name) = stat.rsplit_once(") ").expect("a name in brackets");
        after_name.starts_with('S')
    }

    /// `kill -9`, at the current instruction.
    pub(crate) fn kill(mut self) {
        self.child.kill();
    }

    fn registers(&self) -> libc::user_regs_struct {
        // SAFETY: all zero bytes are valid registers.
        let mut registers: libc::user_regs_struct = unsafe { std::mem::zeroed() };
        let mut set = libc::iovec {
            iov_base: (&raw mut registers).cast(),
            iov_len: size_of_val(&registers),
        };
        let command = libc::PTRACE_GETREGSET;
        // SAFETY: set and registers outlive the call.
        let got = unsafe { libc::ptrace(command, self.pid, libc::NT_PRSTATUS, &raw mut set) };
        assert_eq!(got, 0, "the child is stopped");
        registers
    }
}

/// The system calls of each processor.
#[cfg(target_arch = "x86_64")]
mod processor {
    /// `syscall`.
    pub(super) const CALL: (i64, i64) = (0xffff, 0x050f);

    pub(super) fn counter(registers: &libc::user_regs_struct) -> u64 {
        registers.rip
    }

    /// The number, before the call.
    pub(super) fn number(registers: &libc::user_regs_struct) -> i64 {
        registers.rax as i64
    }

    /// The number, in the call.
    pub(super) fn number_within(registers: &libc::user_regs_struct) -> i64 {
        registers.orig_rax as i64
    }
}

#[cfg(target_arch = "aarch64")]
mod processor {
    /// `svc #0`.
    pub(super) const CALL: (i64, i64) = (0xffff_ffff, 0xd400_0001);

    pub(super) fn counter(registers: &libc::user_regs_struct) -> u64 {
        registers.pc
    }

    pub(super) fn number(registers: &libc::user_regs_struct) -> i64 {
        registers.regs[8] as i64
    }

    pub(super) use self::number as number_within;
}

fn request(command: impl Into<i64>, pid: libc::pid_t, data: libc::c_int) {
    let command = command.into();
    // SAFETY: none of these requests has a pointer to this process's memory.
    let done = unsafe { libc::ptrace(command as _, pid, 0_usize, libc::c_long::from(data)) };
    assert_ne!(done, -1, "{command}: {}", io::Error::last_os_error());
}

/// Waits until the child is stopped.
fn stopped(pid: libc::pid_t) {
    let mut status = 0;
    // SAFETY: the status outlives the call.
    let waited = unsafe { libc::waitpid(pid, &raw mut status, libc::__WALL) };
    assert_eq!(waited, pid, "the child can be waited for");
    assert!(libc::WIFSTOPPED(status), "the child ended: {status:#x}");
    let signal = libc::WSTOPSIG(status) & 0x7f;
    assert_eq!(signal, libc::SIGTRAP, "the child gets no signal");
}
