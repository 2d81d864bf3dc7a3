//! `client.c`, which consists of the C code of `layout.md` and uses nothing of quoit: how
//! the tests start it, and the same two endpoints in Rust.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use quoit::{ClaimError, DoorbellKind, PopError, RingOptions, Role};

use super::compiler::{compile, patient, supports};
use super::layout;
use super::traffic::frame;
use super::until;
use crate::common::calls::{Calls, Wait, pop, push};
use crate::common::ends::End as _;
use crate::common::fork::{forked, kill, succeeds, work_as_long_as_the_parent};
use crate::common::names::RingName;
use crate::common::program::Program;
use crate::common::rings::{consumer, producer};
use crate::common::segment_file::{SegmentFile, position};

/// A shape and a doorbell, by the client's names.
#[derive(Debug, Clone, Copy)]
pub(super) struct Variant {
    pub(super) shape: &'static str,
    bell: &'static str,
}

const fn variant(shape: &'static str, bell: &'static str) -> Variant {
    Variant { shape, bell }
}

pub(super) const VARIANTS: [Variant; 4] = [
    variant("records", "futex"),
    variant("frames", "futex"),
    variant("records", "semaphore"),
    variant("frames", "semaphore"),
];

impl Variant {
    pub(super) fn has_frames(self) -> bool {
        self.shape == "frames"
    }

    /// The steps of an endpoint in Rust.
    pub(super) fn steps(self, role: Role, name: &RingName) -> Step {
        match self.has_frames() {
            true => steps::<[u8]>(role, name),
            false => steps::<i64>(role, name),
        }
    }

    /// Creates a ring, by the client or by Rust.
    pub(super) fn create(self, client: Option<&Client>, name: &RingName, first: u64) {
        let capacity = if self.has_frames() { 1024 } else { 64 };
        if let Some(client) = client {
            let [capacity, first] = [capacity, first].map(|number| number.to_string());
            let arguments = ["create", name, self.shape, &capacity, self.bell, &first];
            return assert_eq!(client.does(&arguments), "");
        }
        let doorbell = match self.bell {
            "futex" => DoorbellKind::Futex,
            _ => DoorbellKind::Semaphore,
        };
        let options = RingOptions::new(capacity).first_position(first);
        let options = options.doorbell(doorbell);
        let created = match self.has_frames() {
            true => options.create::<[u8]>(name).map(drop),
            false => options.create::<i64>(name).map(drop),
        };
        created.expect("a ring");
    }
}

/// The program, compiled.
pub(super) struct Client(PathBuf);

impl Client {
    pub(super) fn compiled() -> &'static Self {
        static COMPILED: OnceLock<Client> = OnceLock::new();
        COMPILED.get_or_init(|| Self::compile("client", &code(), &["-O2"]))
    }

    /// That sleeps until a wake.
    pub(super) fn patient() -> Self {
        Self::compile("patient", &patient(&code()), &["-O2"])
    }

    /// Under AddressSanitizer and UndefinedBehaviorSanitizer, if the compiler has them.
    pub(super) fn sanitized() -> Option<Self> {
        let options = [
            "-O1",
            "-g",
            "-fsanitize=address,undefined",
            "-fno-sanitize-recover",
        ];
        supports(&options).then(|| Self::compile("sanitized", &code(), &options))
    }

    fn compile(name: &str, code: &str, options: &[&str]) -> Self {
        Self(compile(name, code, options).expect("client.c can be compiled"))
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

    /// Runs a command; returns its output, or its error.
    pub(super) fn does(&self, arguments: &[&str]) -> String {
        let ended = self.start(arguments).end();
        let said = match ended.code {
            Some(0) => ended.said(),
            _ => &ended.errors,
        };
        said.trim_end().to_owned()
    }
}

fn code() -> String {
    include_str!("client.c").replace("#include \"layout.c\"", &layout::c())
}

/// What the client calls the work of a role.
pub(super) fn verb(role: Role) -> &'static str {
    match role {
        Role::Producer => "produce",
        Role::Consumer => "consume",
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
        role: Role,
        name: &RingName,
        variant: Variant,
        last: u64,
    ) -> Self {
        if let Some(client) = client {
            let arguments = [verb(role), name, variant.shape, &last.to_string()];
            return Self::C(client.attached(&arguments));
        }
        let file = SegmentFile::open(&name.file());
        let state = || file.read(128 + position(role));
        let before = state();
        let pid = forked(|| {
            work_as_long_as_the_parent();
            endpoint(variant.steps(role, name), last);
        });
        until("it attaches", || state() | 1 != before | 1);
        Self::Rust(pid)
    }

    pub(super) fn pid(&self) -> u32 {
        match self {
            Self::C(program) => program.pid(),
            Self::Rust(pid) => *pid as u32,
        }
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
        position.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) as i64
    }
}

impl Placed for [u8] {
    fn at(position: u64) -> (u32, Vec<u8>) {
        (position as u32, frame(position))
    }
}

/// Moves one message, or none if the peer has left; returns the position.
pub(super) type Step = Box<dyn FnMut(Wait) -> u64>;

/// The steps of an endpoint in Rust.
fn steps<T: Placed + ?Sized>(role: Role, name: &RingName) -> Step {
    let options = RingOptions::default().spin(Duration::ZERO);
    let ring = options.open::<T>(name).expect("a ring");
    if role == Role::Producer {
        let mut producer = producer(&ring);
        return Box::new(move |wait| {
            let message = T::at(producer.position());
            match push::<T>(&mut producer, &message, wait) {
                Err(ClaimError::Abandoned) => {}
                pushed => pushed.expect("there is room"),
            }
            producer.position()
        });
    }
    let mut consumer = consumer(&ring);
    Box::new(move |wait| {
        let expected = T::at(consumer.position());
        match pop::<T>(&mut consumer, wait) {
            Err(PopError::Abandoned) => {}
            popped => assert_eq!(popped, Ok(expected)),
        }
        consumer.position()
    })
}

/// Continues to the last position, also when peers are killed.
fn endpoint(mut step: Step, last: u64) {
    let (mut number, mut before) = (0_u64, None);
    loop {
        let position = step(Wait::Forever);
        if last.wrapping_sub(position) as i64 <= 0 {
            return;
        }
        number += 1;
        // Until another peer comes, or to let the peer sleep.
        if before.replace(position) == Some(position) {
            thread::sleep(Duration::from_millis(1));
        } else if number % 256 == 0 {
            thread::sleep(Duration::from_micros(number / 256 % 128));
        }
    }
}
