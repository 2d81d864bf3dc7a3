//! An example as a process.

use std::env;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{self, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::common::PATIENCE;
use super::common::child::code_of;
use super::common::names::RingName;

/// A running example. Dropping it kills and reaps the process.
pub(crate) struct Example(process::Child);

/// How an example has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) output: String,
    pub(crate) errors: String,
}

impl Example {
    pub(crate) fn start(example: &str, arguments: &[&str]) -> Self {
        Self::start_on(Stdio::piped(), example, arguments)
    }

    /// Starts an endpoint of this ring.
    pub(crate) fn end_of(ring: &RingName, example: &str, arguments: &[&str]) -> Self {
        let name = ["--name", ring.as_str()];
        Self::start(example, &[&name[..], arguments].concat())
    }

    /// Starts it with a signal ignored.
    pub(crate) fn start_ignoring(signal: libc::c_int, example: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new(path_of(example));
        let ignore = move || {
            // SAFETY: no handler is set.
            unsafe { libc::signal(signal, libc::SIG_IGN) };
            Ok(())
        };
        // SAFETY: the code between fork and exec makes one syscall.
        unsafe { command.pre_exec(ignore) };
        Self::spawn(command, Stdio::piped(), arguments)
    }

    pub(crate) fn start_on(output: Stdio, example: &str, arguments: &[&str]) -> Self {
        Self::spawn(Command::new(path_of(example)), output, arguments)
    }

    /// Starts another program than an example.
    pub(crate) fn of_program(program: &Path, arguments: &[&str]) -> Self {
        Self::spawn(Command::new(program), Stdio::piped(), arguments)
    }

    fn spawn(mut command: Command, output: Stdio, arguments: &[&str]) -> Self {
        let child = command
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(Stdio::piped())
            .spawn();
        Self(child.unwrap_or_else(|error| {
            let path = PathBuf::from(command.get_program());
            let path = path.display();
            panic!("{path}: {error}; is it built? cargo build --examples")
        }))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }

    pub(crate) fn signal(&self, signal: libc::c_int) {
        signal_to(self.pid(), signal);
    }

    /// `kill -9`, and waits for the exit.
    pub(crate) fn kill(mut self) {
        assert!(self.is_running(), "the example runs until it is killed");
        self.0.kill().expect("the example can be killed");
        self.0.wait().expect("the example can be reaped");
    }

    /// The same, and what it had said until then.
    pub(crate) fn kill_and_read(mut self) -> String {
        assert!(self.is_running(), "the example is alive until it is killed");
        self.0.kill().expect("the example can be killed");
        self.end().output
    }

    fn is_running(&mut self) -> bool {
        let status = self.0.try_wait().expect("the example can be waited for");
        status.is_none()
    }

    /// The next line of the example's output.
    pub(crate) fn line(&mut self) -> String {
        let output = self.0.stdout.as_mut().expect("its output is piped");
        let mut line = Vec::new();
        // Byte by byte: the bytes after the line stay in the pipe.
        while line.last() != Some(&b'\n') {
            let mut byte = [0];
            output.read_exact(&mut byte).expect("a whole line");
            line.extend(byte);
        }
        String::from_utf8(line).expect("the output is text")
    }

    /// Waits until the example has exited.
    pub(crate) fn end(mut self) -> Ended {
        wait_until("the example ends", || !self.is_running());
        let mut ended = Ended {
            code: code_of(self.0.wait().expect("a status")),
            output: String::new(),
            errors: String::new(),
        };
        if let Some(mut output) = self.0.stdout.take() {
            let read = output.read_to_string(&mut ended.output);
            read.expect("the output is text");
        }
        if let Some(mut errors) = self.0.stderr.take() {
            let read = errors.read_to_string(&mut ended.errors);
            read.expect("the errors are text");
        }
        ended
    }

    /// As [`Self::end`], of an example that says more than its pipe holds: it is read at once.
    pub(crate) fn end_reading(mut self) -> Ended {
        let mut output = self.0.stdout.take().expect("its output is piped");
        let reader = thread::spawn(move || {
            let mut text = String::new();
            output.read_to_string(&mut text).map(|_| text)
        });
        wait_until("the example ends", || reader.is_finished());
        let output = reader
            .join()
            .expect("no panic")
            .expect("the output is text");
        Ended {
            output,
            ..self.end()
        }
    }

    /// Waits until the example has succeeded with exactly this output.
    pub(crate) fn says(self, line: &str) {
        self.ends_with(0, line);
    }

    /// Waits until the signal has ended it, with exactly this output.
    pub(crate) fn dies_saying(self, signal: libc::c_int, line: &str) {
        self.ends_with(128 + signal, line);
    }

    fn ends_with(self, code: i32, line: &str) {
        let ended = self.end();
        assert_eq!(ended.output, format!("{line}\n"), "{ended:?}");
        assert_eq!((ended.code, ended.errors.as_str()), (Some(code), ""));
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// target/PROFILE/examples, seen from target/PROFILE/deps.
fn path_of(example: &str) -> PathBuf {
    let test = env::current_exe().expect("this binary's path");
    let profile = test.ancestors().nth(2).expect("a profile's directory");
    profile.join("examples").join(example)
}

pub(crate) fn signal_to(process: u32, signal: libc::c_int) {
    let process = libc::pid_t::try_from(process).expect("a process");
    // SAFETY: the process is a descendant and not reaped yet.
    let sent = unsafe { libc::kill(process, signal) };
    assert_eq!(sent, 0, "the process can be signalled");
}

pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "timeout: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}
