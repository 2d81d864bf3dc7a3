//! An endpoint of the matrix in Rust. `peer.c` and `peer.cpp` take the same arguments, and
//! move the same messages: `peer ROLE SHAPE WAY WAIT KIND NAME COUNT`.
//!
//! - ROLE `produce` or `consume`, SHAPE `records` or `frames`, WAY `copied` or `in-place`
//! - WAIT `awake` spins, `asleep` parks at once, pauses sometimes, and produces the
//!   second half when its standard input ends
//! - KIND `once` moves COUNT messages and sees its peer close; `takeover` continues where
//!   another one was killed, to position COUNT: the position decides what a message is
//!
//! Ends with 0, with 3 if the ring is corrupt (and says which field), with 1 for everything else.

use std::process::ExitCode;
use std::time::Duration;

use quoit::{
    ClaimError, Consumer, FrameConsumer, FrameProducer, PopError, Producer, PushError, Ring,
    RingOptions, WaitStrategy,
};
use zerocopy::{FromBytes, Immutable, IntoBytes};

const PATIENCE: Duration = Duration::from_secs(20);
const TAG: &str = "matrix/1";
/// Of frames that another process may continue.
const FIXED: usize = 24;

#[derive(Clone, Copy, Debug, PartialEq, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct Record {
    number: u64,
    words: [u64; 4],
}

fn mix(number: u64) -> u64 {
    let product = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    product ^ product >> 29
}

fn record(number: u64) -> Record {
    Record {
        number,
        words: [1, 2, 3, 4].map(|salt| mix(number.wrapping_add(salt))),
    }
}

struct Args {
    produces: bool,
    frames: bool,
    in_place: bool,
    asleep: bool,
    takeover: bool,
    name: String,
    count: u64,
}

impl Args {
    fn read() -> Self {
        let args: Vec<_> = std::env::args().skip(1).collect();
        let [role, shape, way, wait, kind, name, count] = args.try_into().expect("seven arguments");
        Self {
            produces: role == "produce",
            frames: shape == "frames",
            in_place: way == "in-place",
            asleep: wait == "asleep",
            takeover: kind == "takeover",
            name,
            count: count.parse().expect("a number"),
        }
    }

    fn ring<T: quoit::Shape + ?Sized>(&self) -> Ring<T> {
        let options = RingOptions::default().schema_tag(TAG);
        let options = if self.asleep {
            options
                .wait_strategy(WaitStrategy::Park)
                .spin(Duration::ZERO)
        } else {
            options.wait_strategy(WaitStrategy::Spin)
        };
        options.open(&self.name).expect("the ring is there")
    }

    fn len(&self, number: u64) -> usize {
        if self.takeover {
            FIXED
        } else {
            8 + (mix(number) % 120) as usize
        }
    }

    fn frame(&self, number: u64, bytes: &mut [u8]) {
        bytes[..8].copy_from_slice(&number.to_le_bytes());
        for (index, byte) in bytes.iter_mut().enumerate().skip(8) {
            *byte = (number as usize + index) as u8;
        }
    }

    /// Lets the peer get ahead, and so to sleep.
    fn pause(&self, number: u64) {
        if self.asleep && self.produces && !self.takeover && number == self.count / 2 {
            std::io::copy(&mut std::io::stdin(), &mut std::io::sink()).expect("an input");
        }
        let every = if self.produces { 61 } else { 257 };
        if self.asleep && number % every == 0 {
            std::thread::sleep(Duration::from_micros(100));
        }
    }

    /// The number of the message at a position, in a ring that was taken over.
    fn number(&self, position: u64) -> u64 {
        match (self.takeover, self.frames) {
            (false, _) => 0,
            (true, false) => position,
            (true, true) => position / (FIXED as u64 + 8),
        }
    }

    /// Fails if these are not all messages.
    fn are_all(&self, number: u64) -> Result<(), Failure> {
        (number == self.count)
            .then_some(())
            .ok_or_else(|| other(number))
    }
}

enum Failure {
    Corrupt(quoit::Corrupt),
    Other(String),
}

fn other(what: impl std::fmt::Debug) -> Failure {
    Failure::Other(format!("{what:?}"))
}

fn failure(corruption: Option<quoit::Corrupt>, error: impl std::fmt::Debug) -> Failure {
    corruption.map_or_else(|| other(error), Failure::Corrupt)
}

fn produce_records(args: &Args, mut end: Producer<Record>) -> Result<(), Failure> {
    let mut number = args.number(end.position());
    while number < args.count {
        if args.in_place {
            match end.claim_timeout(PATIENCE) {
                Ok(mut claim) => {
                    claim.write(record(number));
                    claim.commit();
                    number += 1;
                    args.pause(number);
                }
                Err(ClaimError::Abandoned) if args.takeover => {
                    wait(|| end.wait_for_peer_timeout(PATIENCE))?
                }
                Err(error) => return Err(failure(end.corruption(), error)),
            }
            continue;
        }
        match end.push_timeout(record(number), PATIENCE) {
            Ok(()) => {
                number += 1;
                args.pause(number);
            }
            Err(PushError::Abandoned(_)) if args.takeover => {
                wait(|| end.wait_for_peer_timeout(PATIENCE))?
            }
            Err(error) => return Err(failure(end.corruption(), error)),
        }
    }
    Ok(())
}

fn consume_records(args: &Args, mut end: Consumer<Record>) -> Result<(), Failure> {
    let mut number = args.number(end.position());
    let expected = |number, found: Record| {
        (found == record(number))
            .then_some(())
            .ok_or_else(|| other((number, found)))
    };
    while number < args.count || !args.takeover {
        let found = if args.in_place {
            end.peek_timeout(PATIENCE).map(|peek| {
                let found = peek.read();
                peek.release();
                found
            })
        } else {
            end.pop_timeout(PATIENCE)
        };
        match found {
            Ok(found) => {
                expected(number, found)?;
                number += 1;
                args.pause(number);
            }
            Err(PopError::Abandoned) if !args.takeover => break,
            Err(PopError::Abandoned) => wait(|| end.wait_for_peer_timeout(PATIENCE))?,
            Err(error) => return Err(failure(end.corruption(), error)),
        }
    }
    args.are_all(number)
}

fn produce_frames(args: &Args, mut end: FrameProducer) -> Result<(), Failure> {
    let mut number = args.number(end.position());
    let mut bytes = [0; 256];
    while number < args.count {
        let bytes = &mut bytes[..args.len(number)];
        args.frame(number, bytes);
        let kind = mix(number) as u32;
        let pushed = if args.in_place {
            end.claim_timeout(bytes.len(), PATIENCE).map(|mut claim| {
                claim.copy_from_slice(bytes);
                claim.set_kind(kind);
                claim.commit();
            })
        } else {
            end.push_kind_timeout(kind, bytes, PATIENCE)
        };
        match pushed {
            Ok(()) => {
                number += 1;
                args.pause(number);
            }
            Err(ClaimError::Abandoned) if args.takeover => {
                wait(|| end.wait_for_peer_timeout(PATIENCE))?
            }
            Err(error) => return Err(failure(end.corruption(), error)),
        }
    }
    Ok(())
}

fn consume_frames(args: &Args, mut end: FrameConsumer) -> Result<(), Failure> {
    let mut number = args.number(end.position());
    let (mut buffer, mut expected) = ([0; 256], [0; 256]);
    while number < args.count || !args.takeover {
        let popped = if args.in_place {
            end.peek_timeout(PATIENCE).map(|frame| {
                let (len, kind) = (frame.copy_to(&mut buffer), frame.kind());
                frame.release();
                (len, kind)
            })
        } else {
            let popped = end.pop_timeout(&mut buffer, PATIENCE);
            popped.map(|popped| (popped.len, popped.kind))
        };
        match popped {
            Ok((len, kind)) => {
                let expected = &mut expected[..args.len(number)];
                args.frame(number, expected);
                if buffer[..len] != *expected || kind != mix(number) as u32 {
                    return Err(other((number, len, kind)));
                }
                number += 1;
                args.pause(number);
            }
            Err(PopError::Abandoned) if !args.takeover => break,
            Err(PopError::Abandoned) => wait(|| end.wait_for_peer_timeout(PATIENCE))?,
            Err(error) => return Err(failure(end.corruption(), error)),
        }
    }
    args.are_all(number)
}

fn wait(wait: impl FnOnce() -> Result<(), quoit::PeerError>) -> Result<(), Failure> {
    wait().map_err(other)
}

fn main() -> ExitCode {
    let args = Args::read();
    let moved = match (args.produces, args.frames) {
        (true, false) => produce_records(
            &args,
            args.ring::<Record>().producer().expect("a free role"),
        ),
        (false, false) => consume_records(
            &args,
            args.ring::<Record>().consumer().expect("a free role"),
        ),
        (true, true) => produce_frames(&args, args.ring::<[u8]>().producer().expect("a free role")),
        (false, true) => {
            consume_frames(&args, args.ring::<[u8]>().consumer().expect("a free role"))
        }
    };
    match moved {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Corrupt(corrupt)) => {
            println!("corrupt {}", corrupt.field);
            ExitCode::from(3)
        }
        Err(Failure::Other(what)) => {
            println!("{what}");
            ExitCode::FAILURE
        }
    }
}
