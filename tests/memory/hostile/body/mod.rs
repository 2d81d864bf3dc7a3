//! One execution of the fuzzer: the input bytes select a ring, the steps of its endpoints, and
//! stray writes to the segment.
//!
//! For all input bytes: no call panics, loops forever, or returns memory outside the data.
//! An endpoint that has returned `Corrupt` returns the same from every later call, and does
//! not move. Without stray writes the ring is a queue. `tests/memory` runs this with bytes from a
//! generator, `tests/fuzz` with libFuzzer's.

pub(crate) mod calls;
pub(crate) mod choices;
pub(crate) mod memory;
pub(crate) mod model;
pub(crate) mod oracle;
pub(crate) mod rings;
pub(crate) mod world;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use self::calls::Prey;
use self::choices::Choices;
use self::oracle::{Answer, Failure, Writes};
use self::rings::{Rings, choose};
use self::world::World;
use crate::common::sample::Words;

/// What the executions found, to check that a run was useful.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally(Rc<RefCell<BTreeMap<&'static str, u64>>>);

impl Tally {
    pub(crate) fn count(&self, thing: &'static str, happened: bool) {
        *self.0.borrow_mut().entry(thing).or_default() += u64::from(happened);
    }

    /// A value that was read, which may be wrong.
    pub(crate) fn value(&self, is_right: bool) {
        self.count("done", true);
        self.count("wrong", !is_right);
    }

    /// A result that any segment may cause.
    pub(crate) fn result<R, F: Failure>(&self, result: Result<R, F>) {
        let answer = result.map_or_else(F::answer, |_| Answer::Silent);
        let thing = match answer {
            Answer::Silent => "done",
            Answer::Corrupt => "corrupt",
            Answer::Sound => "idle",
        };
        self.count(thing, true);
    }

    pub(crate) fn of(&self, thing: &str) -> u64 {
        self.0.borrow().get(thing).copied().unwrap_or(0)
    }
}

/// The rings that executions use in turn. Dropping this removes them.
#[derive(Default)]
pub(crate) struct Hostile {
    words: Rings<u64>,
    odd: Rings<[u8; 3]>,
    long: Rings<Words<7>>,
    frames: Rings<[u8]>,
    pub(crate) tally: Tally,
}

impl Hostile {
    /// Runs one execution.
    pub(crate) fn run(&mut self, bytes: &[u8]) {
        let choices = &mut Choices::new(bytes);
        let writes = match choices.below(8) {
            0 => Writes::Never,
            _ => Writes::Between,
        };
        match choices.below(8) {
            0..3 => play(&mut self.words, choices, writes, &self.tally),
            3 => play(&mut self.odd, choices, writes, &self.tally),
            4 => play(&mut self.long, choices, writes, &self.tally),
            _ => play(&mut self.frames, choices, writes, &self.tally),
        }
    }
}

/// Runs one execution with a shape.
pub(crate) fn play<T: Prey + ?Sized>(
    rings: &mut Rings<T>,
    choices: &mut Choices,
    writes: Writes,
    tally: &Tally,
) {
    tally.count("executions", true);
    let first = choices.one_of(&[0, 1 << 32, 1 << 63, u64::MAX]);
    let first = choices.near(first);
    let first = first - first % T::HEADER.max(1) as u64;
    if choices.below(4) > 0 {
        return World::<T>::on_the_heap(choices, first, writes, tally).live(choices);
    }
    let set = choose(rings, choices);
    set.restore_name();
    let fill = choices.byte();
    set.reset(first, if choices.coin() { fill } else { 0 });
    World::new(&set, writes, tally).live(choices);
}
