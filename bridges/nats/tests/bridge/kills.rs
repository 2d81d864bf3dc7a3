//! Each message once, and in order, while every process is killed at random moments.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use quoit::FrameProducer;

use crate::is_long;
use crate::messages::{len, payload};
use crate::peer::Progress;
use crate::server::{Server, die_with_us};
use crate::world::{Name, eventually, far_ring, near_ring};

/// How often each process is killed.
#[derive(Clone, Copy)]
struct Kills {
    out: u32,
    inward: u32,
    server: u32,
    consumer: u32,
}

/// A process that is started again when it has ended.
struct Supervised {
    start: Box<dyn Fn() -> Child>,
    child: Child,
    kills: u32,
}

impl Supervised {
    fn new(start: impl Fn() -> Child + 'static) -> Self {
        let child = start();
        let start = Box::new(start);
        Self {
            start,
            child,
            kills: 0,
        }
    }

    /// Starts it again if it has ended by itself; its exit code.
    fn look(&mut self) -> Option<i32> {
        let status = self.child.try_wait().expect("a state")?;
        self.child = (self.start)();
        status.code()
    }

    fn kill(&mut self) {
        self.child.kill().expect("it is killed");
        self.child.wait().expect("it has ended");
        self.kills += 1;
        self.child = (self.start)();
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// From a ring to the server to another ring and its consumer, while each of them dies
/// again and again.
pub(crate) fn exactly_once_under_kills() -> String {
    let (messages, kills) = match is_long() {
        false => (
            30_000,
            Kills {
                out: 8,
                inward: 8,
                server: 4,
                consumer: 4,
            },
        ),
        true => (
            1_000_000,
            Kills {
                out: 200,
                inward: 200,
                server: 20,
                consumer: 50,
            },
        ),
    };
    let mut server = Server::start();
    let (near, far) = (Name::new("near"), Name::new("far"));
    server.stream("S", "S.>");
    let producer = near_ring(&near, 1 << 18);
    drop(far_ring(&far, 1 << 16));
    let file = server.directory().join("progress");
    let log = server.directory().join("log");

    let mut out = Supervised::new(bridge(
        &server,
        &log,
        &[
            "out",
            &near.0,
            "--stream",
            "S",
            "--subject",
            "S.a",
            "--window",
            "256",
        ],
    ));
    let mut inward = Supervised::new(bridge(
        &server,
        &log,
        &[
            "in",
            &far.0,
            "--stream",
            "S",
            "--consumer",
            "far",
            "--window",
            "256",
        ],
    ));
    let mut consumer = Supervised::new(far_consumer(&far, &file, messages));

    let pushed = AtomicU64::new(0);
    let is_over = AtomicBool::new(false);
    let total = kills.out + kills.inward + kills.server + kills.consumer;
    // The messages after which a kill is due; and those that may be pushed before the next
    // one, so that no run is over before its kills, however fast the machine is.
    let due = |done: u32| u64::from(done) * messages / u64::from(total + 1);
    let allowed = AtomicU64::new(due(2));
    let mut random = 0x2545_f491_4f6c_dd1d_u64 ^ u64::from(std::process::id());
    println!("    seed {random:#x}");
    let start = Instant::now();
    let mut server_kills = 0;
    thread::scope(|scope| {
        scope.spawn(|| push_all(producer, messages, &pushed, &allowed, &is_over));
        let mut done = 0;
        let mut stalled = Instant::now();
        let mut last = 0;
        loop {
            let count = Progress::read(&file).count;
            if count > last {
                (last, stalled) = (count, Instant::now());
            }
            if stalled.elapsed() > Duration::from_secs(90) {
                is_over.store(true, Ordering::Relaxed);
                let said = std::fs::read_to_string(&log).unwrap_or_default();
                let from = said.len().saturating_sub(2000);
                let info = server.block_on(async |jetstream| {
                    let stream = jetstream.get_stream("S").await.expect("the stream");
                    let info = stream.consumer_info("far").await.expect("the consumer");
                    format!("{:?} {info:?}", stream.cached_info().state)
                });
                panic!(
                    "nothing has come for 90 s after message {count}, pushed {}, kills {done}; unread: \
                     near {}, far {}\n{info}\n{}",
                    pushed.load(Ordering::Relaxed),
                    near.unread(),
                    far.unread(),
                    &said[from..]
                );
            }
            if count == messages {
                break;
            }
            // Ended by itself: without a server a bridge says so and ends.
            for (process, what) in [(&mut out, "out"), (&mut inward, "in")] {
                if let Some(code) = process.look() {
                    assert_eq!(code, 1, "{what}");
                    thread::sleep(Duration::from_millis(20));
                }
            }
            if let Some(code) = consumer.look() {
                is_over.store(code != 0, Ordering::Relaxed);
                assert_eq!(code, 0, "the far consumer has met a wrong message");
                continue;
            }
            random = next(random);
            thread::sleep(Duration::from_micros(random % 20_000));
            // Spread over the whole run, so that each kill meets processes at work.
            if done == total || count < due(done) {
                continue;
            }
            random = next(random);
            let left = [
                kills.out - out.kills,
                kills.inward - inward.kills,
                kills.server - server_kills,
                kills.consumer - consumer.kills,
            ];
            let mut place = (random >> 16) as u32 % left.iter().sum::<u32>();
            let victim = left.iter().position(|&left| {
                let is_it = place < left;
                place = place.wrapping_sub(left);
                is_it
            });
            match victim {
                Some(0) => out.kill(),
                Some(1) => inward.kill(),
                Some(2) => {
                    server.kill();
                    server.run();
                    server_kills += 1;
                }
                _ => consumer.kill(),
            }
            done += 1;
            let next = if done == total {
                messages
            } else {
                due(done + 2)
            };
            allowed.store(next, Ordering::Relaxed);
        }
        assert_eq!(done, total, "kills before the last message");
    });

    let expected = (0..messages).fold(Progress::default(), |progress, number| {
        progress.with(0, &payload(number, len(number)))
    });
    let found = Progress::read(&file);
    assert_eq!((found.count, found.sum), (expected.count, expected.sum));
    assert_eq!(server.count("S"), (messages, messages), "in the stream");
    eventually("all is released", || near.unread() == 0);
    eventually("all is acknowledged", || server.pending() == 0);
    assert_eq!(far.unread(), 0, "nothing comes after the last message");
    let complaints = complaints(&log);
    format!(
        "\n    {messages} messages exactly once and in order in {:.0} s; killed: out {}, in {}, server \
         {server_kills}, far consumer {}; ended without a server: {complaints}",
        start.elapsed().as_secs_f64(),
        out.kills,
        inward.kills,
        consumer.kills,
    )
}

fn next(mut random: u64) -> u64 {
    random ^= random << 13;
    random ^= random >> 7;
    random ^ random << 17
}

/// Pushes all messages, and waits for room, and until each is allowed.
fn push_all(
    mut producer: FrameProducer,
    messages: u64,
    pushed: &AtomicU64,
    allowed: &AtomicU64,
    is_over: &AtomicBool,
) {
    for number in 0..messages {
        let bytes = payload(number, len(number));
        while number >= allowed.load(Ordering::Relaxed) && !is_over.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(1));
        }
        while !is_over.load(Ordering::Relaxed) {
            let kind = (number % 5) as u32;
            match producer.push_kind_timeout(kind, &bytes, Duration::from_millis(100)) {
                Ok(()) => break,
                Err(quoit::ClaimError::TimedOut) => {}
                // The bridge was killed, and comes again.
                Err(quoit::ClaimError::Abandoned) => {
                    let _ = producer.wait_for_peer_timeout(Duration::from_millis(100));
                }
                Err(error) => panic!("{error}"),
            }
        }
        pushed.store(number + 1, Ordering::Relaxed);
    }
}

fn bridge(server: &Server, log: &Path, words: &[&str]) -> impl Fn() -> Child + use<> {
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    let (url, log) = (server.url(), log.to_path_buf());
    move || {
        let file = std::fs::File::options()
            .create(true)
            .append(true)
            .open(&log);
        let mut command = Command::new(env!("CARGO_BIN_EXE_quoit-nats"));
        command
            .args(&words)
            .env("NATS_URL", &url)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(file.expect("a file"));
        die_with_us(&mut command);
        command.spawn().expect("the bridge starts")
    }
}

fn far_consumer(ring: &Name, file: &Path, messages: u64) -> impl Fn() -> Child + use<> {
    let (ring, file) = (ring.0.clone(), file.to_path_buf());
    move || {
        let mut command = Command::new(std::env::current_exe().expect("this file"));
        command
            .args(["--peer", &ring])
            .arg(&file)
            .arg(messages.to_string())
            .stdin(Stdio::null());
        die_with_us(&mut command);
        command.spawn().expect("the consumer starts")
    }
}

/// How many bridges have ended by themselves: all of them since no server answered.
fn complaints(log: &Path) -> usize {
    let said = std::fs::read_to_string(log).unwrap_or_default();
    let errors: Vec<_> = said
        .lines()
        .filter(|line| line.contains(": error: "))
        .collect();
    for error in &errors {
        let is_expected = error.contains("no connection") || error.contains("does not answer");
        assert!(is_expected, "{error}");
    }
    errors.len()
}
