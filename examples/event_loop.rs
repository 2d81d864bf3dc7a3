//! One event loop, three sources: a TCP echo server, and two rings that another process fills.
//! The loop is plain `epoll`; mio, tokio and others do the same.
//!
//! ```sh
//! cargo run --release --example event_loop
//! ```

mod common;

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::thread;
use std::time::Duration;

use clap::Parser;
use common::message::Message as Tick;
use common::{MOMENT, Process, Result, interrupt, say};
use quoit::{AsyncError, FrameProducer, Producer, RingOptions};
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};

/// Serves a TCP listener and two rings in one epoll loop
#[derive(Parser)]
struct Options {
    /// How many ticks to send; there is one order for every ten, and one line to echo
    #[arg(long, default_value_t = 20_000)]
    ticks: u64,
}

fn main() {
    common::main(|words| match words {
        ["send", ticks, orders, count] => send(ticks, orders, count.parse()?),
        ["client", port, count] => ask(port.parse()?, count.parse()?),
        _ => serve(Options::parse().ticks),
    });
}

/// What a ready descriptor is; clients have larger numbers.
const LISTENER: u64 = 0;
const TICKS: u64 = 1;
const ORDERS: u64 = 2;

fn serve(count: u64) -> Result<()> {
    let [tick_ring, order_ring] = common::names("event-loop", ["ticks", "orders"]);
    let options = RingOptions::new(4096).unlink_on_drop(true);
    let ticks = options.create::<Tick>(&tick_ring)?.consumer()?;
    let orders = options.create::<[u8]>(&order_ring)?.consumer()?;
    let mut ticks = ticks.into_pollable().map_err(AsyncError::from)?;
    let mut orders = orders.into_pollable().map_err(AsyncError::from)?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let port = listener.local_addr()?.port().to_string();

    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    let watch = |source: BorrowedFd<'_>, number| {
        epoll::add(&epoll, source, EventData::new_u64(number), EventFlags::IN)
    };
    let leave = |source: BorrowedFd<'_>, is_over| match is_over {
        true => epoll::delete(&epoll, source).map(|()| 1),
        false => Ok(0),
    };
    watch(listener.as_fd(), LISTENER)?;
    watch(ticks.as_fd(), TICKS)?;
    watch(orders.as_fd(), ORDERS)?;
    let (mut tick_count, mut order_count, mut line_count) = (0, 0, 0);
    let (mut clients, mut next, mut order) = (BTreeMap::new(), ORDERS, Vec::new());
    let (mut events, moment) = (Vec::with_capacity(16), MOMENT.try_into()?);
    let count = count.to_string();
    // The last to be declared: on Ctrl-C they end before their sockets and rings close.
    let [mut sender, mut client] = [
        Process::start(&["send", &tick_ring, &order_ring, &count])?,
        Process::start(&["client", &port, &count])?,
    ];

    let mut rings = 2; // that are not over
    while !interrupt::asked() && (rings > 0 || client.child.try_wait()?.is_none()) {
        sender.check()?; // that has not opened its rings yet, perhaps
        let room = spare_capacity(&mut events);
        if_any(epoll::wait(&epoll, room, Some(&moment)))?;
        for event in events.drain(..) {
            match event.data.u64() {
                LISTENER => {
                    let (stream, _) = listener.accept()?;
                    stream.set_nonblocking(true)?;
                    next += 1;
                    watch(stream.as_fd(), next)?;
                    let unsent = Vec::new();
                    clients.insert(next, Client { stream, unsent });
                }
                TICKS => {
                    let mut ring = ticks.get();
                    // If there is no producer, nothing arrives behind what is read now.
                    let is_over = ring.is_abandoned();
                    while let Some(tick) = if_any(ring.try_pop())? {
                        tick.check(tick_count)?;
                        tick_count += 1;
                    }
                    drop(ring);
                    rings -= leave(ticks.as_fd(), is_over)?;
                }
                ORDERS => {
                    let mut ring = orders.get();
                    let is_over = ring.is_abandoned();
                    while if_any(ring.try_pop_into(&mut order))?.is_some() {
                        order_count += 1;
                    }
                    drop(ring);
                    rings -= leave(orders.as_fd(), is_over)?;
                }
                number => {
                    let client = clients.get_mut(&number).expect("a client");
                    // An error of a client, such as a reset, is the end of that client alone.
                    let Some(lines) = client.echo().unwrap_or_default() else {
                        // Its descriptor leaves the epoll when it is closed.
                        clients.remove(&number);
                        continue;
                    };
                    line_count += lines;
                    let (data, flags) = (EventData::new_u64(number), client.interest());
                    epoll::modify(&epoll, &client.stream, data, flags)?;
                }
            }
        }
    }
    if !interrupt::asked() {
        sender.end()?;
        client.end()?;
    }
    say!("one loop: {tick_count} ticks, {order_count} orders, {line_count} lines echoed");
    Ok(())
}

/// `None` if a call found nothing now: no message, no bytes, or no event before a signal.
fn if_any<T>(done: Result<T, impl Into<io::Error>>) -> io::Result<Option<T>> {
    use io::ErrorKind::{Interrupted, UnexpectedEof, WouldBlock};
    match done.map_err(Into::into) {
        Err(error) if matches!(error.kind(), Interrupted | UnexpectedEof | WouldBlock) => Ok(None),
        done => done.map(Some),
    }
}

/// A client, and what it has not taken yet.
struct Client {
    stream: TcpStream,
    unsent: Vec<u8>,
}

impl Client {
    /// Reads or writes once; returns how many lines arrived, or `None` at their end.
    fn echo(&mut self) -> io::Result<Option<usize>> {
        let mut lines = 0;
        if self.unsent.is_empty() {
            let mut buffer = [0; 4096];
            let read = match if_any(self.stream.read(&mut buffer))? {
                Some(0) => return Ok(None),
                length => &buffer[..length.unwrap_or(0)],
            };
            lines = read.iter().filter(|&&byte| byte == b'\n').count();
            self.unsent.extend(read);
        }
        let sent = if_any(self.stream.write(&self.unsent))?;
        self.unsent.drain(..sent.unwrap_or(0));
        Ok(Some(lines))
    }

    fn interest(&self) -> EventFlags {
        match self.unsent.is_empty() {
            true => EventFlags::IN,
            false => EventFlags::OUT,
        }
    }
}

/// Sends ticks and orders, and rests for a millisecond after each burst.
fn send(ticks: &str, orders: &str, count: u64) -> Result<()> {
    let mut ticks = Producer::<Tick>::open(ticks)?;
    let mut orders = FrameProducer::open(orders)?;
    for number in 0..count {
        ticks.push(Tick::numbered(number))?;
        if number % 10 == 9 {
            orders.push(format!("buy {}", number / 10).as_bytes())?;
        }
        if number % 100 == 99 {
            thread::sleep(Duration::from_millis(1));
        }
    }
    Ok(())
}

/// Sends lines, and checks that each is echoed.
fn ask(port: u16, ticks: u64) -> Result<()> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    let mut replies = BufReader::new(stream.try_clone()?);
    for number in 0..ticks / 10 {
        let line = format!("line {number}\n");
        stream.write_all(line.as_bytes())?;
        let mut reply = String::new();
        replies.read_line(&mut reply)?;
        if reply != line {
            return Err(format!("the reply to {line:?} is {reply:?}").into());
        }
    }
    Ok(())
}
