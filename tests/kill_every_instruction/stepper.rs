//! A child that is stepped through an operation, one instruction at a time.

use std::cell::Cell;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;

use memmap2::Mmap;

use crate::common::child::state;
use crate::common::fork::{fork, kill, pause, work_as_long_as_the_parent};
use crate::common::tracer::{Stop, attach, mark, next_instruction, next_stop, request};

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
    /// The system call that it has entered, but not begun.
    call: Cell<Option<i64>>,
}

/// The bits of an instruction that makes a system call: `syscall`, or `svc #0`.
const CALL: (i64, i64) = if cfg!(target_arch = "x86_64") {
    (0xffff, 0x050f)
} else {
    (0xffff_ffff, 0xd400_0001)
};

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
        let (pid, call) = (child as u32, Cell::new(None));
        let stepper = Self { pid, call };
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

    /// At a system call, the child continues up to its entry.
    pub(crate) fn next(&self) -> Next {
        let (mask, call) = CALL;
        let place = next_instruction(self.pid);
        // SAFETY: the request has no pointer to this process's memory.
        let code = unsafe { libc::ptrace(libc::PTRACE_PEEKTEXT, self.pid, place, 0) };
        if self.call.get().is_none() && code & mask == call {
            self.call.set(Some(self.enter_call()));
        }
        match self.call.get() {
            None => Next::Instruction,
            Some(libc::SYS_getppid) => Next::End,
            Some(number) => Next::Call(number),
        }
    }

    /// Whether the operation has ended.
    pub(crate) fn is_at_end(&self) -> bool {
        self.next() == Next::End
    }

    /// Steps one instruction, or one system call.
    pub(crate) fn step(&self) {
        match self.call.take() {
            None => self.continues(libc::PTRACE_SINGLESTEP),
            Some(_) => self.continues(libc::PTRACE_SYSCALL),
        };
    }

    fn enter_call(&self) -> i64 {
        match self.continues(libc::PTRACE_SYSCALL) {
            Stop::Before(number, _) => number,
            stop => panic!("the child was in a system call: {stop:?}"),
        }
    }

    /// Continues to the end of the next system call; returns its number.
    pub(crate) fn pass_call(&self) -> i64 {
        let number = self.enter_call();
        self.continues(libc::PTRACE_SYSCALL);
        number
    }

    /// Continues until the system call that is next sleeps.
    pub(crate) fn run_into_sleep(&self) {
        request(libc::PTRACE_CONT, self.pid, 0, 0);
        while state(self.pid) != 'S' {
            thread::yield_now();
        }
    }

    /// `kill -9`, at the current instruction.
    pub(crate) fn kill(self) {
        kill(self.pid as libc::pid_t);
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
