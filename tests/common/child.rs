//! Real processes: the test's own binary, started again with the name of a part.
//!
//! Parent and child exchange lines. A child exits when its input ends, and dies with its
//! parent.

use std::cell::RefCell;
use std::env;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{self, Command, ExitStatus, Stdio};

use super::fork::die_with_the_parent;
use super::program::Program;

/// The environment variable with the path of the test or the part that a process runs.
pub(super) const PART: &str = "QUOIT_TEST_PART";

/// A child process that runs a part. Dropping it kills and reaps the process.
pub(crate) struct Child(RefCell<Program>);

impl Child {
    /// Starts `part`, which the list of this test's module has, with these arguments.
    pub(crate) fn start(part: &str, arguments: &[&str]) -> Self {
        let this = env::current_exe().expect("this binary's path");
        let mut command = Command::new(this);
        let command = command.args(arguments).env(PART, sibling(part));
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        Self(RefCell::new(Program::spawn(command)))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.borrow().pid()
    }

    /// The next line from the child.
    pub(crate) fn says(&self) -> String {
        self.0.borrow_mut().line()
    }

    /// Waits for exactly this line.
    pub(crate) fn expect(&self, line: &str) {
        assert_eq!(self.says(), line);
    }

    /// Sends a line to the child.
    pub(crate) fn tell(&mut self, line: &str) {
        self.0.get_mut().feed(format!("{line}\n").as_bytes());
    }

    pub(crate) fn signal(&self, number: libc::c_int) {
        self.0.borrow().signal(number);
    }

    /// `kill -9`, and waits for the exit; nothing else may have ended the child.
    pub(crate) fn kill(&mut self) {
        self.0.get_mut().kill();
    }

    /// Waits until the child has exited with success; ignores its remaining lines.
    pub(crate) fn succeeds(self) {
        let ended = self.0.into_inner().end();
        assert_eq!(ended.code, Some(0), "the child ended");
    }

    /// Whether the child is stopped, as after SIGSTOP.
    pub(crate) fn is_stopped(&self) -> bool {
        state(self.pid()) == 'T'
    }
}

/// Whether a child is blocked in a system call.
pub(crate) fn is_asleep(pid: u32) -> bool {
    let call = std::fs::read_to_string(format!("/proc/{pid}/syscall"));
    // A thread that was preempted before it sleeps is still running.
    state(pid) == 'S' && !call.expect("the child's call").starts_with("running")
}

/// The exit code, or 128 plus the number of the signal that killed it, as in a shell. A
/// real exit code must be smaller: with such a code a shell would continue its loop.
pub(crate) fn code_of(status: ExitStatus) -> Option<i32> {
    let code = status.code();
    assert!(code.is_none_or(|code| code < 128), "it exits with {code:?}");
    code.or(status.signal().map(|signal| 128 + signal))
}

/// The kernel's letter for a process's state.
pub(crate) fn state(pid: u32) -> char {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("the child's state");
    let (_, after_name) = stat.rsplit_once(") ").expect("a name in brackets");
    after_name.chars().next().expect("a state")
}

/// The path of a part in the module of the test, or of the part, that this process runs.
fn sibling(part: &str) -> String {
    let own = env::var(PART).expect("the harness started this process");
    let (module, _) = own.rsplit_once("::").expect("a path");
    format!("{module}::{part}")
}

/// The path of the test or the part that this process runs, if it is a child.
pub(super) fn part() -> Option<String> {
    let part = env::var(PART).ok()?;
    die_with_the_parent();
    Some(part)
}

/// In a child: sends a line to the parent.
pub(crate) fn say(line: impl std::fmt::Display) {
    println!("{line}"); // standard output is flushed at each line's end
}

/// In a child: the parent's next line. Exits the process at the end of its input.
pub(crate) fn hear() -> String {
    let mut line = String::new();
    match io::stdin().read_line(&mut line) {
        Ok(length) if length > 0 => line.trim_end().to_owned(),
        _ => process::exit(0),
    }
}

/// In a child: reports that it is ready, and keeps its state until it is killed or its
/// input ends.
pub(crate) fn hold() {
    say("ready");
    hear();
}
