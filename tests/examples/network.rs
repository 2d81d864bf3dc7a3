//! The examples with a socket on one side.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};

use super::common::PATIENCE;
use super::common::names::RingName;
use super::example::*;
use super::wait_for_head;

/// The port in a server's first line.
fn port(line: &str) -> u16 {
    let (_, rest) = line.split_once("127.0.0.1:").expect("an address");
    let port = rest.split(|digit: char| !digit.is_ascii_digit()).next();
    port.and_then(|port| port.parse().ok()).expect("a port")
}

#[test]
fn an_echo_server_serves_until_a_signal_stops_it() {
    for number in [libc::SIGINT, libc::SIGTERM, libc::SIGKILL] {
        let mut server = start("udp_echo server --port 0");
        let port = port(&server.line());
        for text in ["Hello,", "again", ""] {
            let client = run(&format!("udp_echo client --port {port} {text}"));
            client.is(0, &format!("{text}\n"), "");
        }
        let taken = format!("error: port {port}: Address already in use");
        run(&format!("udp_echo server --port {port}")).with(1, &taken);
        let process = server.pid();
        match number {
            libc::SIGKILL => {
                signal(children(process)[0], number);
                server.end().with(1, "error: answer ended with signal: 9");
            }
            _ => {
                server.signal(number);
                let last = "stopped; 0 datagrams found no room\n";
                server.end().is(128 + number, last, "");
            }
        }
        assert!(files_of("udp_echo", process).is_empty());
    }
}

#[test]
fn clients_wait_for_a_slow_drain_and_lose_nothing() {
    let said = run("tcp_gateway --lines 30000").text();
    let (first, last) = said.split_once('\n').expect("two lines");
    let waiting = first.strip_suffix(" lines written, then the clients had to wait");
    let waiting: u64 = waiting.and_then(|count| count.parse().ok()).expect(first);
    assert!((1..120_000).contains(&waiting), "they had to wait");
    assert_eq!(
        last,
        "120000 lines of 4 connections, each in order, none lost\n"
    );
}

#[test]
fn a_gateway_serves_until_a_signal_stops_it() {
    let ring = RingName::new("gateway");
    let mut gateway = end_of(&ring, "tcp_gateway serve --port 0");
    let port = port(&gateway.line());
    let other = end_of(
        &RingName::new("other"),
        &format!("tcp_gateway serve --port {port}"),
    );
    other.end().with(1, &format!("error: port {port}: "));
    let connect = || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("it accepts");
    for client in 0..3 {
        let mut stream = connect();
        for number in 0..100 {
            writeln!(stream, "{client} {number}").expect("the gateway reads");
        }
    }
    let mut stream = connect();
    // A line that is too long ends its own connection only.
    stream.write_all(&[b'x'; 5000]).expect("it is read");
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
    let closed = stream.read(&mut [0]).map_err(|error| error.kind());
    assert!(matches!(closed, Ok(0) | Err(ErrorKind::ConnectionReset)));
    let drain = end_of(&ring, "tcp_gateway drain");
    // Three hundred frames of 16 bytes.
    wait_for_head(&ring, 300 * 16);
    gateway.signal(libc::SIGTERM);
    gateway.end().with(143, "the line is too long");
    let last = "300 lines of 3 connections, each in order, none lost\n";
    drain.end().is(0, last, "");
    assert!(!ring.file().exists());
}
