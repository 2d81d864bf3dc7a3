//! The tool as a process.

use std::fs;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, TryRecvError};
use std::thread;
use std::time::{Duration, Instant};

use quoit::{FrameConsumer, FrameProducer, Observer, Producer, Ring, RingOptions, Shape};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::Value;
use tempfile::TempDir;

use crate::common::PATIENCE;
use crate::common::child::{code_of, state};
use crate::common::names::RingName;

/// A file in a directory, as an argument.
pub(crate) fn file_in(directory: &TempDir, name: &str) -> String {
    let path = directory.path().join(name);
    path.into_os_string().into_string().expect("UTF-8")
}

/// A ring that no process has opened yet.
pub(crate) fn ring<T: Shape + ?Sized>(name: &str, capacity: u64) -> (RingName, Ring<T>) {
    let name = RingName::new(name);
    let ring = RingOptions::new(capacity).create(&name);
    (name, ring.expect("a ring"))
}

/// A ring of frames, and its producer.
pub(crate) fn frames(name: &str, capacity: u64) -> (RingName, FrameProducer) {
    let (name, ring) = ring::<[u8]>(name, capacity);
    (name, ring.producer().expect("a role"))
}

/// A ring of frames, and its consumer.
pub(crate) fn consumed(name: &str, capacity: u64) -> (RingName, FrameConsumer) {
    let (name, ring) = ring::<[u8]>(name, capacity);
    (name, ring.consumer().expect("a role"))
}

/// A ring of 64 records, and its producer.
pub(crate) fn records(name: &str) -> (RingName, Producer<u64>) {
    let (name, ring) = ring::<u64>(name, 64);
    (name, ring.producer().expect("a role"))
}

/// The text has this part.
#[track_caller]
pub(crate) fn has(text: &str, part: impl AsRef<str>) {
    let part = part.as_ref();
    assert!(text.contains(part), "{part:?} is not in\n{text}");
}

/// The text has nothing of this.
#[track_caller]
pub(crate) fn lacks(text: &str, part: &str) {
    assert!(!text.contains(part), "{part:?} is in\n{text}");
}

/// The first line with this part.
#[track_caller]
pub(crate) fn line<'a>(text: &'a str, part: &str) -> &'a str {
    let line = text.lines().find(|line| line.contains(part));
    line.unwrap_or_else(|| panic!("{part:?} is not in\n{text}"))
}

/// The value has all of these fields.
#[track_caller]
pub(crate) fn is(value: &Value, fields: &Value) {
    for (key, field) in fields.as_object().expect("fields") {
        match field.is_object() {
            true => is(&value[key], field),
            false => assert_eq!(&value[key], field, "{key} of {value}"),
        }
    }
}

/// Runs the tool to its end, which is to be a good one; what it has said.
#[track_caller]
pub(crate) fn says(arguments: &[&str]) -> String {
    Tool::run(arguments, b"").text()
}

#[track_caller]
pub(crate) fn says_json(arguments: &[&str]) -> Value {
    json(&says(arguments))
}

#[track_caller]
pub(crate) fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The only ring of an answer.
#[track_caller]
pub(crate) fn ring_of(arguments: &[&str]) -> Value {
    let report = says_json(arguments);
    assert_eq!(report["version"], 1, "{report}");
    let [ring] = &report["rings"].as_array().expect("rings")[..] else {
        panic!("{report}");
    };
    ring.clone()
}

/// A look of `top`, with these arguments.
#[track_caller]
pub(crate) fn top(arguments: &[&str]) -> String {
    says(&[&["top", "--count", "1", "--interval", "10ms"], arguments].concat())
}

#[track_caller]
pub(crate) fn refuses(arguments: &[&str], code: i32, reason: &str) {
    let ended = Tool::run(arguments, b"");
    assert!(ended.output.is_empty(), "{arguments:?}: {ended:?}");
    ended.with(code, reason);
}

/// A ring with these lines in it, and both roles free.
#[track_caller]
pub(crate) fn send(name: &str, last: u32) {
    Tool::run(&["send", name], &numbers(last)).quietly();
}

#[track_caller]
pub(crate) fn receive(name: &str) -> Vec<u8> {
    Tool::run(&["recv", name], b"").quietly()
}

/// The numbers up to `last` as `seq` writes them.
pub(crate) fn numbers(last: u32) -> Vec<u8> {
    let lines = (1..=last).map(|number| format!("{number}\n"));
    lines.collect::<String>().into_bytes()
}

/// What a ring has unread.
pub(crate) fn unread(name: &RingName) -> u64 {
    let observer = Observer::open(name).expect("a ring");
    observer.positions().len()
}

/// Waits until there is such a ring.
pub(crate) fn observer(name: &RingName) -> Observer {
    wait_until("there is a ring", || Observer::open(name).is_ok());
    Observer::open(name).expect("a ring")
}

/// Pushes frames, each as its number has it, until the rest is done.
pub(crate) fn flood(mut producer: FrameProducer, frame: fn(u64) -> Vec<u8>, rest: impl FnOnce()) {
    let (over, is_over) = mpsc::channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || {
            let mut number = 0;
            while is_over.try_recv() == Err(TryRecvError::Empty) {
                let pushed = producer.push_timeout(&frame(number), Duration::from_millis(10));
                number += u64::from(pushed.is_ok());
            }
        });
        rest();
        drop(over);
    });
}

/// The length of a file, if there is one.
pub(crate) fn length(file: impl AsRef<Path>) -> u64 {
    fs::metadata(file).map_or(0, |file| file.len())
}

pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "it takes too long until {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Sends a signal to a child that is ours and not reaped.
pub(crate) fn signal(pid: u32, signal: libc::c_int) {
    let pid = libc::pid_t::try_from(pid).expect("a pid");
    // SAFETY: the child is not reaped, so the pid is still its.
    let sent = unsafe { libc::kill(pid, signal) };
    assert_eq!(sent, 0, "the child can be signalled");
}

/// The processes that this one has started.
pub(crate) fn children(pid: u32) -> Vec<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    let children = children.expect("the kernel tells");
    let pids = children.split_whitespace().map(str::parse);
    pids.collect::<Result<_, _>>().expect("numbers")
}

/// Stops a child, until SIGCONT.
pub(crate) fn stop(pid: u32) {
    signal(pid, libc::SIGSTOP);
    wait_until("it is stopped", || state(pid) == 'T');
}

/// Has the command start with what SIGHUP does by default, or with that it is ignored.
pub(crate) fn on_hang_up(command: &mut Command, action: libc::sighandler_t) {
    let set = move || {
        // SAFETY: no handler is set.
        unsafe { libc::signal(libc::SIGHUP, action) };
        Ok(())
    };
    // SAFETY: what runs between fork and exec makes one syscall.
    unsafe { command.pre_exec(set) };
}

/// Waits until there is something to read, or the output is closed.
pub(crate) fn wait_for(output: impl AsFd, wanted: &str) {
    let patience = Timespec::try_from(PATIENCE).expect("it is short");
    let found = poll(&mut [PollFd::new(&output, PollFlags::IN)], Some(&patience));
    assert_eq!(found, Ok(1), "the tool does not say {wanted}");
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
        on_hang_up(command, libc::SIG_DFL);
        let command = command.stdin(Stdio::piped()).stdout(output);
        Self::spawn(command.stderr(Stdio::piped()))
    }

    pub(crate) fn spawn(command: &mut Command) -> Self {
        Self(Some(command.spawn().expect("the tool starts")))
    }

    /// Runs the tool with this input to its end.
    pub(crate) fn run(arguments: &[&str], input: &[u8]) -> Ended {
        let mut tool = Self::start(arguments);
        tool.feed(input);
        tool.end()
    }

    pub(crate) fn child(&mut self) -> &mut Child {
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
            wait_for(&*output, wanted);
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

    pub(crate) fn signal(&self, number: libc::c_int) {
        signal(self.pid(), number);
    }

    /// Sends a signal, and waits until it has ended by that.
    #[track_caller]
    pub(crate) fn ends_by(self, number: libc::c_int) {
        self.signal(number);
        self.end().with(128 + number, "");
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
            signal(pid, libc::SIGKILL);
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

    /// What it said on standard error, as JSON.
    pub(crate) fn json(&self) -> Value {
        json(&self.errors)
    }
}
