//! Rings and bridges of a test, removed at its end.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use quoit::{FrameConsumer, FrameProducer, Observer, RingOptions};

use crate::server::{HANG, Server, die_with_us, signal};

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// The name of a ring, which is unlinked at the end.
pub(crate) struct Name(pub(crate) String);

impl Name {
    pub(crate) fn new(of: &str) -> Self {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Self(format!("quoit-nats-{}-{number}-{of}", std::process::id()))
    }

    pub(crate) fn journal(&self) -> PathBuf {
        PathBuf::from(format!("/dev/shm/{}.nats", self.0))
    }

    /// How much is unread.
    pub(crate) fn unread(&self) -> u64 {
        observer(self).positions().len()
    }
}

impl Name {
    /// Removes the name; the processes that have the ring keep it.
    pub(crate) fn unlink(&self) {
        let _ = fs::remove_file(Path::new("/dev/shm").join(&self.0));
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        self.unlink();
        let _ = fs::remove_file(self.journal());
    }
}

/// A bridge, killed at the end.
pub(crate) struct Bridge {
    child: Child,
    errors: PathBuf,
}

impl Bridge {
    /// `quoit-nats` with these words.
    pub(crate) fn start(server: &Server, words: &[&str]) -> Self {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let errors = server.directory().join(format!("bridge-{number}.log"));
        let file = File::create(&errors).expect("a file");
        Self::spawn(server, words, file.into(), errors)
    }

    /// [`start`](Self::start) with a standard error that no process reads.
    pub(crate) fn unread(server: &Server, words: &[&str]) -> Self {
        let (_, writer) = std::io::pipe().expect("a pipe");
        Self::spawn(server, words, writer.into(), PathBuf::new())
    }

    fn spawn(server: &Server, words: &[&str], stderr: Stdio, errors: PathBuf) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_quoit-nats"));
        command
            .args(words)
            .env("NATS_URL", server.url())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(stderr);
        die_with_us(&mut command);
        let child = command.spawn().expect("the bridge starts");
        Self { child, errors }
    }

    pub(crate) fn out(server: &Server, ring: &Name, stream: &str, more: &[&str]) -> Self {
        let subject = format!("{stream}.a");
        let mut words = vec!["out", &ring.0, "--stream", stream, "--subject", &subject];
        words.extend(more);
        Self::start(server, &words)
    }

    pub(crate) fn inward(server: &Server, ring: &Name, stream: &str, more: &[&str]) -> Self {
        let mut words = vec!["in", &ring.0, "--stream", stream, "--consumer", "far"];
        words.extend(more);
        Self::start(server, &words)
    }

    pub(crate) fn child(&self) -> &Child {
        &self.child
    }

    /// What it has said.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(&self.errors).unwrap_or_default()
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("the bridge is killed");
        self.child.wait().expect("the bridge has ended");
    }

    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("a state").is_some()
    }

    /// Waits until it has said this.
    pub(crate) fn wait_for(&mut self, text: &str) {
        eventually(text, || self.said().contains(text));
    }

    /// Waits for its end by an error; what it said.
    pub(crate) fn fails(mut self) -> String {
        eventually("the bridge ends", || self.has_ended());
        let status = self.child.wait().expect("a status");
        assert_eq!(status.code(), Some(1), "{}", self.said());
        self.said()
    }

    /// Ends it by SIGTERM.
    pub(crate) fn stop(mut self) {
        signal(&self.child, libc::SIGTERM);
        eventually("the bridge ends", || self.has_ended());
        let status = self.child.wait().expect("a status");
        assert_eq!(status.code(), Some(0), "{}", self.said());
    }

    /// How many descriptors are open.
    pub(crate) fn descriptors(&self) -> u64 {
        let folder = fs::read_dir(format!("/proc/{}/fd", self.child.id()));
        folder.expect("the descriptors").count() as u64
    }

    /// Allows it 8 descriptors more than it has; how many these are.
    pub(crate) fn limit_descriptors(&self) -> u64 {
        let most = self.descriptors() + 8;
        let limit = libc::rlimit {
            rlim_cur: most,
            rlim_max: most,
        };
        let (pid, kind) = (self.child.id() as i32, libc::RLIMIT_NOFILE);
        // SAFETY: the new limit is valid during the call, and the old one is not asked for.
        let set = unsafe { libc::prlimit(pid, kind, &limit, std::ptr::null_mut()) };
        assert_eq!(set, 0, "the limit is set");
        most
    }

    /// A number of /proc/PID/status, in KiB.
    pub(crate) fn memory(&self, field: &str) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let text = fs::read_to_string(path).expect("the status");
        let line = text.lines().find_map(|line| line.strip_prefix(field));
        let number = line.and_then(|rest| rest.trim_start_matches(':').split_whitespace().next());
        number
            .and_then(|number| number.parse().ok())
            .expect("a number")
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("a bridge said:\n{}", self.said());
        }
    }
}

/// Waits until this is so; an event decides, the time is against hangs.
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < HANG, "not within {HANG:?}: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A place for metrics at which no process listens.
pub(crate) fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address")
}

/// The metrics, as a scraper gets them.
pub(crate) fn metrics(address: SocketAddr) -> String {
    let mut text = String::new();
    eventually("metrics", || TcpStream::connect(address).is_ok());
    let mut socket = TcpStream::connect(address).expect("a connection");
    socket
        .write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        .expect("a request");
    socket.read_to_string(&mut text).expect("an answer");
    text
}

/// A counter of a ring that goes in this direction.
pub(crate) fn count(address: SocketAddr, name: &str, ring: &Name, direction: &str) -> u64 {
    let text = metrics(address);
    let ring = &ring.0;
    let line = format!("quoit_nats_{name}_total{{ring=\"{ring}\",direction=\"{direction}\"}}");
    let value = text.lines().find_map(|found| found.strip_prefix(&line));
    let value = value.and_then(|rest| rest.trim().parse().ok());
    value.unwrap_or_else(|| panic!("no line {line} in\n{text}"))
}

pub(crate) fn far_ring(name: &Name, capacity: u64) -> FrameConsumer {
    let ring = RingOptions::new(capacity).open_or_create::<[u8]>(&name.0);
    ring.expect("a ring").consumer().expect("the consumer")
}

pub(crate) fn near_ring(name: &Name, capacity: u64) -> FrameProducer {
    let ring = RingOptions::new(capacity).open_or_create::<[u8]>(&name.0);
    ring.expect("a ring").producer().expect("the producer")
}

pub(crate) fn observer(name: &Name) -> Observer {
    Observer::open(&name.0).expect("the ring")
}
