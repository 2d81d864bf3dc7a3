//! `metrics --listen`: what it serves is what it prints.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use rustix::net::sockopt::set_socket_recv_buffer_size;
use rustix::net::{AddressFamily, SocketType, connect, socket};
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};

use crate::common::threads::while_repeating;
use crate::tool::*;

/// A server for these rings, and its address.
fn served(rings: &str) -> (Program, String) {
    let mut server = start(&["metrics", "--listen", "127.0.0.1:0", rings]);
    let said = server.line();
    let address = said.strip_prefix("listening at http://");
    let address = address.and_then(|address| address.strip_suffix("/metrics"));
    let address = address.unwrap_or_else(|| panic!("{said}")).to_owned();
    (server, address)
}

/// A client that has sent its request.
fn asked(address: &str, request: &str) -> TcpStream {
    let mut client = TcpStream::connect(address).expect("it listens");
    client.write_all(request.as_bytes()).expect("it reads");
    client
}

pub(crate) fn metrics_are_served() {
    let (name, ring) = ring::<u64>("metrics", 64);
    let mut producer = ring.producer().expect("a role");
    let (server, address) = served(&name);
    let address = &*address;
    let ask = |request: &str| {
        let mut answer = String::new();
        let mut client = asked(address, request);
        client.read_to_string(&mut answer).expect("text");
        answer
    };
    let get = |accept: &str| ask(&format!("GET /metrics HTTP/1.1\r\nHost: x\r\n{accept}\r\n"));
    let plain = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4";
    let answer = get("");
    assert!(
        answer.starts_with(plain) && answer.ends_with(&says(&["metrics", &name])),
        "{answer}"
    );
    producer.push(5).expect("room");
    let answer = get("Accept: application/openmetrics-text; version=1.0.0\r\n");
    has(&answer, "Content-Type: application/openmetrics-text");
    let moved = "quoit_last_move_timestamp_seconds{ring=";
    has(&answer, format!("{moved}\"{name}\",role=\"producer\"}} 1"));
    assert!(answer.ends_with("# EOF\n"));
    // A connection that sends nothing delays no other one for long.
    let silent = TcpStream::connect(address).expect("it listens");
    for (request, status) in [
        ("GET /metrics HTTP/1.1\r\n\r\n", plain),
        ("GET /other HTTP/1.1\r\n\r\n", "HTTP/1.1 404 "),
        ("POST /metrics HTTP/1.1\r\n\r\n", "HTTP/1.1 405 "),
        ("\x01\r\n\r\n", "HTTP/1.1 400 "),
    ] {
        has(&ask(request), status);
    }
    drop(silent);
    run(&["metrics", "--listen", address], b"").with(1, "could not listen at");
    server.ends_by(libc::SIGTERM);
    assert_eq!(unread(&name), 1);
}

/// Another process may take all descriptors of the system, for a time.
pub(crate) fn a_server_answers_when_it_has_descriptors_again() {
    let (name, ring) = ring::<u64>("exhausted", 64);
    let (server, address) = served(&name);
    let mut producer = ring.producer().expect("a role");
    producer.push(5).expect("room");
    let pid = Pid::from_raw(server.pid() as i32);
    let limit = |current| {
        let maximum = getrlimit(Resource::Nofile).maximum;
        prlimit(pid, Resource::Nofile, Rlimit { current, maximum }).expect("a limit");
    };
    // It looks at the rings once a second.
    thread::sleep(Duration::from_millis(1500));
    limit(Some(3));
    thread::sleep(Duration::from_millis(1500));
    let mut client = asked(&address, "GET /metrics HTTP/1.1\r\n\r\n");
    thread::sleep(Duration::from_millis(300));
    until("it does not try all the time", || is_asleep(server.pid()));
    limit(getrlimit(Resource::Nofile).current);
    let mut answer = String::new();
    client.read_to_string(&mut answer).expect("text");
    has(&answer, "HTTP/1.1 200 OK");
    has(&answer, format!("_timestamp_seconds{{ring=\"{name}\""));
    server.ends_by(libc::SIGTERM);
}

pub(crate) fn a_client_that_reads_slowly_is_given_up() {
    // The answer has the path in each line, and is more than the kernel keeps for a client.
    let directory = file_directory();
    let mut deep = directory.path().to_owned();
    while deep.as_os_str().len() < 3300 {
        deep.push("x".repeat(200));
    }
    fs::create_dir_all(&deep).expect("a directory");
    for number in 0..90 {
        let name = deep.join(number.to_string());
        RingOptions::new(64).create::<[u8]>(name).expect("a ring");
    }
    let (server, address) = served(deep.join("*").to_str().expect("UTF-8"));
    let get = "GET /metrics HTTP/1.1\r\n\r\n";
    let slow = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
    // Before it is connected: it is to have room for little, and for a little more soon.
    set_socket_recv_buffer_size(&slow, 4096).expect("a size");
    let to: SocketAddr = address.parse().expect("an address");
    connect(&slow, &to).expect("it listens");
    let mut slow = TcpStream::from(slow);
    slow.write_all(get.as_bytes()).expect("it reads");
    let read_a_little = || {
        // Also when all that was sent is read.
        let _ = slow.read(&mut [0; 1024]);
        thread::sleep(Duration::from_millis(100));
    };
    let answer = while_repeating(read_a_little, || {
        let mut other = asked(&address, get);
        other.set_read_timeout(Some(PATIENCE)).expect("a time");
        let mut answer = Vec::new();
        other.read_to_end(&mut answer).map(|_| answer.len())
    });
    assert!(answer.expect("an answer") > 4 << 20);
    server.ends_by(libc::SIGTERM);
}
