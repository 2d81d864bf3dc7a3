//! A TCP server that feeds one ring from many connections; one process drains
//! it. When that process is slow, the ring fills, then the sockets, and then the
//! clients have to wait: nothing is lost, and nothing grows.
//!
//! ```text
//! client ---TCP---\
//! client ---TCP----> gateway ===ring===> drain
//! client ---TCP---/
//! ```

#[path = "common/interrupt.rs"]
mod interrupt;
#[macro_use]
#[path = "common/say.rs"]
mod say;

use std::collections::BTreeMap;
use std::env;
use std::error::Error;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{self, Child, Command, ExitCode};
use std::sync::{Mutex, OnceLock};
use std::thread;
use std::time::Duration;

use clap::{Parser, Subcommand};
use quoit::{ClaimError, FrameProducer, PopError, RingOptions};
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

type Result<R> = std::result::Result<R, Box<dyn Error>>;

/// Bytes of the ring.
const RING: u64 = 1 << 16;
/// Bytes of each socket's buffers, so that clients wait soon.
const SOCKET: usize = 1 << 14;
/// Bytes of the longest line.
const LINE: u64 = 1 << 12;
/// How often a thread that waits checks whether it is to end.
const LOOK: Duration = Duration::from_millis(100);

fn main() -> ExitCode {
    let options = Options::parse();
    let done = match &options.part {
        None => demonstrate(options.clients, options.lines),
        Some(Part::Serve { port, name }) => serve(*port, name),
        Some(Part::Drain { name }) => drain(name),
    };
    match done {
        Ok(()) if interrupt::asked() => interrupt::die(),
        Ok(()) => ExitCode::SUCCESS,
        Err(_) if interrupt::asked() => {
            complain!("interrupted");
            interrupt::die()
        }
        Err(error) => {
            complain!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The ring that all connections write to in turns.
struct Gateway(Mutex<FrameProducer>);

impl Gateway {
    fn open(name: &str) -> Result<Self> {
        let options = RingOptions::new(RING).unlink_on_drop(true);
        let ring = options.open_or_create::<[u8]>(name)?;
        Ok(Self(Mutex::new(ring.producer()?)))
    }

    /// Accepts until `is_over`, then waits for the connections to end.
    fn run(&self, listener: TcpListener, is_over: impl Fn() -> bool) -> Result<()> {
        thread::scope(|scope| {
            while !is_over() {
                match listener.accept() {
                    Ok((stream, from)) => {
                        scope.spawn(move || {
                            if let Err(error) = self.read(stream) {
                                complain!("{from}: {error}");
                            }
                        });
                    }
                    Err(error) if is_temporary(error.kind()) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            drop(listener); // and with it the connections that were not accepted yet
            Ok(())
        })
    }

    /// Puts a connection's lines into the ring. While the ring is full no thread
    /// reads from a socket, so the clients wait.
    fn read(&self, stream: TcpStream) -> Result<()> {
        stream.set_read_timeout(Some(LOOK))?;
        let mut stream = BufReader::new(stream);
        let mut line = Vec::new();
        while !interrupt::asked() {
            let left = LINE - line.len() as u64;
            match (&mut stream).take(left).read_until(b'\n', &mut line) {
                Ok(0) if left > 0 => return Ok(()), // no more lines
                Ok(_) if line.ends_with(b"\n") => {
                    self.push(&line)?;
                    line.clear();
                }
                Ok(_) if line.len() as u64 == LINE => return Err("the line is too long".into()),
                Ok(_) => return Err("the last line has no end".into()),
                Err(error) if is_temporary(error.kind()) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Waits for room, and for a process that makes some.
    fn push(&self, line: &[u8]) -> Result<()> {
        let mut ring = self.0.lock().expect("no thread panics");
        while !interrupt::asked() {
            match ring.push_timeout(line, LOOK) {
                Ok(()) => return Ok(()),
                Err(ClaimError::TimedOut) => {}
                Err(ClaimError::Abandoned) => _ = ring.wait_for_peer_timeout(LOOK),
                Err(error) => return Err(error.into()),
            }
        }
        Err("interrupted".into())
    }
}

fn listen(port: u16) -> Result<TcpListener> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    SockRef::from(&listener).set_recv_buffer_size(SOCKET)?;
    // Of a listener it is the time in which a client must come.
    SockRef::from(&listener).set_read_timeout(Some(LOOK))?;
    Ok(listener)
}

fn is_temporary(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
    )
}

fn serve(port: u16, name: &str) -> Result<()> {
    interrupt::listen()?;
    let gateway = Gateway::open(name)?;
    let listener = listen(port)?;
    let port = listener.local_addr()?.port();
    say!("serving on 127.0.0.1:{port}, ring {name}");
    gateway.run(listener, interrupt::asked)
}

/// Counts each client's lines, `CLIENT NUMBER`, and checks that none is missing.
fn drain(name: &str) -> Result<()> {
    interrupt::listen()?;
    let options = RingOptions::new(RING).unlink_on_drop(true);
    let mut lines = options.open_or_create::<[u8]>(name)?.consumer()?;
    let mut next = BTreeMap::<String, u64>::new();
    let mut line = Vec::new();
    loop {
        match lines.pop_into_timeout(&mut line, LOOK) {
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

/// A process that is killed with this one.
struct Drain(Child);

impl Drop for Drain {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn demonstrate(clients: u64, lines: u64) -> Result<()> {
    interrupt::listen()?;
    let name = format!("quoit-tcp-gateway-{}", process::id());
    let gateway = Gateway::open(&name)?;
    let listener = listen(0)?;
    let port = listener.local_addr()?.port();
    let over = OnceLock::new();
    let is_over = || over.get().is_some() || interrupt::asked();
    let mut drain = thread::scope(|scope| {
        let run = || gateway.run(listener, is_over);
        let serving = scope.spawn(|| run().map_err(|error| error.to_string()));
        let drain = write_and_drain(port, &name, clients, lines);
        over.get_or_init(|| ());
        serving.join().expect("no panic")?;
        drain
    })?;
    drop(gateway); // the drain ends
    if drain.0.wait()?.success() {
        Ok(())
    } else {
        Err("the drain failed".into())
    }
}

/// Starts clients, and the process that drains the ring when they have to wait;
/// returns when everything is written.
fn write_and_drain(port: u16, name: &str, clients: u64, lines: u64) -> Result<Drain> {
    let written = Mutex::new(0);
    thread::scope(|scope| {
        let write = |client| {
            let written = &written;
            let write = move || write(port, client, lines, written);
            scope.spawn(move || write().map_err(|error| error.to_string()))
        };
        let writers: Vec<_> = (0..clients).map(write).collect();
        let waiting = until_writing_stops(&written, clients * lines);
        say!("{waiting} lines written, then the clients had to wait");
        let mut command = Command::new(env::current_exe()?);
        let drain = Drain(command.args(["drain", "--name", name]).spawn()?);
        for writer in writers {
            writer.join().expect("no panic")?;
        }
        Ok(drain)
    })
}

/// A client's lines, counted as they are written.
fn write(port: u16, client: u64, lines: u64, written: &Mutex<u64>) -> Result<()> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    SockRef::from(&stream).set_send_buffer_size(SOCKET)?;
    for number in 0..lines {
        stream.write_all(format!("{client} {number}\n").as_bytes())?;
        *written.lock().expect("no thread panics") += 1;
    }
    Ok(())
}

/// Waits until all lines are written or none is for a while; returns how many.
fn until_writing_stops(written: &Mutex<u64>, all: u64) -> u64 {
    let mut before = 0;
    loop {
        thread::sleep(3 * LOOK);
        let now = *written.lock().expect("no thread panics");
        if now == all || (now == before && now > 0) || interrupt::asked() {
            return now;
        }
        before = now;
    }
}
