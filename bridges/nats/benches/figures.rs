//! The bridge compared with `async-nats` alone, on the same messages and the same server:
//! `cargo bench --bench figures`.
//!
//! *alone* publishes the same payloads with the same headers, from memory, and waits for the
//! acknowledgements in a window of the same size; or reads the stream with the same
//! consumer and acknowledges. Runs alternate, and the median of each counts.

use std::collections::VecDeque;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use async_nats::jetstream::consumer::{AckPolicy, pull};
use async_nats::jetstream::{self, Context, stream};
use async_nats::{ConnectOptions, HeaderMap};
use futures_util::StreamExt as _;
use quoit::{FrameConsumer, FrameProducer, Observer, RingOptions};
use quoit_nats::async_nats;

const WINDOW: usize = 1024;
const RUNS: usize = 5;
const HANG: Duration = Duration::from_secs(60);

struct Server {
    child: Child,
    url: String,
    _directory: tempfile::TempDir,
}

impl Server {
    fn start() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        drop(listener);
        let child = Command::new("nats-server")
            .args(["-a", "127.0.0.1", "-p", &port.to_string(), "-js", "-sd"])
            .arg(directory.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nats-server starts");
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(start.elapsed() < HANG, "no server");
            thread::sleep(Duration::from_millis(5));
        }
        Self {
            child,
            url: format!("nats://127.0.0.1:{port}"),
            _directory: directory,
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A ring's name, unlinked at the end.
struct Name(String);

impl Drop for Name {
    fn drop(&mut self) {
        let _ = fs::remove_file(format!("/dev/shm/{}", self.0));
        let _ = fs::remove_file(format!("/dev/shm/{}.nats", self.0));
    }
}

fn name(of: &str) -> Name {
    Name(format!("quoit-nats-figures-{}-{of}", std::process::id()))
}

/// The bridge, killed at the end.
struct Bridge(Child);

impl Bridge {
    fn start(server: &Server, words: &[&str]) -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_quoit-nats"))
            .args(words)
            .arg("--quiet")
            .env("NATS_URL", &server.url)
            .spawn();
        Self(child.expect("the bridge starts"))
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn connect(server: &Server) -> Context {
    let client = ConnectOptions::new().connect(&server.url).await;
    jetstream::new(client.expect("a connection"))
}

async fn new_stream(jetstream: &Context) {
    let _ = jetstream.delete_stream("S").await;
    let config = stream::Config {
        name: "S".to_owned(),
        subjects: vec!["S.>".to_owned()],
        ..stream::Config::default()
    };
    jetstream.create_stream(config).await.expect("a stream");
}

/// The headers that the bridge sends, too.
fn headers(position: u64, previous: u64) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("Nats-Msg-Id", format!("0123456789abcdef:{position}"));
    if position > 0 {
        headers.insert(
            "Nats-Expected-Last-Msg-Id",
            format!("0123456789abcdef:{previous}"),
        );
    }
    headers.insert("Quoit-Position", position.to_string());
    headers.insert("Quoit-Schema", "f253c7f18dd08cee");
    headers.insert("Quoit-Kind", "0");
    headers
}

/// `async-nats` alone: publishes, and waits for the acknowledgements in a window.
async fn publish_alone(jetstream: &Context, payload: &[u8], count: u64) -> Duration {
    let start = Instant::now();
    let mut window = VecDeque::new();
    for number in 0..count {
        let headers = headers(number * 8, number.wrapping_sub(1).wrapping_mul(8));
        let sent = jetstream.publish_with_headers("S.a", headers, payload.to_vec().into());
        window.push_back(sent.await.expect("sent").into_future());
        if window.len() == WINDOW {
            window.pop_front().expect("one").await.expect("stored");
        }
    }
    for acknowledgement in window {
        acknowledgement.await.expect("stored");
    }
    start.elapsed()
}

/// The same from a ring.
fn publish_by_bridge(server: &Server, payload: &[u8], count: u64) -> Duration {
    let ring = name("near");
    let made = RingOptions::new(1 << 24)
        .create::<[u8]>(&ring.0)
        .expect("a ring");
    let mut producer: FrameProducer = made.producer().expect("the producer");
    let _bridge = Bridge::start(
        server,
        &["out", &ring.0, "--stream", "S", "--subject", "S.a"],
    );
    let observer = Observer::open(&ring.0).expect("the ring");
    // One message says that the bridge is there.
    producer.push(payload).expect("room");
    until(|| observer.positions().is_empty());
    let start = Instant::now();
    for _ in 0..count {
        producer.push_timeout(payload, HANG).expect("room");
    }
    until(|| observer.positions().is_empty());
    start.elapsed()
}

fn until(mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < HANG, "nothing happens");
        thread::sleep(Duration::from_micros(200));
    }
}

async fn new_consumer(jetstream: &Context, policy: AckPolicy) -> jetstream::consumer::PullConsumer {
    let stream = jetstream.get_stream("S").await.expect("the stream");
    let _ = stream.delete_consumer("far").await;
    let config = pull::Config {
        durable_name: Some("far".to_owned()),
        ack_policy: policy,
        max_ack_pending: 4 * WINDOW as i64,
        ..pull::Config::default()
    };
    stream.create_consumer(config).await.expect("a consumer")
}

/// `async-nats` alone: reads the whole stream, and acknowledges as often as the bridge.
async fn read_alone(jetstream: &Context, count: u64, policy: AckPolicy) -> Duration {
    let each = if policy == AckPolicy::All { 256 } else { 1 };
    let consumer = new_consumer(jetstream, policy).await;
    let messages = consumer.stream().max_messages_per_batch(WINDOW).messages();
    let mut messages = messages.await.expect("messages");
    let start = Instant::now();
    let mut sum = 0;
    for number in 1..=count {
        let message = messages
            .next()
            .await
            .expect("a message")
            .expect("a message");
        sum += message.payload.len();
        if number % each == 0 || number == count {
            message.ack().await.expect("acknowledged");
        }
    }
    assert!(sum > 0);
    start.elapsed()
}

/// The same into a ring.
fn read_by_bridge(server: &Server, count: u64) -> Duration {
    let ring = name("far");
    let made = RingOptions::new(1 << 24)
        .create::<[u8]>(&ring.0)
        .expect("a ring");
    let mut consumer: FrameConsumer = made.consumer().expect("the consumer");
    let _bridge = Bridge::start(
        server,
        &["in", &ring.0, "--stream", "S", "--consumer", "far"],
    );
    let mut start = None;
    let mut bytes = Vec::new();
    for _ in 0..count {
        bytes.clear();
        consumer
            .pop_into_timeout(&mut bytes, HANG)
            .expect("a frame");
        start.get_or_insert_with(Instant::now);
    }
    start.expect("a message").elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// Prints both, and returns how much of the rate the bridge has.
fn show(what: &str, count: u64, alone: Vec<Duration>, bridge: Vec<Duration>) -> f64 {
    let rate = |time: Duration| count as f64 / time.as_secs_f64() / 1000.0;
    let (alone, bridge) = (rate(median(alone)), rate(median(bridge)));
    let share = bridge / alone;
    println!("{what:40} alone {alone:7.1} k/s   bridge {bridge:7.1} k/s   {share:5.2} of it");
    share
}

fn percentiles(mut times: Vec<Duration>) -> (f64, f64) {
    times.sort();
    let at = |part: f64| times[(times.len() as f64 * part) as usize].as_secs_f64() * 1e6;
    (at(0.5), at(0.99))
}

/// From one client to another, by the stream: one message at a time.
async fn latency_alone(jetstream: &Context, payload: &[u8], count: usize) -> Vec<Duration> {
    new_stream(jetstream).await;
    let consumer = new_consumer(jetstream, AckPolicy::Explicit).await;
    let mut messages = consumer.stream().messages().await.expect("messages");
    let mut times = Vec::new();
    for number in 0..count as u64 {
        let headers = headers(number * 8, number.wrapping_sub(1).wrapping_mul(8));
        let start = Instant::now();
        let sent = jetstream.publish_with_headers("S.a", headers, payload.to_vec().into());
        let sent = sent.await.expect("sent");
        let message = messages
            .next()
            .await
            .expect("a message")
            .expect("a message");
        times.push(start.elapsed());
        sent.await.expect("stored");
        message.ack().await.expect("acknowledged");
        // Until everything sleeps.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    times
}

/// From a ring to another ring, by the stream.
fn latency_by_bridge(server: &Server, payload: &[u8], count: usize) -> Vec<Duration> {
    let (near, far) = (name("near"), name("far"));
    let ring = |name: &Name| {
        RingOptions::new(1 << 16)
            .create::<[u8]>(&name.0)
            .expect("a ring")
    };
    let mut producer = ring(&near).producer().expect("the producer");
    let mut consumer = ring(&far).consumer().expect("the consumer");
    let _out = Bridge::start(
        server,
        &["out", &near.0, "--stream", "S", "--subject", "S.a"],
    );
    let _in = Bridge::start(
        server,
        &["in", &far.0, "--stream", "S", "--consumer", "far"],
    );
    let mut bytes = Vec::new();
    let mut times = Vec::new();
    for number in 0..=count {
        let start = Instant::now();
        producer.push(payload).expect("room");
        bytes.clear();
        consumer
            .pop_into_timeout(&mut bytes, HANG)
            .expect("a frame");
        if number > 0 {
            times.push(start.elapsed());
        }
        thread::sleep(Duration::from_millis(1));
    }
    times
}

fn main() {
    let server = Server::start();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let jetstream = runtime.block_on(connect(&server));
    let mut least = f64::INFINITY;
    for (len, count) in [(64, 100_000_u64), (4096, 20_000)] {
        let payload = vec![0x5a; len];
        let (mut alone, mut bridge) = (Vec::new(), Vec::new());
        let policies = [
            (AckPolicy::Explicit, "acknowledged each"),
            (AckPolicy::All, "acknowledged together"),
        ];
        let mut read = [const { (Vec::new(), Vec::new()) }; 2];
        for _ in 0..RUNS {
            runtime.block_on(new_stream(&jetstream));
            alone.push(runtime.block_on(publish_alone(&jetstream, &payload, count)));
            for ((policy, _), (alone, _)) in policies.iter().zip(&mut read) {
                alone.push(runtime.block_on(read_alone(&jetstream, count, *policy)));
            }
            runtime.block_on(new_stream(&jetstream));
            bridge.push(publish_by_bridge(&server, &payload, count));
            for ((policy, _), (_, bridge)) in policies.iter().zip(&mut read) {
                runtime.block_on(new_consumer(&jetstream, *policy));
                bridge.push(read_by_bridge(&server, count));
            }
        }
        least = least.min(show(
            &format!("{len} bytes, to the stream"),
            count,
            alone,
            bridge,
        ));
        for ((_, how), (alone, bridge)) in policies.iter().zip(read) {
            let what = format!("{len} bytes, from it, {how}");
            least = least.min(show(&what, count, alone, bridge));
        }
        let times = runtime.block_on(latency_alone(&jetstream, &payload, 500));
        let (alone, alone_99) = percentiles(times);
        runtime.block_on(async {
            new_stream(&jetstream).await;
            new_consumer(&jetstream, AckPolicy::Explicit).await;
        });
        let (bridge, bridge_99) = percentiles(latency_by_bridge(&server, &payload, 500));
        println!(
            "{len} bytes, one at a time     alone {alone:.0} us (p99 {alone_99:.0})   ring to ring \
             {bridge:.0} us (p99 {bridge_99:.0})   added {:.0} us",
            bridge - alone
        );
    }
    println!("least share of the throughput: {least:.2}; the aim is 0.90");
}
