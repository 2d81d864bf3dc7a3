//! A `nats-server` with a store of its own.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use async_nats::jetstream::{self, Context, stream};
use quoit_nats::async_nats::{self, ConnectOptions};
use tokio::runtime::Runtime;

/// More than any machine needs, against hangs.
pub(crate) const HANG: Duration = Duration::from_secs(60);

pub(crate) struct Server {
    directory: tempfile::TempDir,
    port: u16,
    child: Option<Child>,
    runtime: Runtime,
}

/// A port at which no process listens now.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

/// Has the kernel kill the child with this process.
pub(crate) fn die_with_us(command: &mut Command) {
    let ask = || {
        // SAFETY: the call takes no memory.
        unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
        Ok(())
    };
    // SAFETY: between fork and exec it makes one call, which takes no lock.
    unsafe { command.pre_exec(ask) };
}

pub(crate) fn signal(child: &Child, signal: i32) {
    // SAFETY: the call takes no memory; the child was not waited for, so its pid is its own.
    let sent = unsafe { libc::kill(child.id() as i32, signal) };
    assert_eq!(sent, 0, "the process is there");
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::with_config("")
    }

    /// With lines of its configuration file.
    pub(crate) fn with_config(lines: &str) -> Self {
        Self::in_directory(tempfile::tempdir().expect("a directory"), true, lines)
    }

    /// A server that has no streams.
    pub(crate) fn without_jetstream() -> Self {
        Self::in_directory(tempfile::tempdir().expect("a directory"), false, "")
    }

    fn in_directory(directory: tempfile::TempDir, has_streams: bool, lines: &str) -> Self {
        let port = free_port();
        let store = match has_streams {
            true => format!(
                "jetstream {{ store_dir: \"{}\" }}",
                directory.path().display()
            ),
            false => String::new(),
        };
        let config = format!("listen: \"127.0.0.1:{port}\"\n{store}\n{lines}\n");
        fs::write(directory.path().join("server.conf"), config).expect("a file");
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let mut server = Self {
            directory,
            port,
            child: None,
            runtime,
        };
        server.run();
        server
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Where its streams are.
    pub(crate) fn store(&self) -> PathBuf {
        self.directory().join("jetstream")
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    pub(crate) fn child(&self) -> &Child {
        self.child.as_ref().expect("a server that runs")
    }

    /// Starts it, on the same port and with the same store.
    pub(crate) fn run(&mut self) {
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.directory.path().join("server.log"))
            .expect("a file");
        let mut command = Command::new("nats-server");
        command
            .arg("-c")
            .arg(self.directory.path().join("server.conf"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        die_with_us(&mut command);
        self.child = Some(command.spawn().expect("nats-server starts"));
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(start.elapsed() < HANG, "{}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("server.log")).unwrap_or_default()
    }

    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("the server is killed");
            child.wait().expect("the server has ended");
        }
    }

    /// Runs a task of the test with a connection of its own.
    pub(crate) fn block_on<R>(&self, task: impl AsyncFnOnce(Context) -> R) -> R {
        self.block_on_with(ConnectOptions::new(), task)
    }

    pub(crate) fn block_on_with<R>(
        &self,
        options: ConnectOptions,
        task: impl AsyncFnOnce(Context) -> R,
    ) -> R {
        self.runtime.block_on(async {
            let client = options.connect(self.url()).await.expect("a connection");
            task(jetstream::new(client)).await
        })
    }

    /// A stream of these subjects.
    pub(crate) fn stream(&self, name: &str, subject: &str) {
        self.stream_of(stream::Config {
            name: name.to_owned(),
            subjects: vec![subject.to_owned()],
            ..stream::Config::default()
        });
    }

    pub(crate) fn stream_of(&self, config: stream::Config) {
        self.block_on(async |jetstream| {
            let created = jetstream.create_stream(config).await;
            created.expect("a stream");
        });
    }

    /// How many messages the stream has, and the sequence of the last one.
    pub(crate) fn count(&self, name: &str) -> (u64, u64) {
        self.block_on(async |jetstream| {
            let stream = jetstream.get_stream(name).await.expect("the stream");
            let state = &stream.cached_info().state;
            (state.messages, state.last_sequence)
        })
    }

    /// How many messages the consumer has delivered without an answer, or will deliver.
    pub(crate) fn pending(&self) -> u64 {
        self.block_on(async |jetstream| {
            let stream = jetstream.get_stream("S").await.expect("the stream");
            let info = stream.consumer_info("far").await.expect("the consumer");
            info.num_ack_pending as u64 + info.num_pending
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let log = self.log();
            let from = log.len().saturating_sub(1500);
            eprintln!(
                "the server's log ends with:\n{}",
                log.get(from..).unwrap_or(&log)
            );
        }
    }
}
