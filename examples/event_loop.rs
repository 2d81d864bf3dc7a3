//! One event loop, three sources: a TCP echo server, and two rings that separate processes fill.
//! The loop is plain `epoll`; mio, tokio and others do the same.

#[path = "common/interrupt.rs"]
mod interrupt;
#[macro_use]
#[path = "common/say.rs"]
mod say;

use std::collections::BTreeMap;
use std::env;
use std::error::Error;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::ops::ControlFlow;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::process::{self, Child, Command, ExitCode};
use std::thread;
use std::time::Duration;

use clap::{Parser, Subcommand};
use quoit::{FrameProducer, PopError, Producer, RingOptions};

/// Serves a TCP listener and two rings in one epoll loop
#[derive(Parser)]
struct Options {
    /// How many ticks to send; there is one order for every ten, and one line to echo
    #[arg(long, default_value_t = 20_000)]
    ticks: u64,
    #[command(subcommand)]
    part: Option<Part>,
}

/// The parts of this program that it starts as processes.
#[derive(Subcommand)]
#[command(hide = true)]
enum Part {
    Ticks { name: String },
    Orders { name: String },
    Client { port: u16 },
}

fn main() -> ExitCode {
    let options = Options::parse();
    let done = match &options.part {
        None => serve(options.ticks),
        Some(Part::Ticks { name }) => send_ticks(name, options.ticks),
        Some(Part::Orders { name }) => send_orders(name, options.ticks / 10),
        Some(Part::Client { port }) => ask(*port, options.ticks / 10),
    };
    match done {
        Ok(()) if interrupt::asked() => interrupt::die(),
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What a ready descriptor is; connections have larger numbers.
const LISTENER: u64 = 0;
const TICKS: u64 = 1;
const ORDERS: u64 = 2;

fn serve(count: u64) -> Result<(), Box<dyn Error>> {
    interrupt::listen()?;
    let options = RingOptions::new(4096).unlink_on_drop(true);
    let name = |what| format!("quoit-event-loop-{}-{what}", process::id());
    let (tick_name, order_name) = (name("ticks"), name("orders"));
    let ticks = options.create::<u64>(&tick_name)?.consumer()?;
    let orders = options.create::<[u8]>(&order_name)?.consumer()?;
    let mut ticks = ticks.into_pollable()?;
    let mut orders = orders.into_pollable()?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    let port = listener.local_addr()?.port().to_string();

    let epoll = Epoll::new()?;
    epoll.add(&listener, LISTENER)?;
    epoll.add(&ticks, TICKS)?;
    epoll.add(&orders, ORDERS)?;
    let _children = [
        start(count, ["ticks", &tick_name])?,
        start(count, ["orders", &order_name])?,
        start(count, ["client", &port])?,
    ];

    let mut connections = BTreeMap::new();
    let (mut tick_count, mut order_count, mut line_count) = (0, 0, 0);
    // The two rings and the client.
    let mut open = 3;
    let mut next = ORDERS;
    while open > 0 && !interrupt::asked() {
        for token in epoll.wait(Duration::from_millis(200))? {
            match token {
                LISTENER => {
                    let (stream, _) = listener.accept()?;
                    stream.set_nonblocking(true)?;
                    next += 1;
                    epoll.add(&stream, next)?;
                    connections.insert(next, Connection::new(stream));
                }
                TICKS => {
                    let mut ring = ticks.get();
                    let before = tick_count;
                    let end = loop {
                        match ring.try_pop() {
                            Ok(number) if number == tick_count => tick_count += 1,
                            Ok(number) => {
                                return Err(format!("tick {number} is out of turn").into());
                            }
                            Err(end) => break end,
                        }
                    };
                    match end {
                        // Ready without a message: has its producer crashed?
                        PopError::Empty if tick_count > before || !ring.is_abandoned() => {}
                        PopError::Empty | PopError::Abandoned => {
                            drop(ring);
                            epoll.remove(&ticks)?;
                            open -= 1;
                        }
                        error => return Err(error.into()),
                    }
                }
                ORDERS => {
                    let mut ring = orders.get();
                    match ring.drain_with(|_order| ControlFlow::Continue(())) {
                        Ok(taken) => order_count += taken,
                        Err(PopError::Empty) if !ring.is_abandoned() => {}
                        Err(PopError::Empty | PopError::Abandoned) => {
                            drop(ring);
                            epoll.remove(&orders)?;
                            open -= 1;
                        }
                        Err(error) => return Err(error.into()),
                    }
                }
                token => {
                    let connection = connections.get_mut(&token).expect("a connection");
                    let (lines, is_open) = connection.echo()?;
                    line_count += lines;
                    if is_open {
                        epoll.set(&connection.stream, token, connection.interest())?;
                    } else {
                        // Its descriptor leaves the epoll when it is closed.
                        connections.remove(&token);
                        open -= 1;
                    }
                }
            }
        }
    }
    say!("one loop: {tick_count} ticks, {order_count} orders, {line_count} lines echoed");
    Ok(())
}

/// A client, and what it has not taken yet.
struct Connection {
    stream: TcpStream,
    unsent: Vec<u8>,
}

impl Connection {
    fn new(stream: TcpStream) -> Self {
        let unsent = Vec::new();
        Self { stream, unsent }
    }

    /// Reads or writes once; returns how many lines arrived, and whether more may.
    fn echo(&mut self) -> io::Result<(usize, bool)> {
        let mut lines = 0;
        if self.unsent.is_empty() {
            let mut buffer = [0; 4096];
            let length = match self.stream.read(&mut buffer) {
                Ok(0) => return Ok((0, false)),
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
                Err(error) => return Err(error),
            };
            self.unsent.extend(&buffer[..length]);
            lines = buffer[..length]
                .iter()
                .filter(|&&byte| byte == b'\n')
                .count();
        }
        match self.stream.write(&self.unsent) {
            Ok(length) => drop(self.unsent.drain(..length)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        Ok((lines, true))
    }

    fn interest(&self) -> libc::c_int {
        if self.unsent.is_empty() {
            libc::EPOLLIN
        } else {
            libc::EPOLLOUT
        }
    }
}

/// Descriptors, level-triggered, each with a number.
struct Epoll(OwnedFd);

impl Epoll {
    fn new() -> io::Result<Self> {
        // SAFETY: the call takes no memory.
        let fd = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        if fd == -1 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor is new, and has no other owner.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    fn add(&self, source: &impl AsRawFd, token: u64) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, source, token, libc::EPOLLIN)
    }

    fn set(&self, source: &impl AsRawFd, token: u64, events: libc::c_int) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_MOD, source, token, events)
    }

    fn remove(&self, source: &impl AsRawFd) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_DEL, source, 0, 0)
    }

    fn control(
        &self,
        operation: libc::c_int,
        source: &impl AsRawFd,
        token: u64,
        events: libc::c_int,
    ) -> io::Result<()> {
        let mut event = libc::epoll_event {
            events: events as u32,
            u64: token,
        };
        let (epoll, source) = (self.0.as_raw_fd(), source.as_raw_fd());
        // SAFETY: the event outlives the call.
        match unsafe { libc::epoll_ctl(epoll, operation, source, &raw mut event) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// The numbers of those that are ready.
    fn wait(&self, timeout: Duration) -> io::Result<Vec<u64>> {
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; 16];
        let (epoll, most) = (self.0.as_raw_fd(), events.len() as libc::c_int);
        let timeout = timeout.as_millis() as libc::c_int;
        // SAFETY: the events live through the call.
        let count = unsafe { libc::epoll_wait(epoll, events.as_mut_ptr(), most, timeout) };
        let Ok(count) = usize::try_from(count) else {
            let error = io::Error::last_os_error();
            let is_signal = error.kind() == ErrorKind::Interrupted;
            return if is_signal {
                Ok(Vec::new())
            } else {
                Err(error)
            };
        };
        Ok(events[..count].iter().map(|event| event.u64).collect())
    }
}

/// A process that fills a ring or talks to the server; it ends with this one.
struct Peer(Child);

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(count: u64, part: [&str; 2]) -> Result<Peer, Box<dyn Error>> {
    let mut command = Command::new(env::current_exe()?);
    let child = command.args(["--ticks", &count.to_string()]).args(part);
    Ok(Peer(child.spawn()?))
}

fn send_ticks(name: &str, count: u64) -> Result<(), Box<dyn Error>> {
    let mut producer = Producer::<u64>::open(name)?;
    for number in 0..count {
        producer.push(number)?;
        if number % 100 == 99 {
            thread::sleep(Duration::from_millis(1));
        }
    }
    Ok(())
}

fn send_orders(name: &str, count: u64) -> Result<(), Box<dyn Error>> {
    let mut producer = FrameProducer::open(name)?;
    for number in 0..count {
        producer.push(format!("buy {number}").as_bytes())?;
        if number % 10 == 9 {
            thread::sleep(Duration::from_millis(1));
        }
    }
    Ok(())
}

/// Sends lines, and checks that each is echoed.
fn ask(port: u16, count: u64) -> Result<(), Box<dyn Error>> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    let mut replies = BufReader::new(stream.try_clone()?);
    for number in 0..count {
        let line = format!("line {number}\n");
        stream.write_all(line.as_bytes())?;
        let mut reply = String::new();
        replies.read_line(&mut reply)?;
        if reply != line {
            return Err(format!("{reply:?} came back for {line:?}").into());
        }
    }
    Ok(())
}
