//! A TCP server that feeds one ring from many connections; one process drains it. When that process
//! is slow, the ring fills, then the sockets, and then the clients have to wait: nothing is lost,
//! and no buffer grows.
//!
//! ```text
//! client ---TCP---\
//! client ---TCP----> gateway ===ring===> drain
//! client ---TCP---/
//! ```
//!
//! ```sh
//! cargo run --release --example tcp_gateway
//! cargo run --release --example tcp_gateway -- serve
//! cargo run --release --example tcp_gateway -- drain
//! ```

mod common;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Mutex;
use std::sync::mpsc::{self, Sender};
use std::{iter, thread};

use clap::{Parser, Subcommand};
use common::wait::{is_temporary, push};
use common::{MOMENT, Process, Result, complain, interrupt, say};
use quoit::{FrameProducer, PopError, RingOptions};
use socket2::SockRef;

/// Gathers the lines of many TCP connections in one ring, on the loopback interface
///
/// Without a subcommand: starts a gateway, clients that write until they have to
/// wait, and only then a process that drains the ring and checks every line.
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true, disable_help_subcommand = true)]
struct Options {
    /// How many clients write at once
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=64))]
    clients: u64,
    /// How many lines each of them writes
    #[arg(long, default_value_t = 50_000)]
    lines: u64,
    #[command(subcommand)]
    part: Option<Part>,
}

#[derive(Subcommand)]
enum Part {
    /// Accepts connections until Ctrl-C
    Serve {
        /// The port on 127.0.0.1; 0 for any that is free
        #[arg(long, default_value_t = 7778)]
        port: u16,
        /// The ring's name
        #[arg(long, default_value = "quoit-gateway")]
        name: String,
    },
    /// Counts the lines in a ring until its gateway ends
    Drain {
        /// The ring's name
        #[arg(long, default_value = "quoit-gateway")]
        name: String,
    },
}

/// Bytes of the ring.
const RING: u64 = 1 << 16;
/// Bytes of each socket's buffers, so that clients wait soon.
const SOCKET: usize = 1 << 14;
/// Bytes of the longest line.
const LINE: u64 = 1 << 12;

fn main() {
    common::main(|_| {
        let options = Options::parse();
        match &options.part {
            None => demonstrate(options.clients, options.lines),
            Some(Part::Serve { port, name }) => serve(*port, name),
            Some(Part::Drain { name }) => drain(name),
        }
    });
}

/// The ring that all connections write to in turns.
type Gateway = Mutex<FrameProducer>;

fn gateway(name: &str) -> Result<Gateway> {
    let options = RingOptions::new(RING).unlink_on_drop(true);
    let ring = options.open_or_create::<[u8]>(name)?;
    Ok(Mutex::new(ring.producer()?))
}

/// Accepts this many connections or any, and waits for them to end.
fn gather(ring: &Gateway, listener: TcpListener, connections: Option<u64>) -> Result<()> {
    thread::scope(|scope| {
        let mut accepted = 0;
        while connections.is_none_or(|all| accepted < all) && !interrupt::asked() {
            let (stream, from) = match listener.accept() {
                Err(error) if is_temporary(&error) => continue,
                accepted => accepted?,
            };
            accepted += 1;
            scope.spawn(move || {
                if let Err(error) = read(ring, stream, connections.is_none()) {
                    complain!("{from}: {error}");
                }
            });
        }
        drop(listener); // and with it the connections that were not accepted yet
        Ok(())
    })
}

/// Puts a connection's lines into the ring. While the ring is full no thread
/// reads from a socket, so the clients wait. If it lost its consumer, `waits` for another.
fn read(ring: &Gateway, stream: TcpStream, waits: bool) -> Result<()> {
    stream.set_read_timeout(Some(MOMENT))?;
    let mut stream = BufReader::new(stream);
    let mut line = Vec::new();
    while !interrupt::asked() {
        let left = LINE - line.len() as u64;
        match (&mut stream).take(left).read_until(b'\n', &mut line) {
            Err(error) if is_temporary(&error) => {}
            Err(error) => return Err(error.into()),
            Ok(_) if line.ends_with(b"\n") => {
                push(&mut ring.lock().expect("no thread panics"), &line, waits)?;
                line.clear();
            }
            Ok(_) if line.len() as u64 == LINE => return Err("the line is too long".into()),
            Ok(_) if line.is_empty() => return Ok(()), // no more lines
            Ok(_) => return Err("the last line has no end".into()),
        }
    }
    Ok(())
}

fn listen(port: u16) -> Result<TcpListener> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    let listener = listener.map_err(|error| format!("port {port}: {error}"))?;
    SockRef::from(&listener).set_recv_buffer_size(SOCKET)?;
    // For a listener it is the time in which a client must connect.
    SockRef::from(&listener).set_read_timeout(Some(MOMENT))?;
    Ok(listener)
}

fn serve(port: u16, name: &str) -> Result<()> {
    let ring = gateway(name)?;
    let listener = listen(port)?;
    say!("serving on {}, ring {name}", listener.local_addr()?);
    gather(&ring, listener, None)
}

/// Counts each client's lines, `CLIENT NUMBER`, and checks that none is missing.
fn drain(name: &str) -> Result<()> {
    interrupt::listen()?;
    let options = RingOptions::new(RING).unlink_on_drop(true);
    let mut lines = options.open_or_create::<[u8]>(name)?.consumer()?;
    let mut next = BTreeMap::<String, u64>::new();
    let mut line = Vec::new();
    loop {
        match lines.pop_into_timeout(&mut line, MOMENT) {
            Ok(_kind) => {
                let text = std::str::from_utf8(&line)?.trim_end();
                let (client, number) = text.split_once(' ').ok_or("not a line of a client")?;
                let next = next.entry(client.to_owned()).or_default();
                if number.parse() != Ok(*next) {
                    return Err(format!("client {client}: line {number}, not {next}").into());
                }
                *next += 1;
            }
            Err(PopError::TimedOut) if !interrupt::asked() => {}
            Err(PopError::TimedOut | PopError::Abandoned) => break,
            Err(error) => return Err(error.into()),
        }
    }
    let (clients, lines) = (next.len(), next.values().sum::<u64>());
    say!("{lines} lines of {clients} connections, each in order, none lost");
    Ok(())
}

/// Clients write until they have to wait, and only then another process drains the ring.
fn demonstrate(clients: u64, lines: u64) -> Result<()> {
    let [name] = common::names("tcp-gateway", ["lines"]);
    let ring = gateway(&name)?;
    let listener = listen(0)?;
    let address = listener.local_addr()?;
    let streams = (0..clients).map(|_| TcpStream::connect(address));
    let streams = streams.collect::<Result<Vec<_>, _>>()?;
    let mut drain = thread::scope(|scope| -> Result<_> {
        let gathering = scope.spawn(|| gather(&ring, listener, Some(clients)));
        let (counter, written) = mpsc::channel();
        let write = |(client, stream)| {
            let counter = counter.clone();
            scope.spawn(move || write(stream, client, lines, &counter))
        };
        let writers: Vec<_> = streams.into_iter().enumerate().map(write).collect();
        drop(counter);
        // Until all lines are written, or none is for a while.
        let first = u64::from(written.recv().is_ok());
        let more = iter::from_fn(|| written.recv_timeout(3 * MOMENT).ok());
        let waiting = first + more.count() as u64;
        drop(written);
        say!("{waiting} lines written, then the clients had to wait");
        let mut drain = Process::start(&["drain", "--name", &name])?;
        for writer in writers {
            let written = writer.join().expect("no panic");
            drain.check().and(written)?; // without it the connections end
        }
        gathering.join().expect("no panic")?;
        Ok(drain)
    })?;
    let mut ring = ring.into_inner().expect("no thread panics");
    // Or it would be removed before the drain finds it.
    drain.retry(|| ring.wait_for_peer_timeout(MOMENT))?;
    drop(ring); // the drain ends
    drain.end()
}

/// Writes a client's lines, and counts each.
fn write(mut stream: TcpStream, client: usize, lines: u64, counter: &Sender<()>) -> Result<()> {
    SockRef::from(&stream).set_send_buffer_size(SOCKET)?;
    for number in 0..lines {
        stream.write_all(format!("{client} {number}\n").as_bytes())?;
        let _ = counter.send(()); // it fails when the count is over
    }
    Ok(())
}
