//! One execution of the fuzzer: the input bytes select a ring, and the steps of its
//! endpoints while another thread overwrites the segment.
//!
//! For all input bytes: no call panics, loops forever, or returns memory outside the data.
//! An endpoint that has returned `Corrupt` returns the same from every later call, and does
//! not move. `tests/memory/hostile.rs` runs this with bytes from a generator, `tests/fuzz`
//! with libFuzzer's.

pub(crate) mod choices;
mod frames;
mod guard;
mod memory;
pub(crate) mod prey;
mod records;
mod rings;
mod world;

use std::collections::BTreeMap;
use std::sync::mpsc::{self, TryRecvError};
use std::thread;

use self::choices::Choices;
use self::memory::StrayWrite;
use self::prey::Prey;
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
#[derive(Debug, Default)]
pub(crate) struct Tally(pub(crate) BTreeMap<&'static str, u64>);

impl Tally {
    fn count(&mut self, thing: &'static str, happened: bool) {
        *self.0.entry(thing).or_default() += u64::from(happened);
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
        let tally = &mut self.tally;
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
    choices: &mut Choices<'_>,
    stray_writes: StrayWrites,
    tally: &mut Tally,
) {
    tally.count("executions", true);
    let first = choices.one_of(&[0, 1 << 32, 1 << 63, u64::MAX]);
    let first = T::first_position(choices.near(first));
    if stray_writes == StrayWrites::Between && choices.below(4) > 0 {
        return World::<T>::on_the_heap(choices, first, tally).live(choices);
    }
    let set = rings.choose(choices);
    set.restore_name();
    let fill = choices.byte();
    set.reset(first, if choices.coin() { fill } else { 0 });
    let set = &*set;
    match stray_writes {
        StrayWrites::Between => World::new(set, true, tally).live(choices),
        StrayWrites::During => {
            let memory = set.memory;
            // A word that is alternately valid and invalid may pass a check.
            let stray_writes: Vec<_> = (0..=choices.below(4))
                .map(|_| StrayWrite::choose(choices, &memory))
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
                    World::new(set, false, tally).live(&mut choices.clone());
                }
                drop(end);
                // Joined explicitly: a scope ends before its threads have freed their
                // memory, which a fuzzer would report as a leak.
                attacker.join().expect("it only writes");
            });
        }
    }
}
