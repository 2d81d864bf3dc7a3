//! The memory that a death leaves, copied after each instruction, and how the peer and a
//! restarted endpoint continue with the copy.
//!
//! A copy is a ring that no process holds: its bytes are those of a death at that
//! instruction. Equal copies are checked once.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use quoit::{ClaimError, DoorbellKind, PopError, Ring, RingOptions, Role};

use super::stages::{Messages, Operation, Stage, play};
use super::stepper::{Image, Stepper};
use crate::common::calls::{Wait, pop, push};
use crate::common::names::RingName;

/// Steps a child through `operation`, and checks the memory after each instruction. Returns the number
/// of instructions, each a point of death, and of different memories.
pub(crate) fn judge<M: Messages + ?Sized>(
    doorbell: DoorbellKind,
    operation: Operation,
    stage: Stage,
) -> [u64; 2] {
    let name = RingName::new("stepped");
    let options = RingOptions::new(M::CAPACITY).doorbell(doorbell);
    options.create::<M>(&name).expect("a ring");
    let path = name.file();
    let stepper = Stepper::start(|| play::<M>(&path, operation, stage));
    let mut image = Image::of(&path);
    let copy = Copy::<M>::new(operation, stage);
    let [mut points, mut images] = [0; 2];
    let mut moved = false;
    loop {
        if images == 0 || image.has_changed() {
            images += 1;
            let judged = catch_unwind(AssertUnwindSafe(|| copy.judge(&image.bytes)));
            let now = judged.unwrap_or_else(|fault| {
                eprintln!("{}, {operation:?}, {stage:?}, point {points}", M::NAME);
                resume_unwind(fault);
            });
            assert!(
                now || !moved,
                "a position decreased: {operation:?}, {stage:?}"
            );
            moved = now;
        }
        if stepper.is_at_end() {
            break;
        }
        stepper.step();
        points += 1;
    }
    assert_eq!(
        moved,
        operation.moves > 0,
        "it was completed: {operation:?}"
    );
    stepper.kill();
    [points, images]
}

/// A name for one copy after the other.
struct Copy<M: Messages + ?Sized> {
    name: RingName,
    operation: Operation,
    /// The first number that may be unread, and the number after the last.
    numbers: [u64; 2],
    messages: std::marker::PhantomData<M>,
}

impl<M: Messages + ?Sized> Copy<M> {
    fn new(operation: Operation, stage: Stage) -> Self {
        Self {
            name: RingName::new("copy"),
            operation,
            numbers: [stage.passed, stage.passed + stage.unread],
            messages: std::marker::PhantomData,
        }
    }

    /// Whether the operation has moved its position. Then each order of the peer's and the restarted
    /// endpoint's steps finds the same messages.
    fn judge(&self, image: &[u8]) -> bool {
        let ring = || {
            let _ = fs::remove_file(self.name.file());
            fs::write(self.name.file(), image).expect("a copy");
            Ring::<M>::open(&self.name).expect("a ring")
        };
        let [first, end] = self.unread(&ring());
        let moved = [first, end] != self.numbers;
        let mut expected = self.numbers;
        if moved {
            expected[usize::from(self.operation.role == Role::Producer)] += self.operation.moves;
        }
        assert_eq!([first, end], expected, "the messages");

        // One endpoint does all that it can, and then the other attaches.
        let copy = ring();
        let mut producer = copy.producer().expect("the role is free");
        let full = fill::<M>(&mut producer, end);
        let mut consumer = copy.consumer().expect("the role is free");
        read::<M>(&mut consumer, first, full);
        laps::<M>(&mut producer, &mut consumer, full);

        // A consumer that has polled would take an inline copy that the restarted producer has not
        // written. The dead endpoint did not use these numbers.
        let copy = ring();
        let mut consumer = copy.consumer().expect("the role is free");
        read::<M>(&mut consumer, first, end);
        let mut producer = copy.producer().expect("the role is free");
        let next = end + 1000;
        push::<M>(&mut producer, &M::of(next), Wait::Never).expect("there is room");
        read::<M>(&mut consumer, next, next + 1);
        laps::<M>(&mut producer, &mut consumer, next + 1);
        moved
    }

    /// The first message, and the number after the last.
    fn unread(&self, ring: &Ring<M>) -> [u64; 2] {
        let mut consumer = ring.consumer().expect("the role is free");
        let mut numbers = None;
        loop {
            match pop::<M>(&mut consumer, Wait::Never) {
                Ok(message) => {
                    let [first, next] = numbers.unwrap_or_else(|| {
                        let mut all = self.numbers[0]..=self.numbers[1] + self.operation.moves;
                        let first = all.find(|&number| M::of(number) == message);
                        [first.unwrap_or_else(|| panic!("not a whole message: {message:?}")); 2]
                    });
                    assert_eq!(message, M::of(next), "it is whole, and the next one");
                    numbers = Some([first, next + 1]);
                }
                Err(PopError::Empty | PopError::Abandoned) => break,
                Err(error) => panic!("{error}"),
            }
        }
        let [old, end] = self.numbers;
        let none = match self.operation.role {
            Role::Producer => old,
            Role::Consumer => end,
        };
        numbers.unwrap_or([none; 2])
    }
}

/// Reads these messages, after which there is none.
fn read<M: Messages + ?Sized>(consumer: &mut M::Consumer, first: u64, end: u64) {
    for number in first..end {
        assert_eq!(pop::<M>(consumer, Wait::Never), Ok(M::of(number)));
    }
    let none = pop::<M>(consumer, Wait::Never);
    let is_none = matches!(none, Err(PopError::Empty | PopError::Abandoned));
    assert!(is_none, "{none:?} after {end}");
}

/// Pushes numbers from `next` on, until the ring is full; returns the next one.
pub(crate) fn fill<M: Messages + ?Sized>(producer: &mut M::Producer, mut next: u64) -> u64 {
    loop {
        match push::<M>(producer, &M::of(next), Wait::Never) {
            Ok(()) => next += 1,
            Err(ClaimError::Full | ClaimError::Abandoned) => return next,
            Err(error) => panic!("{error}"),
        }
    }
}

/// Both endpoints exchange messages for several laps.
fn laps<M: Messages + ?Sized>(
    producer: &mut M::Producer,
    consumer: &mut M::Consumer,
    mut next: u64,
) {
    for _ in 0..3 {
        let full = fill::<M>(producer, next);
        assert!(full > next, "no room for {next} in an empty ring");
        read::<M>(consumer, next, full);
        next = full;
    }
    // One at a time: these have inline copies.
    for next in next..next + 8 {
        push::<M>(producer, &M::of(next), Wait::Never).expect("there is room");
        read::<M>(consumer, next, next + 1);
    }
}
