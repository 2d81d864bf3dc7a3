//! The memory that a death leaves, copied after each instruction, and how the peer and a
//! restarted endpoint continue with the copy.
//!
//! A copy is a ring that no process holds: its bytes are those of a death at that
//! instruction. Equal copies are checked once.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;

use memmap2::Mmap;
use quoit::{ClaimError, PopError, Ring, Role};

use super::messages::Messages;
use super::stages::{Operation, Stage};
use super::stepper::Stepper;
use crate::common::child::Child;
use crate::common::names::RingName;

/// The results of one operation.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// The number of instructions, each a point of death.
    pub(crate) points: u64,
    /// The number of different memories.
    pub(crate) images: u64,
    /// The faults.
    pub(crate) faults: Vec<String>,
}

/// Steps a child through `operation`, and checks the memory after each instruction.
pub(crate) fn judge<M: Messages>(
    shape: &str,
    ring: impl FnOnce(&RingName),
    operation: Operation,
    stage: Stage,
) -> Outcome {
    let name = RingName::new("stepped");
    ring(&name);
    let Stage { passed, unread, .. } = stage;
    let words = [
        passed,
        unread,
        stage.inline.into(),
        stage.peer_sleeps.into(),
    ]
    .map(|word| word.to_string());
    let [passed, unread, inline, peer_sleeps] = words.each_ref().map(String::as_str);
    let path = name.file();
    let words = [
        path.to_str().expect("a path in UTF-8"),
        shape,
        operation.name,
        passed,
        unread,
        inline,
        peer_sleeps,
    ];
    let mut stepper = Stepper::attach(Child::start("player", &words));
    stepper.begin();
    let file = File::open(name.file()).expect("the segment");
    // SAFETY: it is read while the child is stopped, and no other process writes to it.
    let image = unsafe { Mmap::map(&file) }.expect("the segment");
    let mut copy = Copy::<M>::new(operation, stage);
    let mut outcome = Outcome::default();
    let mut before = Vec::new();
    let mut moved = false;
    loop {
        if image[..] != before {
            outcome.images += 1;
            match copy.judge(&image) {
                Ok(now) if moved && !now => {
                    outcome.faults.push("a position decreased".to_owned());
                }
                Ok(now) => moved = now,
                Err(fault) => outcome.faults.push(fault),
            }
            before = image.to_vec();
        }
        if stepper.is_at_end() {
            break;
        }
        stepper.step();
        outcome.points += 1;
    }
    if outcome.faults.is_empty() && moved != (operation.moves > 0) {
        outcome
            .faults
            .push("the operation was not completed".to_owned());
    }
    stepper.kill();
    outcome
}

/// A file for one copy after the other.
struct Copy<M: Messages> {
    name: RingName,
    operation: Operation,
    stage: Stage,
    image: Vec<u8>,
    messages: std::marker::PhantomData<M>,
}

type Judged<R> = Result<R, String>;
/// An order of the peer's and the restarted endpoint's steps; returns whether the operation has moved its position.
type Order<M> = fn(&Copy<M>) -> Judged<bool>;

impl<M: Messages> Copy<M> {
    fn new(operation: Operation, stage: Stage) -> Self {
        Self {
            name: RingName::new("copy"),
            operation,
            stage,
            image: Vec::new(),
            messages: std::marker::PhantomData,
        }
    }

    /// Whether the operation has moved its position, or the fault.
    fn judge(&mut self, image: &[u8]) -> Judged<bool> {
        self.image = image.to_vec();
        let role = self.operation.role;
        let orders: [(&str, Order<M>); 3] = match role {
            Role::Producer => [
                ("the peer reads first", Self::reads_then_next_holder),
                (
                    "the next holder attaches first",
                    Self::next_holder_then_reads,
                ),
                ("the peer has polled before", Self::polls_then_next_holder),
            ],
            Role::Consumer => [
                ("the peer writes first", Self::writes_then_next_holder),
                (
                    "the next holder attaches first",
                    Self::next_holder_then_writes,
                ),
                ("the peer has polled before", Self::full_then_next_holder),
            ],
        };
        let mut verdicts = Vec::new();
        for (order, judge) in orders {
            let verdict = judge(self).map_err(|fault| format!("{order}: {fault}"))?;
            verdicts.push(verdict);
        }
        if verdicts.iter().all(|&moved| moved == verdicts[0]) {
            Ok(verdicts[0])
        } else {
            Err("the orders disagree".to_owned())
        }
    }

    /// A new ring with these bytes.
    fn ring(&self) -> Judged<Ring<M::T>> {
        let file = self.name.file();
        let _ = fs::remove_file(&file);
        let copy = File::create_new(&file).and_then(|file| file.write_all_at(&self.image, 0));
        copy.map_err(|error| error.to_string())?;
        Ring::open(Path::new(self.name.as_str())).map_err(|error| error.to_string())
    }

    fn producer(&self, ring: &Ring<M::T>) -> Judged<M::Producer> {
        ring.producer().map_err(|error| error.to_string())
    }

    fn consumer(&self, ring: &Ring<M::T>) -> Judged<M::Consumer> {
        ring.consumer().map_err(|error| error.to_string())
    }

    /// The first number that may be unread, and the number after the last.
    fn numbers(&self) -> (u64, u64) {
        let first = self.stage.passed;
        (first, first + self.stage.unread)
    }

    /// Reads the numbers in the ring, from `first` on; returns the number after the last.
    fn read(&self, consumer: &mut M::Consumer, first: u64) -> Judged<u64> {
        let mut next = first;
        loop {
            match M::pop(consumer) {
                Ok(number) if number == next => next += 1,
                Ok(number) => return Err(format!("{number:#x} arrived as {next}")),
                Err(PopError::Empty | PopError::Abandoned) => return Ok(next),
                Err(error) => return Err(error.to_string()),
            }
        }
    }

    /// Pushes numbers from `next` on, until the ring is full; returns the next one.
    fn fill(&self, producer: &mut M::Producer, next: u64) -> Judged<u64> {
        let mut next = next;
        loop {
            match M::push(producer, next) {
                Ok(()) => next += 1,
                Err(ClaimError::Full | ClaimError::Abandoned) => return Ok(next),
                Err(error) => return Err(error.to_string()),
            }
        }
    }

    /// Whether the producer has published, if the messages end at `end`.
    fn published(&self, end: u64) -> Judged<bool> {
        let (_, old) = self.numbers();
        let new = old + self.operation.moves;
        if end == old {
            Ok(false)
        } else if end == new {
            Ok(true)
        } else {
            Err(format!("messages up to {end}, not {old} or {new}"))
        }
    }

    /// Both endpoints exchange messages for several laps.
    fn laps(
        &self,
        producer: &mut M::Producer,
        consumer: &mut M::Consumer,
        next: u64,
    ) -> Judged<()> {
        let mut next = next;
        for _ in 0..3 {
            let full = self.fill(producer, next)?;
            if full == next {
                return Err(format!("no room for {next} in an empty ring"));
            }
            let read = self.read(consumer, next)?;
            if read != full {
                return Err(format!("messages up to {read}, not {full}"));
            }
            next = full;
        }
        // One at a time: these have inline copies.
        for _ in 0..8 {
            M::push(producer, next).map_err(|error| error.to_string())?;
            let read = self.read(consumer, next)?;
            if read != next + 1 {
                return Err(format!("message {next} did not arrive"));
            }
            next = read;
        }
        Ok(())
    }

    fn reads_then_next_holder(&self) -> Judged<bool> {
        let ring = self.ring()?;
        let mut consumer = self.consumer(&ring)?;
        let end = self.read(&mut consumer, self.numbers().0)?;
        let mut producer = self.producer(&ring)?;
        self.laps(&mut producer, &mut consumer, end)?;
        self.published(end)
    }

    fn next_holder_then_reads(&self) -> Judged<bool> {
        let end = self.end()?;
        let ring = self.ring()?;
        let mut producer = self.producer(&ring)?;
        let full = self.fill(&mut producer, end)?;
        let mut consumer = self.consumer(&ring)?;
        let read = self.read(&mut consumer, self.numbers().0)?;
        if read != full {
            return Err(format!("messages up to {read}, not {full}"));
        }
        self.laps(&mut producer, &mut consumer, full)?;
        self.published(end)
    }

    /// The end of the messages, determined on a separate copy.
    fn end(&self) -> Judged<u64> {
        let ring = self.ring()?;
        self.read(&mut self.consumer(&ring)?, self.numbers().0)
    }

    /// The peer has seen the tail, and would take an inline copy that the restarted
    /// producer has not written.
    fn polls_then_next_holder(&self) -> Judged<bool> {
        let ring = self.ring()?;
        let mut consumer = self.consumer(&ring)?;
        let end = self.read(&mut consumer, self.numbers().0)?;
        let mut producer = self.producer(&ring)?;
        // Numbers that the dead endpoint did not use, so that its inline copy would be detected.
        let next = end + 1000;
        M::push(&mut producer, next).map_err(|error| error.to_string())?;
        let read = self.read(&mut consumer, next)?;
        if read != next + 1 {
            return Err(format!("message {next} did not arrive"));
        }
        self.laps(&mut producer, &mut consumer, read)?;
        self.published(end)
    }

    /// Whether the consumer has released, if the next holder begins at `first`.
    fn released(&self, first: u64) -> Judged<bool> {
        let (old, _) = self.numbers();
        let new = old + self.operation.moves;
        if first == old {
            Ok(false)
        } else if first == new {
            Ok(true)
        } else {
            Err(format!("messages from {first}, not {old} or {new}"))
        }
    }

    /// Reads the next message and all up to `end`; returns the number of the first.
    fn read_to(&self, consumer: &mut M::Consumer, end: u64) -> Judged<u64> {
        let first = match M::pop(consumer) {
            Ok(first) => first,
            Err(PopError::Empty | PopError::Abandoned) => end,
            Err(error) => return Err(error.to_string()),
        };
        if first < end {
            let read = self.read(consumer, first + 1)?;
            if read != end {
                return Err(format!("messages up to {read}, not {end}"));
            }
        }
        Ok(first)
    }

    fn next_holder_then_writes(&self) -> Judged<bool> {
        let ring = self.ring()?;
        let (_, end) = self.numbers();
        let mut consumer = self.consumer(&ring)?;
        let first = self.read_to(&mut consumer, end)?;
        let mut producer = self.producer(&ring)?;
        self.laps(&mut producer, &mut consumer, end)?;
        self.released(first)
    }

    fn writes_then_next_holder(&self) -> Judged<bool> {
        let ring = self.ring()?;
        let (_, end) = self.numbers();
        let mut producer = self.producer(&ring)?;
        let full = self.fill(&mut producer, end)?;
        let mut consumer = self.consumer(&ring)?;
        let first = self.read_to(&mut consumer, full)?;
        self.laps(&mut producer, &mut consumer, full)?;
        self.released(first)
    }

    /// The peer has found the ring full; the next holder makes room.
    fn full_then_next_holder(&self) -> Judged<bool> {
        let ring = self.ring()?;
        let (_, end) = self.numbers();
        let mut producer = self.producer(&ring)?;
        let full = self.fill(&mut producer, end)?;
        let mut consumer = self.consumer(&ring)?;
        let first = M::pop(&mut consumer).map_err(|error| error.to_string())?;
        let more = self.fill(&mut producer, full)?;
        let read = self.read(&mut consumer, first + 1)?;
        if read != more {
            return Err(format!("messages up to {read}, not {more}"));
        }
        self.released(first)
    }
}
