//! A program as a process: what it is fed, what it says, and how it ends.

use std::fs;
use std::io::{Read, Write};
use std::mem::replace;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::Value;

use super::PATIENCE;
use super::child::{code_of, state};
use super::clock::until;
use super::descriptors::readable;

/// A running program. Dropping it kills and reaps the process.
pub(crate) struct Program(Option<Child>);

/// How a program has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// As [`code_of`] has it.
    pub(crate) code: Option<i32>,
    pub(crate) output: Vec<u8>,
    pub(crate) errors: String,
}

impl Program {
    /// Starts it with a pipe as each of its standard streams.
    pub(crate) fn start(command: &mut Command) -> Self {
        Self::start_on(Stdio::piped(), command)
    }

    pub(crate) fn start_on(output: Stdio, command: &mut Command) -> Self {
        // Also if this test ignores them, as after `nohup` and in the background of a script.
        on_hang_up(command, libc::SIG_DFL);
        let command = command.stdin(Stdio::piped()).stdout(output);
        Self::spawn(command.stderr(Stdio::piped()))
    }

    pub(crate) fn spawn(command: &mut Command) -> Self {
        let started = command.spawn();
        Self(Some(started.unwrap_or_else(|error| {
            panic!("{:?}: {error}; is it built?", command.get_program())
        })))
    }

    pub(crate) fn child(&mut self) -> &mut Child {
        self.0.as_mut().expect("it has not ended")
    }

    /// Writes to its input, which stays open.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        let input = self.child().stdin.as_mut().expect("its input is piped");
        // A program that refuses its arguments reads nothing.
        let _ = input.write_all(bytes);
    }

    /// Reads its output until this comes; all of it since the last time.
    pub(crate) fn reads_until(&mut self, wanted: &str) -> String {
        let mut text = Vec::new();
        while !String::from_utf8_lossy(&text).contains(wanted) {
            let output = self.child().stdout.as_mut().expect("its output is piped");
            wait_for(&*output, wanted);
            let mut byte = [0];
            if output.read(&mut byte).expect("a pipe") == 0 {
                let ended = replace(self, Self(None)).end();
                panic!("it never says {wanted:?}: {ended:?}");
            }
            text.push(byte[0]);
        }
        String::from_utf8(text).expect("text")
    }

    /// The next line of its output.
    pub(crate) fn line(&mut self) -> String {
        self.reads_until("\n").trim_end().to_owned()
    }

    /// Closes the other end of its output.
    pub(crate) fn stop_reading(&mut self) {
        drop(self.child().stdout.take());
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.as_ref().expect("it has not ended").id()
    }

    pub(crate) fn signal(&self, number: libc::c_int) {
        signal(self.pid(), number);
    }

    /// As a terminal does, to which its group is known: the processes that it has started get the
    /// signal, too.
    pub(crate) fn ctrl_c(&self) {
        let group = Pid::from_raw(self.pid() as i32).expect("a process");
        kill_process_group(group, Signal::INT).expect("its group can be signalled");
    }

    /// Sends a signal, and waits until it has ended by that.
    #[track_caller]
    pub(crate) fn ends_by(self, number: libc::c_int) {
        self.signal(number);
        self.end().with(128 + number, "");
    }

    /// `kill -9`, and waits for the exit; nothing else may have ended it.
    #[track_caller]
    pub(crate) fn kill(&mut self) {
        let ended = self.child().try_wait().expect("a child");
        assert_eq!(ended, None, "it has ended by itself");
        self.signal(libc::SIGKILL);
        let status = self.child().wait().expect("a child");
        assert_eq!(status.signal(), Some(libc::SIGKILL), "{status}");
    }

    /// Does this until it has ended, though nothing reads what it writes; its exit code.
    pub(crate) fn ends_while(&mut self, act: impl Fn(&Self)) -> Option<i32> {
        let mut status = None;
        until("it ends", || {
            act(self);
            status = self.child().try_wait().expect("it can be waited for");
            status.is_some()
        });
        status.and_then(code_of)
    }

    /// Closes its input, and waits until it has ended by itself.
    pub(crate) fn end(mut self) -> Ended {
        let pid = self.pid();
        let child = self.0.take().expect("it has not ended");
        let (sender, ended) = mpsc::channel();
        thread::spawn(move || sender.send(child.wait_with_output()));
        let Ok(output) = ended.recv_timeout(PATIENCE) else {
            let command = fs::read_to_string(format!("/proc/{pid}/cmdline"));
            signal(pid, libc::SIGKILL);
            panic!("{command:?} does not end");
        };
        let output = output.expect("the program can be waited for");
        Ended {
            code: code_of(output.status),
            output: output.stdout,
            errors: String::from_utf8(output.stderr).expect("text"),
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Ended {
    /// What it said on standard error, as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.errors).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Its output, as text.
    pub(crate) fn said(&self) -> &str {
        std::str::from_utf8(&self.output).expect("text")
    }

    /// It has ended with this code, and has said exactly this.
    #[track_caller]
    pub(crate) fn is(&self, code: i32, output: &str, errors: &str) {
        let found = (self.code, self.said(), &*self.errors);
        assert_eq!(found, (Some(code), output, errors));
    }

    /// It has ended well, and quietly; its output.
    #[track_caller]
    pub(crate) fn quietly(self) -> Vec<u8> {
        assert_eq!((self.code, self.errors.as_str()), (Some(0), ""));
        self.output
    }

    /// As [`quietly`](Self::quietly), as text.
    #[track_caller]
    pub(crate) fn text(self) -> String {
        String::from_utf8(self.quietly()).expect("text")
    }

    /// It has ended with this code, and said why.
    #[track_caller]
    pub(crate) fn with(self, code: i32, why: &str) {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert!(self.errors.contains(why), "{self:?}");
        assert!(!self.errors.contains("panic"), "{self:?}");
    }
}

/// An output that no process reads.
pub(crate) fn closed() -> Stdio {
    let (ours, theirs) = UnixStream::pair().expect("a socket");
    drop(ours);
    OwnedFd::from(theirs).into()
}

/// Has the command start with what SIGHUP does by default, or with that it is ignored. An interrupt
/// ends it.
pub(crate) fn on_hang_up(command: &mut Command, action: libc::sighandler_t) {
    let set = move || {
        for (number, action) in [(libc::SIGHUP, action), (libc::SIGINT, libc::SIG_DFL)] {
            // SAFETY: no handler is set.
            unsafe { libc::signal(number, action) };
        }
        Ok(())
    };
    // SAFETY: what runs between fork and exec makes two syscalls.
    unsafe { command.pre_exec(set) };
}

/// Waits until there is something to read, or the output is closed.
pub(crate) fn wait_for(output: &impl AsRawFd, wanted: &str) {
    let found = readable(output, PATIENCE);
    assert!(found, "the program does not say {wanted}");
}

/// Sends a signal to a descendant that is not reaped.
pub(crate) fn signal(pid: u32, signal: libc::c_int) {
    let pid = libc::pid_t::try_from(pid).expect("a pid");
    // SAFETY: the process is not reaped, so the pid is still its.
    let sent = unsafe { libc::kill(pid, signal) };
    assert_eq!(sent, 0, "the process can be signalled");
}

/// Stops a child, until SIGCONT.
pub(crate) fn stop(pid: u32) {
    signal(pid, libc::SIGSTOP);
    until("it is stopped", || state(pid) == 'T');
}

/// The processes that this one has started.
pub(crate) fn children(pid: u32) -> Vec<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    let children = children.expect("the kernel tells");
    let pids = children.split_whitespace().map(str::parse);
    pids.collect::<Result<_, _>>().expect("numbers")
}
