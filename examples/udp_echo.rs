//! A UDP echo server in two processes, one with the socket and one with the answers: the
//! process that owns the socket puts each datagram into a ring, another process
//! answers it through a second one.
//!
//! ```text
//! client ---UDP---> server ===ring===> answerer
//!        <---UDP---        <===ring===
//! ```
//!
//! ```sh
//! cargo run --release --example udp_echo
//! cargo run --release --example udp_echo -- server
//! cargo run --release --example udp_echo -- client "Hello, UDP Server!"
//! ```

mod common;

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::thread;

use clap::{Parser, Subcommand};
use common::wait::is_temporary;
use common::{MOMENT, Process, Result, interrupt, say};
use quoit::{ClaimError, FrameConsumer, FrameProducer, PopError, RingOptions};

/// Echoes datagrams through a second process, on the loopback interface
///
/// Without a subcommand: starts a server and sends it a greeting and many
/// datagrams, and checks each echo.
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true, disable_help_subcommand = true)]
struct Options {
    /// How many datagrams to send
    #[arg(long, default_value_t = 10_000)]
    datagrams: u64,
    #[command(subcommand)]
    part: Option<Part>,
}

#[derive(Subcommand)]
enum Part {
    /// Serves until Ctrl-C
    Server {
        /// The port on 127.0.0.1; 0 for any that is free
        #[arg(long, default_value_t = 7777)]
        port: u16,
    },
    /// Sends a text and prints the echo
    Client {
        /// The server's port on 127.0.0.1
        #[arg(long, default_value_t = 7777)]
        port: u16,
        #[arg(default_value = "Hello, UDP Server!")]
        text: String,
    },
}

/// How many receive timeouts a datagram may take before it counts as lost.
const PATIENCE: u32 = 50;
/// Bytes of the longest datagram.
const LONGEST: usize = 65_507;
/// Bytes of an address and a port, ahead of a datagram in a frame.
const ADDRESS: usize = 6;

fn main() {
    let names = common::names("udp-echo", ["questions", "answers"]);
    let names = names.each_ref().map(String::as_str);
    common::main(|words| match *words {
        ["serve", questions, answers] => serve(0, [questions, answers]),
        ["answer", questions, answers] => answer(questions, answers),
        _ => {
            let options = Options::parse();
            match options.part {
                None => demonstrate(options.datagrams, names),
                Some(Part::Server { port }) => serve(port, names),
                Some(Part::Client { port, text }) => greet(port, &text),
            }
        }
    });
}

/// The process that answers: it knows rings and no sockets. It ends after the server, also if Ctrl-C
/// goes to both, and then removes the rings.
fn answer(questions: &str, answers: &str) -> Result<()> {
    interrupt::listen()?;
    let options = RingOptions::default().unlink_on_drop(true); // the last one out
    let mut questions = options.open::<[u8]>(questions)?.consumer()?;
    let mut answers = options.open::<[u8]>(answers)?.producer()?;
    let mut frame = Vec::new();
    loop {
        match questions.pop_into(&mut frame) {
            Err(PopError::Abandoned) => return Ok(()),
            popped => popped?,
        };
        answers.push(&frame)?;
    }
}

/// The process with the socket, until a signal stops it.
fn serve(port: u16, [questions, answers]: [&str; 2]) -> Result<()> {
    interrupt::listen()?;
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, port));
    let socket = socket.map_err(|error| format!("port {port}: {error}"))?;
    socket.set_read_timeout(Some(MOMENT))?;
    // Room for at least four of the longest datagrams.
    let options = RingOptions::new(1 << 19).unlink_on_drop(true);
    let asking = options.create::<[u8]>(questions)?.producer()?;
    let mut answered = options.create::<[u8]>(answers)?.consumer()?;
    let mut answerer = Process::start(&["answer", questions, answers])?;
    answerer.retry(|| answered.wait_for_peer_timeout(MOMENT))?;
    say!("serving on {}", socket.local_addr()?);
    let dropped = thread::scope(|scope| {
        let sending = scope.spawn(|| send_answers(answered, &socket));
        // It drops its endpoint, so the answerer ends, and then the thread.
        let dropped = take_questions(&socket, asking, &mut answerer);
        answerer.child.wait()?;
        sending.join().expect("no panic")?;
        dropped
    })?;
    say!("stopped; {dropped} datagrams found no room");
    Ok(())
}

/// From the socket into the ring. Like a socket's own buffer, a full ring drops datagrams.
fn take_questions(socket: &UdpSocket, mut ring: FrameProducer, peer: &mut Process) -> Result<u64> {
    let mut frame = vec![0; ADDRESS + LONGEST];
    let mut dropped = 0;
    while !interrupt::asked() {
        peer.check()?;
        let (len, from) = match socket.recv_from(&mut frame[ADDRESS..]) {
            Err(error) if is_temporary(&error) => continue,
            received => received?,
        };
        let SocketAddr::V4(from) = from else { continue };
        frame[..4].copy_from_slice(&from.ip().octets());
        frame[4..ADDRESS].copy_from_slice(&from.port().to_be_bytes());
        match ring.try_push(&frame[..ADDRESS + len]) {
            Err(ClaimError::Full) => dropped += 1,
            done => done?,
        }
    }
    Ok(dropped)
}

/// From the ring to the socket, until the answerer has closed.
fn send_answers(mut answers: FrameConsumer, socket: &UdpSocket) -> Result<()> {
    let mut answer = Vec::new();
    loop {
        match answers.pop_into(&mut answer) {
            Err(PopError::Abandoned) => return Ok(()),
            popped => popped?,
        };
        let (&[a, b, c, d, high, low], datagram) =
            answer.split_first_chunk().ok_or("no address")?;
        let port = u16::from_be_bytes([high, low]);
        // Like any UDP server, it does not check whether the client still listens.
        let _ = socket.send_to(datagram, SocketAddrV4::new(Ipv4Addr::new(a, b, c, d), port));
    }
}

/// A client's socket.
fn client(port: u16) -> Result<UdpSocket> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.connect((Ipv4Addr::LOCALHOST, port))?;
    socket.set_read_timeout(Some(MOMENT))?;
    Ok(socket)
}

/// Sends a datagram; returns its echo.
fn echo(socket: &UdpSocket, datagram: &[u8]) -> Result<Vec<u8>> {
    socket.send(datagram)?;
    let mut echo = vec![0; LONGEST];
    for _ in 0..PATIENCE {
        interrupt::check()?;
        match socket.recv(&mut echo) {
            Err(error) if is_temporary(&error) => {}
            received => {
                echo.truncate(received?);
                return Ok(echo);
            }
        }
    }
    Err("no echo arrived".into())
}

fn greet(port: u16, text: &str) -> Result<()> {
    let echo = echo(&client(port)?, text.as_bytes())?;
    say!("{}", String::from_utf8_lossy(&echo));
    Ok(())
}

/// A server, a greeting, and datagrams of every length.
fn demonstrate(datagrams: u64, [questions, answers]: [&str; 2]) -> Result<()> {
    let mut server = Process::start_piped(&["serve", questions, answers])?;
    let line = server.line()?;
    let (_, port) = line.rsplit_once(':').ok_or("the server names no port")?;
    let checked = check_echoes(port.parse()?, datagrams);
    server.terminate()?;
    checked?;
    say!("{datagrams} datagrams echoed by another process");
    Ok(())
}

/// One at a time: the client would have to repeat what UDP loses.
fn check_echoes(port: u16, datagrams: u64) -> Result<()> {
    greet(port, "Hello, UDP Server!")?;
    let socket = client(port)?;
    for number in 0..datagrams {
        let datagram = vec![number as u8; (number * 7919) as usize % LONGEST];
        if echo(&socket, &datagram)? != datagram {
            return Err(format!("datagram {number} was echoed with other bytes").into());
        }
    }
    Ok(())
}
