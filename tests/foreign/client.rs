//! `client.c`, which consists of the C code of `layout.md` and uses nothing of quoit: how
//! the tests start it, and the same two endpoints in Rust.

use std::fs;
use std::path::PathBuf;
use std::process::{ChildStdin, Command};
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use quoit::{ClaimError, DoorbellKind, PopError, PushError, RingOptions};

use super::compiler::{compile, directory, supports};
use super::layout;
use super::program::Program;
use super::traffic::frame;
use crate::common::child::{Child, hear, say};
use crate::common::names::RingName;

/// A shape and a doorbell, and the client's names for them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Variant {
    pub(super) frames: bool,
    pub(super) doorbell: DoorbellKind,
}

pub(super) const VARIANTS: [Variant; 4] = {
    [
        Variant {
            frames: false,
            doorbell: DoorbellKind::Futex,
        },
        Variant {
            frames: true,
            doorbell: DoorbellKind::Futex,
        },
        Variant {
            frames: false,
            doorbell: DoorbellKind::Semaphore,
        },
        Variant {
            frames: true,
            doorbell: DoorbellKind::Semaphore,
        },
    ]
};

impl Variant {
    pub(super) fn shape(self) -> &'static str {
        if self.frames { "frames" } else { "records" }
    }

    pub(super) fn bell(self) -> &'static str {
        match self.doorbell {
            DoorbellKind::Semaphore => "semaphore",
            _ => "futex",
        }
    }

    /// Slots, or bytes.
    pub(super) fn capacity(self) -> u64 {
        if self.frames { 1024 } else { 64 }
    }

    /// A new ring, created by Rust.
    pub(super) fn create(self, name: &RingName, first: u64) {
        let options = RingOptions::new(self.capacity()).doorbell(self.doorbell);
        let options = options.first_position(first);
        let created = if self.frames {
            options.create::<[u8]>(name).map(drop)
        } else {
            options.create::<i64>(name).map(drop)
        };
        created.expect("a ring");
    }
}

/// The program, compiled.
pub(super) struct Client(PathBuf);

impl Client {
    pub(super) fn compiled() -> &'static Self {
        static COMPILED: OnceLock<Client> = OnceLock::new();
        COMPILED.get_or_init(|| Self::compile("client", &["-O2"]))
    }

    /// Under AddressSanitizer and UndefinedBehaviorSanitizer, if the compiler has them.
    pub(super) fn sanitized() -> Option<Self> {
        let options = [
            "-O1",
            "-g",
            "-fsanitize=address,undefined",
            "-fno-sanitize-recover",
        ];
        supports(&options).then(|| Self::compile("sanitized", &options))
    }

    fn compile(name: &str, options: &[&str]) -> Self {
        let directory = directory(name);
        fs::write(directory.join("layout.c"), layout::c()).expect("a source file");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/foreign/client.c");
        let include = format!("-I{}", directory.display());
        let options: Vec<&str> = options.iter().copied().chain([&*include]).collect();
        let program = directory.join("client");
        compile(source.as_ref(), &program, &options);
        Self(program)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.0);
        command.args(arguments);
        command
    }

    pub(super) fn start(&self, arguments: &[&str]) -> Program {
        Program::start(&mut self.command(arguments))
    }

    pub(super) fn start_with_input(&self, arguments: &[&str]) -> (Program, ChildStdin) {
        Program::start_with_input(&mut self.command(arguments))
    }

    /// Runs a command; returns its output, or its error.
    pub(super) fn does(&self, arguments: &[&str]) -> String {
        let ended = self.start(arguments).ends();
        match ended.code {
            Some(0) => ended.output.trim_end().to_owned(),
            _ => ended.errors.trim_end().to_owned(),
        }
    }
}

/// An endpoint in either language.
pub(super) enum End {
    C(Program),
    Rust(Child),
}

impl End {
    /// Starts one that continues to the position `until`; returns when it holds the role.
    pub(super) fn start(
        client: Option<&Client>,
        role: &str,
        name: &str,
        variant: Variant,
        until: u64,
    ) -> Self {
        let until = until.to_string();
        if let Some(client) = client {
            let mut program = client.start(&[role, name, variant.shape(), &until]);
            program.says(&["attached"]);
            return Self::C(program);
        }
        let part = if role == "produce" {
            "rust_produces"
        } else {
            "rust_consumes"
        };
        let child = Child::start(part, &[name, variant.shape(), &until]);
        child.expect("attached");
        Self::Rust(child)
    }

    pub(super) fn kill(self) {
        match self {
            Self::C(program) => program.kill(),
            Self::Rust(mut child) => child.kill(),
        }
    }

    /// Waits until it has reached its position and exited.
    pub(super) fn ends(self) {
        match self {
            Self::C(program) => {
                let ended = program.ends();
                assert_eq!((ended.code, &*ended.errors), (Some(0), ""));
            }
            Self::Rust(child) => child.succeeds(),
        }
    }
}

/// The record at a position.
pub(super) fn record(position: u64) -> i64 {
    position.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) as i64
}

fn is_before(position: u64, until: u64) -> bool {
    (until.wrapping_sub(position) as i64) > 0
}

fn options() -> RingOptions {
    RingOptions::default().spin(Duration::ZERO)
}

/// The arguments of a part: the ring, whether it holds frames, the last position, and
/// whether each message waits for a line.
struct Orders<'a> {
    name: &'a str,
    frames: bool,
    until: u64,
    steps: bool,
}

impl<'a> Orders<'a> {
    fn read(arguments: &'a [String]) -> Self {
        Self {
            name: &arguments[0],
            frames: arguments[1] == "frames",
            until: arguments[2].parse().expect("a position"),
            steps: arguments.len() > 3,
        }
    }

    /// Waits before each message.
    fn next(&self, number: &mut u64) {
        *number += 1;
        if self.steps {
            hear();
        } else if *number % 256 == 0 {
            thread::sleep(Duration::from_micros(*number / 256 % 128)); // lets the peer sleep
        }
    }
}

/// Produces, also when consumers are killed.
pub(super) fn rust_produces(arguments: &[String]) {
    let orders = Orders::read(arguments);
    let mut number = 0;
    if orders.frames {
        let ring = options().open::<[u8]>(orders.name).expect("a ring");
        let mut producer = ring.producer().expect("the role is free");
        say("attached");
        while is_before(producer.position(), orders.until) {
            orders.next(&mut number);
            let position = producer.position();
            match producer.push_kind(position as u32, &frame(position)) {
                Err(ClaimError::Abandoned) => thread::sleep(Duration::from_millis(1)),
                other => other.expect("a consumer comes"),
            }
        }
    } else {
        let ring = options().open::<i64>(orders.name).expect("a ring");
        let mut producer = ring.producer().expect("the role is free");
        say("attached");
        while is_before(producer.position(), orders.until) {
            orders.next(&mut number);
            match producer.push(record(producer.position())) {
                Err(PushError::Abandoned(_)) => thread::sleep(Duration::from_millis(1)),
                other => other.expect("a consumer comes"),
            }
        }
    }
}

/// Consumes, also when producers are killed.
pub(super) fn rust_consumes(arguments: &[String]) {
    let orders = Orders::read(arguments);
    let mut number = 0;
    if orders.frames {
        let ring = options().open::<[u8]>(orders.name).expect("a ring");
        let mut consumer = ring.consumer().expect("the role is free");
        say("attached");
        let mut bytes = Vec::new();
        while is_before(consumer.position(), orders.until) {
            orders.next(&mut number);
            let position = consumer.position();
            match consumer.pop_into(&mut bytes) {
                Err(PopError::Abandoned) => thread::sleep(Duration::from_millis(1)),
                popped => {
                    assert_eq!(popped, Ok(position as u32), "the kind");
                    assert!(bytes == frame(position), "a wrong frame at {position}");
                }
            }
        }
    } else {
        let ring = options().open::<i64>(orders.name).expect("a ring");
        let mut consumer = ring.consumer().expect("the role is free");
        say("attached");
        while is_before(consumer.position(), orders.until) {
            orders.next(&mut number);
            let position = consumer.position();
            match consumer.pop() {
                Err(PopError::Abandoned) => thread::sleep(Duration::from_millis(1)),
                popped => assert_eq!(popped, Ok(record(position))),
            }
        }
    }
}
