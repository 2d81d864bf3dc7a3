//! One execution of the fuzzer: the input bytes select a ring, and the steps of its
//! endpoints while another thread overwrites the segment.
//!
//! For all input bytes: no call panics, loops forever, or returns memory outside the data.
//! An endpoint that has returned `Corrupt` returns the same from every later call, and does
//! not move. `tests/memory/hostile.rs` runs this with bytes from a generator, `tests/fuzz`
//! with libFuzzer's.

pub(crate) mod calls;
pub(crate) mod choices;
mod guard;
pub(crate) mod memory;
pub(crate) mod oracle;
pub(crate) mod rings;
pub(crate) mod world;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::mpsc::{self, TryRecvError};
use std::thread;

use self::calls::Prey;
use self::choices::Choices;
use self::memory::{EVERYTHING, StrayWrite};
use self::oracle::{Answer, Failure};
use self::rings::Rings;
use self::world::World;
use crate::common::sample::Words;

/// When another thread overwrites the segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StrayWrites {
    /// Between two calls.
    Between,
    /// From a second thread, during calls.
    During,
}

/// How often the endpoints run for one second thread: one run is short.
const LIVES: usize = 20;

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
    pub(crate) fn run(&mut self, bytes: &[u8], stray_writes: StrayWrites) {
        let mut choices = Choices::new(bytes);
        let tally = &self.tally;
        match choices.below(8) {
            0..3 => play(&mut self.words, &mut choices, stray_writes, tally),
            3 => play(&mut self.odd, &mut choices, stray_writes, tally),
            4 => play(&mut self.long, &mut choices, stray_writes, tally),
            _ => play(&mut self.frames, &mut choices, stray_writes, tally),
        }
    }
}

fn play<T: Prey + ?Sized>(
    rings: &mut Rings<T>,
    choices: &mut Choices,
    stray_writes: StrayWrites,
    tally: &Tally,
) {
    tally.count("executions", true);
    let first = choices.one_of(&[0, 1 << 32, 1 << 63, u64::MAX]);
    let first = choices.near(first);
    let first = first - first % T::HEADER.max(1) as u64;
    if stray_writes == StrayWrites::Between && choices.below(4) > 0 {
        return World::<T>::on_the_heap(choices, first, tally).live(choices);
    }
    let set = rings.choose(choices);
    set.restore_name();
    let fill = choices.byte();
    set.reset(first, if choices.coin() { fill } else { 0 });
    match stray_writes {
        StrayWrites::Between => World::new(&set, true, tally).live(choices),
        StrayWrites::During => {
            let memory = set.memory;
            // A word that is alternately valid and invalid may pass a check.
            let stray_writes: Vec<_> = (0..=choices.below(4))
                .map(|_| StrayWrite::choose(&EVERYTHING, 0, choices, &memory))
                .filter(|stray_write| !stray_write.changes_a_semaphores_operation())
                .flat_map(|stray_write| [stray_write.undoing(&memory), stray_write])
                .collect();
            let (end, ended) = mpsc::channel::<()>();
            let (begin, begun) = mpsc::channel();
            thread::scope(|scope| {
                let attacker = scope.spawn(move || {
                    begin.send(()).expect("the endpoints wait");
                    while ended.try_recv() == Err(TryRecvError::Empty) {
                        for stray_write in &stray_writes {
                            memory.apply(stray_write);
                        }
                    }
                });
                begun.recv().expect("the writer has begun");
                for _ in 0..LIVES {
                    World::new(&set, false, tally).live(&mut choices.clone());
                }
                drop(end);
                // Joined explicitly: a scope ends before its threads have freed their
                // memory, which a fuzzer would report as a leak.
                attacker.join().expect("it only writes");
            });
        }
    }
}
