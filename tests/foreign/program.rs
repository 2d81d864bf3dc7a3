//! A program of the examples, running.

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::common::PATIENCE;

/// A process, killed and reaped when the test is over, however it ends.
pub(super) struct Program(Child);

/// How a program ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ended {
    pub(super) code: Option<i32>,
    pub(super) output: String,
    pub(super) errors: String,
}

impl Program {
    pub(super) fn start(command: &mut Command) -> Self {
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped());
        Self(command.stderr(Stdio::piped()).spawn().expect("it starts"))
    }

    pub(super) fn pid(&self) -> u32 {
        self.0.id()
    }

    pub(super) fn signal(&self, signal: libc::c_int) {
        // SAFETY: the call takes no memory, and the child is not reaped yet.
        unsafe { libc::kill(self.pid() as libc::pid_t, signal) };
    }

    /// Waits for its end.
    pub(super) fn ends(mut self) -> Ended {
        let start = Instant::now();
        while self.0.try_wait().expect("a child").is_none() {
            assert!(start.elapsed() < PATIENCE, "the program does not end");
            sleep(Duration::from_millis(1));
        }
        let (mut output, mut errors) = (String::new(), String::new());
        let pipes = (self.0.stdout.take(), self.0.stderr.take());
        let (Some(mut standard), Some(mut error)) = pipes else {
            unreachable!("both are piped");
        };
        standard.read_to_string(&mut output).expect("text");
        error.read_to_string(&mut errors).expect("text");
        let code = self.0.wait().expect("a child").code();
        Ended {
            code,
            output,
            errors,
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
