//! The examples with a socket on one side.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};

use super::common::PATIENCE;
use super::common::names::RingName;
use super::example::{Example, wait_until};
use super::wait_for_head;

/// Names in /dev/shm with this prefix.
fn left(prefix: &str) -> usize {
    let left = fs::read_dir("/dev/shm").expect("shared memory");
    let names = left.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.filter(|name| name.starts_with(prefix)).count()
}

/// The port in a server's first line.
fn port(line: &str) -> &str {
    let (_, rest) = line.split_once("127.0.0.1:").expect("an address");
    let end = rest.find(|digit: char| !digit.is_ascii_digit());
    &rest[..end.unwrap_or(rest.len())]
}

#[test]
fn datagrams_are_echoed_by_another_process() {
    let example = Example::start("udp_echo", &["--datagrams", "500"]);
    let process = example.pid();
    example.says("Hello, UDP Server!\n500 datagrams echoed by another process");
    assert_eq!(left(&format!("quoit-udp-echo-{process}-")), 0);
}

#[test]
fn an_echo_server_serves_until_a_signal_stops_it() {
    for signal in [libc::SIGINT, libc::SIGTERM] {
        let mut server = Example::start("udp_echo", &["server", "--port", "0"]);
        let line = server.line();
        let port = port(&line);
        for text in ["Hello, UDP Server!", "again", ""] {
            Example::start("udp_echo", &["client", "--port", port, text]).says(text);
        }
        let process = server.pid();
        server.signal(signal);
        server.dies_saying(signal, "stopped; 0 datagrams found no room");
        assert_eq!(left(&format!("quoit-udp-echo-{process}-")), 0);
    }
}

#[test]
fn clients_wait_for_a_slow_drain_and_lose_nothing() {
    let example = Example::start("tcp_gateway", &["--lines", "30000"]);
    let process = example.pid();
    let ended = example.end();
    assert_eq!((ended.code, ended.errors.as_str()), (Some(0), ""));
    let (first, last) = ended.output.trim_end().split_once('\n').expect("two lines");
    let waiting = first.strip_suffix(" lines written, then the clients had to wait");
    let waiting: u64 = waiting.and_then(|count| count.parse().ok()).expect(first);
    assert!((1..120_000).contains(&waiting), "they had to wait");
    let all = "120000 lines of 4 connections, each in order, none lost";
    assert_eq!(last, all);
    assert_eq!(left(&format!("quoit-tcp-gateway-{process}")), 0);
}

#[test]
fn a_gateway_serves_until_a_signal_stops_it() {
    let ring = RingName::new("gateway");
    let serve = ["serve", "--port", "0", "--name", ring.as_str()];
    let mut gateway = Example::start("tcp_gateway", &serve);
    let line = gateway.line();
    let port: u16 = port(&line).parse().expect("a port");
    for client in 0..3 {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("it accepts");
        for number in 0..100 {
            writeln!(stream, "{client} {number}").expect("the gateway reads");
        }
    }
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("it accepts");
    // A line that is too long ends its own connection only.
    stream.write_all(&[b'x'; 5000]).expect("it is read");
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
    let closed = stream.read(&mut [0]).map_err(|error| error.kind());
    assert!(matches!(closed, Ok(0) | Err(ErrorKind::ConnectionReset)));
    let drain = Example::start("tcp_gateway", &["drain", "--name", ring.as_str()]);
    // Three hundred frames of 16 bytes.
    wait_for_head(&ring, 300 * 16);
    gateway.signal(libc::SIGTERM);
    let ended = gateway.end();
    assert_eq!(ended.code, Some(143));
    assert!(ended.errors.contains("the line is too long"), "{ended:?}");
    drain.says("300 lines of 3 connections, each in order, none lost");
    assert!(!ring.file().exists());
}

#[test]
fn interrupted_network_examples_leave_nothing() {
    let endless = [
        ("udp_echo", "quoit-udp-echo", ["--datagrams", "1000000000"]),
        (
            "tcp_gateway",
            "quoit-tcp-gateway",
            ["--lines", "1000000000"],
        ),
    ];
    for (example, prefix, arguments) in endless {
        for signal in [libc::SIGINT, libc::SIGTERM] {
            let example = Example::start(example, &arguments);
            let prefix = format!("{prefix}-{}", example.pid());
            wait_until("there is a ring", || left(&prefix) > 0);
            example.signal(signal);
            let ended = example.end();
            assert_eq!(ended.code, Some(128 + signal), "{ended:?}");
            assert!(ended.errors.contains("interrupted"), "{ended:?}");
            assert_eq!(left(&prefix), 0);
        }
    }
}

#[test]
fn the_network_examples_have_help_texts() {
    for (example, option) in [("udp_echo", "--datagrams"), ("tcp_gateway", "--lines")] {
        let help = Example::start(example, &["--help"]).end();
        assert!(help.output.contains(option), "{help:?}");
        let refused = Example::start(example, &[option, "many"]).end();
        assert_ne!(refused.code, Some(0), "{refused:?}");
    }
}
