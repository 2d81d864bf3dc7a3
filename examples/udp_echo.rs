//! A UDP echo server in two processes, one with the socket and one with the answers: the
//! process that owns the socket puts each datagram into a ring, another process
//! answers it through a second one.
//!
//! ```text
//! client ---UDP---> server ===ring===> answerer
//!        <---UDP---        <===ring===
//! ```

#[path = "common/interrupt.rs"]
mod interrupt;
#[macro_use]
#[path = "common/say.rs"]
mod say;

use std::env;
use std::error::Error;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::process::{self, Child, Command, ExitCode};
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use clap::{Parser, Subcommand};
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
    #[command(hide = true)]
    Answer { questions: String, answers: String },
}

type Result<R> = std::result::Result<R, Box<dyn Error>>;

/// How many receive timeouts a datagram may take before it counts as lost.
const PATIENCE: u32 = 50;
/// How often a waiting thread checks its stop flag.
const LOOK: Duration = Duration::from_millis(100);
/// Bytes of the longest datagram.
const LONGEST: usize = 65_507;
/// Bytes of an address and a port, ahead of a datagram in a frame.
const ADDRESS: usize = 6;

fn main() -> ExitCode {
    let options = Options::parse();
    let done = match &options.part {
        None => demonstrate(options.datagrams),
        Some(Part::Server { port }) => serve(*port),
        Some(Part::Client { port, text }) => greet(*port, text),
        Some(Part::Answer { questions, answers }) => answer(questions, answers),
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

/// The process that answers: it knows rings and no sockets.
fn answer(questions: &str, answers: &str) -> Result<()> {
    let options = RingOptions::default().unlink_on_drop(true); // the last one out
    let mut questions = options.open::<[u8]>(questions)?.consumer()?;
    let mut answers = options.open::<[u8]>(answers)?.producer()?;
    let mut echo = Vec::new();
    loop {
        let question = match questions.peek() {
            Ok(question) => question,
            Err(PopError::Abandoned) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        echo.clear();
        question.append_to(&mut echo);
        match answers.push(&echo) {
            Ok(()) => question.release(),
            Err(ClaimError::Abandoned) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

/// A server's socket, its endpoints and the process that answers.
struct Server {
    socket: UdpSocket,
    questions: FrameProducer,
    answers: FrameConsumer,
    answerer: Answerer,
}

/// A process that is killed with this one.
struct Answerer(Child);

impl Drop for Answerer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Server {
    fn start(port: u16) -> Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, port))?;
        socket.set_read_timeout(Some(LOOK))?;
        // Room for at least four of the longest datagrams.
        let options = RingOptions::new(1 << 19).unlink_on_drop(true);
        let name = |what| format!("quoit-udp-echo-{}-{what}", process::id());
        let names = [name("questions"), name("answers")];
        let questions = options.create::<[u8]>(&names[0])?.producer()?;
        let answers = options.create::<[u8]>(&names[1])?.consumer()?;
        let mut command = Command::new(env::current_exe()?);
        let answerer = command.arg("answer").args(&names).spawn()?;
        Ok(Self {
            socket,
            questions,
            answers,
            answerer: Answerer(answerer),
        })
    }

    fn port(&self) -> Result<u16> {
        Ok(self.socket.local_addr()?.port())
    }

    /// Moves datagrams until `is_over`; returns how many were dropped.
    fn run(mut self, is_over: impl Fn() -> bool + Sync) -> Result<u64> {
        let ended = OnceLock::new();
        let no_more = || ended.get().is_some();
        thread::scope(|scope| {
            let answering = scope.spawn(|| send_answers(&mut self.answers, &self.socket, no_more));
            let dropped = take_questions(&self.socket, &mut self.questions, is_over);
            drop(self.questions); // the answerer ends
            let status = self.answerer.0.wait();
            ended.get_or_init(|| ()); // and then the thread
            answering.join().expect("no panic")?;
            status?;
            Ok(dropped?)
        })
    }
}

/// From the socket into the ring. Like a socket's own buffer, a full ring drops datagrams.
fn take_questions(
    socket: &UdpSocket,
    questions: &mut FrameProducer,
    is_over: impl Fn() -> bool,
) -> std::result::Result<u64, String> {
    let mut frame = vec![0; ADDRESS + LONGEST];
    let mut dropped = 0;
    while !is_over() {
        let (len, from) = match socket.recv_from(&mut frame[ADDRESS..]) {
            Ok((len, SocketAddr::V4(from))) => (len, from),
            Ok((_, SocketAddr::V6(_))) => continue,
            Err(error) if is_temporary(error.kind()) => continue,
            Err(error) => return Err(error.to_string()),
        };
        frame[..4].copy_from_slice(&from.ip().octets());
        frame[4..ADDRESS].copy_from_slice(&from.port().to_be_bytes());
        match questions.try_push(&frame[..ADDRESS + len]) {
            Ok(()) => {}
            Err(ClaimError::Full) => dropped += 1,
            Err(error) => return Err(error.to_string()),
        }
    }
    Ok(dropped)
}

fn is_temporary(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
    )
}

/// From the ring to the socket.
fn send_answers(
    answers: &mut FrameConsumer,
    socket: &UdpSocket,
    no_more: impl Fn() -> bool,
) -> std::result::Result<(), String> {
    let mut answer = Vec::new();
    loop {
        match answers.pop_into_timeout(&mut answer, LOOK) {
            Ok(_kind) => {}
            Err(PopError::TimedOut) if !no_more() => continue,
            Err(PopError::TimedOut | PopError::Abandoned) => return Ok(()),
            Err(error) => return Err(error.to_string()),
        }
        let (address, datagram) = answer.split_at(ADDRESS);
        let ip = Ipv4Addr::new(address[0], address[1], address[2], address[3]);
        let port = u16::from_be_bytes([address[4], address[5]]);
        // Like any UDP server, it does not check whether the client still listens.
        let _ = socket.send_to(datagram, SocketAddrV4::new(ip, port));
    }
}

fn serve(port: u16) -> Result<()> {
    interrupt::listen()?;
    let server = Server::start(port)?;
    say!("serving on 127.0.0.1:{}", server.port()?);
    let dropped = server.run(interrupt::asked)?;
    say!("stopped; {dropped} datagrams found no room");
    Ok(())
}

/// A client's socket.
fn client(port: u16) -> Result<UdpSocket> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.connect((Ipv4Addr::LOCALHOST, port))?;
    socket.set_read_timeout(Some(LOOK))?;
    Ok(socket)
}

/// The bytes of the next datagram.
fn receive<'a>(socket: &UdpSocket, buffer: &'a mut [u8]) -> Result<&'a [u8]> {
    for _ in 0..PATIENCE {
        match socket.recv(buffer) {
            Ok(len) => return Ok(&buffer[..len]),
            Err(error) if is_temporary(error.kind()) && !interrupt::asked() => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err("no echo arrived".into())
}

fn greet(port: u16, text: &str) -> Result<()> {
    let socket = client(port)?;
    socket.send(text.as_bytes())?;
    let mut echo = vec![0; LONGEST];
    let echo = receive(&socket, &mut echo)?;
    say!("{}", String::from_utf8_lossy(echo));
    Ok(())
}

/// A server, a greeting, and datagrams of every length.
fn demonstrate(datagrams: u64) -> Result<()> {
    interrupt::listen()?;
    let server = Server::start(0)?;
    let port = server.port()?;
    let over = OnceLock::new();
    thread::scope(|scope| {
        let is_over = || over.get().is_some() || interrupt::asked();
        let serving = scope.spawn(move || server.run(is_over).map_err(|error| error.to_string()));
        let checked = check_echoes(port, datagrams);
        over.get_or_init(|| ());
        serving.join().expect("no panic")?;
        checked
    })?;
    say!("{datagrams} datagrams echoed by another process");
    Ok(())
}

/// One at a time: the client would have to repeat what UDP loses.
fn check_echoes(port: u16, datagrams: u64) -> Result<()> {
    greet(port, "Hello, UDP Server!")?;
    let socket = client(port)?;
    let mut echo = vec![0; LONGEST];
    for number in 0..datagrams {
        if interrupt::asked() {
            return Err("interrupted".into());
        }
        let datagram = vec![number as u8; (number * 7919) as usize % LONGEST];
        socket.send(&datagram)?;
        if receive(&socket, &mut echo)? != datagram {
            return Err(format!("datagram {number} was echoed with other bytes").into());
        }
    }
    Ok(())
}
