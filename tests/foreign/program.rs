//! A running program.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::common::PATIENCE;

/// A process. Dropping it kills and reaps it.
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

    /// Starts one that reads its standard input: the pipe to it.
    pub(super) fn start_with_input(command: &mut Command) -> (Self, ChildStdin) {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::piped()).spawn().expect("it starts");
        let input = child.stdin.take().expect("its input is piped");
        (Self(child), input)
    }

    /// Waits for the first line, which must be this one, and ignores the rest.
    pub(super) fn says(&mut self, lines: &[&str]) {
        let output = self.0.stdout.take().expect("its output is piped");
        let mut output = BufReader::new(output);
        for expected in lines {
            let mut line = String::new();
            output.read_line(&mut line).expect("text");
            assert_eq!(line.trim_end(), *expected, "{}", self.errors());
        }
    }

    /// The error output of an ended program; empty while it runs.
    fn errors(&mut self) -> String {
        let mut errors = String::new();
        if self.0.try_wait().expect("a child").is_some() {
            let said = self.0.stderr.as_mut().expect("it is piped");
            said.read_to_string(&mut errors).expect("text");
        }
        errors
    }

    /// `kill -9`, and waits for the exit; nothing else may have ended the program.
    pub(super) fn kill(mut self) {
        self.signal(libc::SIGKILL);
        let status = self.0.wait().expect("a child");
        assert_eq!(status.code(), None, "it had ended: {}", self.errors());
    }

    pub(super) fn pid(&self) -> u32 {
        self.0.id()
    }

    pub(super) fn signal(&self, signal: libc::c_int) {
        // SAFETY: the call has no pointers, and the child is not reaped yet.
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
        if let Some(mut standard) = self.0.stdout.take() {
            standard.read_to_string(&mut output).expect("text");
        }
        let mut error = self.0.stderr.take().expect("it is piped");
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
