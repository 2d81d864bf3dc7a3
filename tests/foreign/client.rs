//! `client.c`, which consists of the C code of `layout.md` and uses nothing of quoit: how
//! the tests start it, and the same two endpoints in Rust.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use quoit::{ClaimError, DoorbellKind, PopError, RingOptions};

use super::compiler::{compile, supports};
use super::layout;
use super::traffic::frame;
use crate::common::calls::{Calls, Wait, pop, push};
use crate::common::clock;
use crate::common::ends::End as _;
use crate::common::fork::{forked, kill, succeeds, work_as_long_as_the_parent};
use crate::common::names::RingName;
use crate::common::program::{Ended, Program};
use crate::common::rings::{consumer, producer};
use crate::common::segment_file::{HEAD, SegmentFile, TAIL};

/// A shape and a doorbell, and the client's names for them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Variant {
    pub(super) frames: bool,
    pub(super) doorbell: DoorbellKind,
}

const fn variant(frames: bool, doorbell: DoorbellKind) -> Variant {
    Variant { frames, doorbell }
}

pub(super) const VARIANTS: [Variant; 4] = [
    variant(false, DoorbellKind::Futex),
    variant(true, DoorbellKind::Futex),
    variant(false, DoorbellKind::Semaphore),
    variant(true, DoorbellKind::Semaphore),
];

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
        let code = include_str!("client.c").replace("#include \"layout.c\"", &layout::c());
        Self(compile(name, &code, options).expect("client.c can be compiled"))
    }

    pub(super) fn start(&self, arguments: &[&str]) -> Program {
        Program::start(Command::new(&self.0).args(arguments))
    }

    /// An endpoint that has its role.
    pub(super) fn attached(&self, arguments: &[&str]) -> Program {
        let mut program = self.start(arguments);
        assert_eq!(program.line(), "attached");
        program
    }

    pub(super) fn run(&self, arguments: &[&str]) -> Ended {
        self.start(arguments).end()
    }

    /// Runs a command; returns its output, or its error.
    pub(super) fn does(&self, arguments: &[&str]) -> String {
        let ended = self.run(arguments);
        let said = match ended.code {
            Some(0) => ended.said(),
            _ => &ended.errors,
        };
        said.trim_end().to_owned()
    }
}

/// An endpoint in either language: the client, or a child process.
pub(super) enum End {
    C(Program),
    Rust(libc::pid_t),
}

impl End {
    /// Starts one that continues to the position `until`; returns when it holds the role.
    pub(super) fn start(
        client: Option<&Client>,
        role: &str,
        name: &RingName,
        variant: Variant,
        until: u64,
    ) -> Self {
        if let Some(client) = client {
            let arguments = [role, name, variant.shape(), &until.to_string()];
            return Self::C(client.attached(&arguments));
        }
        let file = SegmentFile::open(&name.file());
        let state = || file.read(128 + if role == "produce" { TAIL } else { HEAD });
        let before = state();
        let pid = forked(|| {
            work_as_long_as_the_parent();
            match variant.frames {
                true => endpoint::<[u8]>(role, name, until),
                false => endpoint::<i64>(role, name, until),
            }
        });
        clock::until("it attaches", || state() | 1 != before | 1);
        Self::Rust(pid)
    }

    pub(super) fn kill(self) {
        match self {
            Self::C(mut program) => program.kill(),
            Self::Rust(pid) => kill(pid),
        }
    }

    /// Waits until it has reached its position and exited.
    pub(super) fn ends(self) {
        match self {
            Self::C(program) => drop(program.end().quietly()),
            Self::Rust(pid) => succeeds(pid),
        }
    }
}

/// A shape whose messages follow from their positions.
trait Placed: Calls {
    fn at(position: u64) -> Self::Message;
}

impl Placed for i64 {
    fn at(position: u64) -> i64 {
        record(position)
    }
}

impl Placed for [u8] {
    fn at(position: u64) -> (u32, Vec<u8>) {
        (position as u32, frame(position))
    }
}

/// The record at a position.
pub(super) fn record(position: u64) -> i64 {
    position.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) as i64
}

/// Continues to the last position, also when peers are killed.
fn endpoint<T: Placed + ?Sized>(role: &str, name: &RingName, until: u64) {
    let is_before = |position: u64| (until.wrapping_sub(position) as i64) > 0;
    let mut number = 0;
    let mut next = || {
        number += 1;
        if number % 256 == 0 {
            thread::sleep(Duration::from_micros(number / 256 % 128)); // lets the peer sleep
        }
    };
    let pause = || thread::sleep(Duration::from_millis(1));
    let options = RingOptions::default().spin(Duration::ZERO);
    let ring = options.open::<T>(name).expect("a ring");
    if role == "produce" {
        let mut producer = producer(&ring);
        while is_before(producer.position()) {
            next();
            let message = T::at(producer.position());
            match push::<T>(&mut producer, &message, Wait::Forever) {
                Err(ClaimError::Abandoned) => pause(),
                pushed => pushed.expect("a consumer comes"),
            }
        }
        return;
    }
    let mut consumer = consumer(&ring);
    while is_before(consumer.position()) {
        next();
        let expected = T::at(consumer.position());
        match pop::<T>(&mut consumer, Wait::Forever) {
            Err(PopError::Abandoned) => pause(),
            popped => assert_eq!(popped, Ok(expected)),
        }
    }
}
