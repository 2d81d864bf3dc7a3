//! `metrics --listen`: what it serves is what it prints.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::tool::*;

pub(crate) fn metrics_are_served() {
    let (name, ring) = ring::<u64>("metrics", 64);
    let mut producer = ring.producer().expect("a role");
    let mut server = start(&["metrics", "--listen", "127.0.0.1:0", &name]);
    let said = server.line();
    let address = said.strip_prefix("listening at http://");
    let address = address.and_then(|address| address.strip_suffix("/metrics"));
    let address = address.unwrap_or_else(|| panic!("{said}"));
    let ask = |request: &str| {
        let mut client = TcpStream::connect(address).expect("it listens");
        client.write_all(request.as_bytes()).expect("it reads");
        let mut answer = String::new();
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
