//! Real processes: the test's own binary, started again with the name of a part.
//!
//! Parent and child exchange lines. A child exits when its input ends, and dies with its
//! parent.

use std::env;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{self, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;

use super::PATIENCE;

/// The environment variable with the path of the test or the part that a process runs.
pub(super) const PART: &str = "QUOIT_TEST_PART";

/// A child process that runs a part. Dropping it kills and reaps the process.
pub(crate) struct Child {
    process: process::Child,
    lines: Receiver<String>,
}

impl Child {
    /// Starts `part`, which the list of this test's module has, with these arguments.
    pub(crate) fn start(part: &str, arguments: &[&str]) -> Self {
        Self::start_by(&[], part, arguments)
    }

    /// The same, started by a program such as `unshare`.
    pub(crate) fn start_by(runner: &[&str], part: &str, arguments: &[&str]) -> Self {
        let this = env::current_exe().expect("this binary's path");
        let mut command = match runner {
            [] => Command::new(this),
            [program, options @ ..] => {
                let mut command = Command::new(program);
                command.args(options).arg(this);
                command
            }
        };
        let mut process = command
            .env(PART, sibling(part))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the child starts");
        let output = process.stdout.take().expect("its output is piped");
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Self { process, lines }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// The next line from the child.
    pub(crate) fn says(&self) -> String {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => panic!("the child writes no line"),
            Err(RecvTimeoutError::Disconnected) => panic!("the child has ended"),
        }
    }

    /// The next line from a child that may work for a long time.
    pub(crate) fn says_in_the_end(&self) -> String {
        self.lines.recv().expect("the child lives")
    }

    /// Waits for exactly this line.
    pub(crate) fn expect(&self, line: &str) {
        assert_eq!(self.says(), line);
    }

    /// Sends a line to the child.
    pub(crate) fn tell(&mut self, line: &str) {
        let input = self.process.stdin.as_mut().expect("its input is piped");
        writeln!(input, "{line}").expect("the child reads");
    }

    pub(crate) fn signal(&self, signal: libc::c_int) {
        let pid = libc::pid_t::try_from(self.pid()).expect("a pid");
        // SAFETY: the child is not reaped yet, so the pid still belongs to it.
        let sent = unsafe { libc::kill(pid, signal) };
        assert_eq!(sent, 0, "the child can be signalled");
    }

    /// `kill -9`, and waits for the exit; nothing else may have ended the child.
    pub(crate) fn kill(&mut self) {
        self.process.kill().expect("the child can be killed");
        let status = self.process.wait().expect("the child can be reaped");
        let killed = status.signal() == Some(libc::SIGKILL);
        assert!(killed, "the child had already ended: {status}");
    }

    /// Whether the child has exited.
    pub(crate) fn has_ended(&mut self) -> bool {
        let status = self.process.try_wait().expect("the child can be asked");
        status.is_some()
    }

    /// Waits until the child has exited; ignores its remaining lines.
    pub(crate) fn end(mut self) -> ExitStatus {
        drop(self.process.stdin.take());
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => panic!("the child does not end"),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.process.wait().expect("the child can be reaped")
    }

    /// Waits until the child has exited with success.
    pub(crate) fn succeeds(self) {
        let status = self.end();
        assert!(status.success(), "the child ended with {status}");
    }

    /// Whether the child is stopped, as after SIGSTOP.
    pub(crate) fn is_stopped(&self) -> bool {
        state(self.pid()) == 'T'
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
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
    // SAFETY: the call changes only this process's own death signal.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
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
