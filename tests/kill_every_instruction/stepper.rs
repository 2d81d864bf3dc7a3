//! A child that is stepped through an operation, one instruction at a time.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;

use memmap2::Mmap;

use crate::common::child::state;
use crate::common::fork::{fork, kill, pause, work_as_long_as_the_parent};
use crate::common::tracer::{Stop, attach, mark, next_stop, request};

/// In a child: performs `operation` between two marks.
pub(crate) fn traced<R>(operation: impl FnOnce() -> R) -> R {
    mark();
    let result = operation();
    mark();
    result
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
    pid: u32,
}

impl Stepper {
    /// Forks a child that performs an operation in its work, and steps it to the beginning of
    /// that. This process has no other thread.
    pub(crate) fn start(work: impl FnOnce()) -> Self {
        let (mut here, mut there) = UnixStream::pair().expect("two sockets");
        let child = fork().unwrap_or_else(|| {
            work_as_long_as_the_parent();
            there.read_exact(&mut [0]).expect("a tracer");
            work();
            pause()
        });
        let stepper = Self { pid: child as u32 };
        attach(stepper.pid);
        stepper.stopped();
        here.write_all(&[0]).expect("the child reads");
        while stepper.pass_call() != libc::SYS_getppid {}
        stepper
    }

    /// Lets it continue up to a stop; a signal that is to be delivered would be one.
    fn continues(&self, command: impl Into<i64>) -> Stop {
        request(command, self.pid, 0, 0);
        self.stopped()
    }

    fn stopped(&self) -> Stop {
        let stop = next_stop(self.pid, 0).expect("the child lives");
        let is_a_signal =
            matches!(stop, Stop::Signal(signal) if ![0, libc::SIGTRAP].contains(&signal));
        assert!(!is_a_signal, "the child gets no signal: {stop:?}");
        stop
    }

    pub(crate) fn next(&self) -> Next {
        let registers = self.registers();
        let (mask, call) = processor::CALL;
        let counter = processor::counter(&registers);
        // SAFETY: the request has no pointer to this process's memory.
        let code = unsafe { libc::ptrace(libc::PTRACE_PEEKTEXT, self.pid, counter, 0) };
        match processor::number(&registers) {
            _ if code & mask != call => Next::Instruction,
            libc::SYS_getppid => Next::End,
            number => Next::Call(number),
        }
    }

    /// Whether the operation has ended.
    pub(crate) fn is_at_end(&self) -> bool {
        self.next() == Next::End
    }

    /// Steps one instruction, or one system call.
    pub(crate) fn step(&self) {
        self.continues(libc::PTRACE_SINGLESTEP);
    }

    /// Continues to the end of the next system call; returns its number.
    pub(crate) fn pass_call(&self) -> i64 {
        let Stop::Before(number, _) = self.continues(libc::PTRACE_SYSCALL) else {
            panic!("the child was in a system call");
        };
        self.continues(libc::PTRACE_SYSCALL);
        number
    }

    /// Continues until the next system call sleeps.
    pub(crate) fn run_into_sleep(&self) {
        self.continues(libc::PTRACE_SYSCALL);
        request(libc::PTRACE_CONT, self.pid, 0, 0);
        while state(self.pid) != 'S' {
            thread::yield_now();
        }
    }

    /// `kill -9`, at the current instruction.
    pub(crate) fn kill(self) {
        kill(self.pid as libc::pid_t);
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

/// A ring's memory, which is only read while the child is stopped. System calls create and remove a
/// name, so there may be none.
pub(crate) struct Image {
    map: Option<Mmap>,
    pub(crate) bytes: Vec<u8>,
}

impl Image {
    pub(crate) fn of(path: &Path) -> Self {
        let map = File::open(path).ok().map(|file| {
            // SAFETY: it is read while the child is stopped, and no other process writes to it.
            unsafe { Mmap::map(&file) }.expect("the segment")
        });
        let bytes = map.as_ref().map_or_else(Vec::new, |map| map.to_vec());
        Self { map, bytes }
    }

    /// Whether the memory has changed since it was last read.
    pub(crate) fn has_changed(&mut self) -> bool {
        let changed = self.map.as_ref().filter(|map| map[..] != self.bytes);
        let Some(map) = changed else {
            return false;
        };
        self.bytes = map.to_vec();
        true
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
}
