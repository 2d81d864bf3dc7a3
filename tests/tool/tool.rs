//! The tool as a process.

use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;

use serde_json::Value;
use tempfile::TempDir;

use crate::common::PATIENCE;
use crate::common::child::code_of;

/// A file in a directory, as an argument.
pub(crate) fn file_in(directory: &TempDir, name: &str) -> String {
    let path = directory.path().join(name);
    path.into_os_string().into_string().expect("UTF-8")
}

/// A running tool. Killed and reaped when the test is over, however it ends.
pub(crate) struct Tool(Option<Child>);

/// How the tool has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// As [`code_of`] has it.
    pub(crate) code: Option<i32>,
    pub(crate) output: Vec<u8>,
    pub(crate) errors: String,
}

impl Tool {
    pub(crate) const PATH: &str = env!("CARGO_BIN_EXE_quoit");

    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::start_on(Stdio::piped(), arguments)
    }

    pub(crate) fn start_on(output: Stdio, arguments: &[&str]) -> Self {
        Self::start_command(output, Command::new(Self::PATH).args(arguments))
    }

    /// Something that becomes the tool.
    pub(crate) fn start_program(program: &str, arguments: &[&str]) -> Self {
        Self::start_command(Stdio::piped(), Command::new(program).args(arguments))
    }

    pub(crate) fn start_command(output: Stdio, command: &mut Command) -> Self {
        // Also if this test ignores it, as after `nohup`.
        let hears_hangups = || {
            // SAFETY: no handler is set.
            unsafe { libc::signal(libc::SIGHUP, libc::SIG_DFL) };
            Ok(())
        };
        // SAFETY: what runs between fork and exec makes one syscall.
        unsafe { command.pre_exec(hears_hangups) };
        let child = command
            .stdin(Stdio::piped())
            .stdout(output)
            .stderr(Stdio::piped())
            .spawn();
        Self(Some(child.expect("the tool starts")))
    }

    /// Runs the tool with this input to its end.
    pub(crate) fn run(arguments: &[&str], input: &[u8]) -> Ended {
        let mut tool = Self::start(arguments);
        tool.feed(input);
        tool.end()
    }

    fn child(&mut self) -> &mut Child {
        self.0.as_mut().expect("it has not ended")
    }

    /// Writes to its input, which stays open.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        let input = self.child().stdin.as_mut().expect("its input is piped");
        // A tool that refuses its arguments reads nothing.
        let _ = input.write_all(bytes);
    }

    /// Reads its output until this comes; all of it since the last time.
    pub(crate) fn reads_until(&mut self, wanted: &str) -> String {
        let output = self.child().stdout.as_mut().expect("its output is piped");
        let mut text = Vec::new();
        while !String::from_utf8_lossy(&text).contains(wanted) {
            let mut byte = [0];
            let mut ready = libc::pollfd {
                fd: output.as_raw_fd(),
                events: libc::POLLIN,
                revents: 0,
            };
            // SAFETY: there is one descriptor, and it outlives the call.
            let found = unsafe { libc::poll(&raw mut ready, 1, PATIENCE.as_millis() as i32) };
            assert_eq!(found, 1, "the tool does not say {wanted}");
            output.read_exact(&mut byte).expect("more output");
            text.push(byte[0]);
        }
        String::from_utf8(text).expect("text")
    }

    /// Closes the other end of its output.
    pub(crate) fn stop_reading(&mut self) {
        drop(self.child().stdout.take());
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.as_ref().expect("it has not ended").id()
    }

    pub(crate) fn signal(&self, signal: libc::c_int) {
        let pid = libc::pid_t::try_from(self.pid()).expect("a pid");
        // SAFETY: the child is ours and not reaped, so the pid is still its.
        let sent = unsafe { libc::kill(pid, signal) };
        assert_eq!(sent, 0, "the tool can be signalled");
    }

    /// `kill -9`, and waits for the death; what it had said by then.
    pub(crate) fn kill(mut self) -> Vec<u8> {
        let alive = self.child().try_wait().expect("a child").is_none();
        assert!(alive, "the tool had ended by itself");
        self.signal(libc::SIGKILL);
        self.end().output
    }

    /// Closes its input, and waits until it has ended by itself.
    pub(crate) fn end(mut self) -> Ended {
        let pid = self.pid();
        let child = self.0.take().expect("it has not ended");
        let (sender, ended) = mpsc::channel();
        thread::spawn(move || sender.send(child.wait_with_output()));
        let Ok(output) = ended.recv_timeout(PATIENCE) else {
            // SAFETY: no call has reaped the child, for which a thread waits.
            unsafe { libc::kill(pid as libc::pid_t, libc::SIGKILL) };
            panic!("the tool does not end");
        };
        let output = output.expect("the tool can be waited for");
        Ended {
            code: code_of(output.status),
            output: output.stdout,
            errors: String::from_utf8(output.stderr).expect("text"),
        }
    }
}

impl Drop for Tool {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Ended {
    /// It has ended well, and quietly; its output.
    pub(crate) fn quietly(self) -> Vec<u8> {
        assert_eq!((self.code, self.errors.as_str()), (Some(0), ""));
        self.output
    }

    /// As [`quietly`](Self::quietly), as text.
    pub(crate) fn text(self) -> String {
        String::from_utf8(self.quietly()).expect("text")
    }

    /// It has ended with this code, and said why.
    pub(crate) fn with(self, code: i32, why: &str) {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert!(self.errors.contains(why), "{self:?}");
        assert!(!self.errors.contains("panic"), "{self:?}");
    }

    /// What it said on standard error, as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.errors).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}
