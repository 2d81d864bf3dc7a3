//! A server that does not answer, and a ring in which nothing happens.

use std::fs;
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use crate::is_long;
use crate::messages::{payload, take};
use crate::server::{HANG, Server, signal};
use crate::world::{Bridge, Name, count, eventually, far_ring, free_address, near_ring};

/// Memory is bounded by the window, however much is in the ring.
pub(crate) fn a_stopped_server() -> String {
    let server = Server::start();
    let (near, far) = (Name::new("near"), Name::new("far"));
    server.stream("S", "S.>");
    // 256 MiB, and 2 MiB of them in the window.
    let (mut producer, mut consumer) = (near_ring(&near, 1 << 28), far_ring(&far, 1 << 20));
    let words = ["--window", "512", "--window-bytes", "2097152"];
    let out = Bridge::out(&server, &near, "S", &words);
    let inward = Bridge::inward(&server, &far, "S", &["--window", "512"]);
    let mut pushed = 0;
    let mut push = |count: u64| {
        for number in pushed..pushed + count {
            producer
                .push_timeout(&payload(number, 4096), HANG)
                .expect("room");
        }
        pushed += count;
    };
    thread::scope(|scope| {
        let reader = scope.spawn(|| take(&mut consumer, 4000));
        push(4000);
        reader.join().expect("no panic");
    });
    // The ring's pages count as soon as they are touched, so they are taken out.
    let anonymous = |bridge: &Bridge| bridge.memory("RssAnon");
    let before = (anonymous(&out), anonymous(&inward));
    signal(server.child(), libc::SIGSTOP);
    push(30_000); // 120 MiB
    let pause = if is_long() { 60 } else { 6 };
    let mut most = (0, 0);
    for _ in 0..pause {
        thread::sleep(Duration::from_secs(1));
        most.0 = most.0.max(anonymous(&out));
        most.1 = most.1.max(anonymous(&inward));
    }
    assert!(
        near.unread() > 100 << 20,
        "the ring keeps what the server does not take"
    );
    signal(server.child(), libc::SIGCONT);
    let numbers = take(&mut consumer, 30_000);
    assert_eq!(numbers, (4000..34_000).collect::<Vec<_>>());
    eventually("all is released", || near.unread() == 0);
    let grown = (
        most.0.saturating_sub(before.0),
        most.1.saturating_sub(before.1),
    );
    // The window, its headers, and the client's buffers.
    let bound = 8 << 10;
    assert!(grown.0 < bound, "out has grown by {} KiB", grown.0);
    assert!(grown.1 < bound, "in has grown by {} KiB", grown.1);
    format!(
        "\n    server stopped for {pause} s with 120 MiB in the ring: out has {} KiB, {} more than before; \
         in has {} KiB, {} more",
        most.0, grown.0, most.1, grown.1
    )
}

/// How often the threads of a process gave the processor up, and how often it was taken.
fn switches(bridge: &Bridge) -> u64 {
    let tasks = fs::read_dir(format!("/proc/{}/task", bridge.child().id())).expect("threads");
    let mut count = 0;
    for task in tasks.flatten() {
        let Ok(text) = fs::read_to_string(task.path().join("status")) else {
            continue;
        };
        let lines = text
            .lines()
            .filter_map(|line| line.split_once("ctxt_switches:"));
        count += lines
            .map(|(_, number)| number.trim().parse::<u64>().unwrap_or(0))
            .sum::<u64>();
    }
    count
}

/// A bridge that has nothing to do sleeps: it wakes for the check that the peer lives.
pub(crate) fn idle_costs_nothing() -> String {
    let server = Server::start();
    let (near, far) = (Name::new("near"), Name::new("far"));
    server.stream("S", "S.>");
    let (mut producer, mut consumer) = (near_ring(&near, 65536), far_ring(&far, 65536));
    let (out, inward) = (
        Bridge::out(&server, &near, "S", &[]),
        Bridge::inward(&server, &far, "S", &[]),
    );
    producer.push_timeout(&payload(0, 64), HANG).expect("room");
    assert_eq!(take(&mut consumer, 1), [0]);
    eventually("all is released", || near.unread() == 0);
    let measure = |what: &str| {
        thread::sleep(Duration::from_millis(500));
        let before = (switches(&out), switches(&inward));
        thread::sleep(Duration::from_secs(2));
        let (out, inward) = (switches(&out) - before.0, switches(&inward) - before.1);
        // One check a second; a polling loop of 20 ms has 100 in this time.
        assert!(out < 50 && inward < 50, "{what}: out {out}, in {inward}");
        format!("{what}: out {out}, in {inward}")
    };
    let idle = measure("context switches in 2 s, idle");
    // Without a peer, on both sides.
    drop((producer, consumer));
    let left = measure("without peers");
    // The next holder is noticed.
    let (mut producer, mut consumer) = (near_ring(&near, 65536), far_ring(&far, 65536));
    producer.push_timeout(&payload(1, 64), HANG).expect("room");
    assert_eq!(take(&mut consumer, 1), [1]);
    format!("\n    {idle}; {left}")
}

/// Requests for metrics take all descriptors, and the rings do not notice.
pub(crate) fn metrics_without_descriptors() -> String {
    let server = Server::start();
    let (near, address) = (Name::new("near"), free_address());
    server.stream("S", "S.>");
    let mut producer = near_ring(&near, 65536);
    let mut out = Bridge::out(&server, &near, "S", &["--metrics", &address.to_string()]);
    producer.push_timeout(&payload(0, 64), HANG).expect("room");
    eventually("the message is there", || near.unread() == 0);
    let most = out.limit_descriptors();
    let sockets: Vec<_> = (0..most)
        .map_while(|_| TcpStream::connect(address).ok())
        .collect();
    eventually("no descriptor is left", || out.descriptors() >= most);
    producer.push_timeout(&payload(1, 64), HANG).expect("room");
    eventually("the message is there", || near.unread() == 0);
    assert!(!out.has_ended(), "{}", out.said());
    drop(sockets);
    assert_eq!(count(address, "messages", &near, "out"), 2);
    String::new()
}
