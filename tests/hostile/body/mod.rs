//! One execution of the fuzzer: bytes become a ring, and steps that its endpoints
//! take while another thread scribbles over the segment.
//!
//! Whatever the bytes: no call panics, or loops forever, or hands out memory
//! outside the data; an endpoint that has said `Corrupt` says the very same to
//! everything from then on, and does not move. `tests/hostile/main.rs` runs
//! this with bytes from a generator, `tests/fuzz` with libFuzzer's.

mod choices;
mod frames;
mod guard;
mod memory;
mod prey;
mod records;
mod rings;
mod world;

use std::collections::BTreeMap;
use std::sync::mpsc::{self, TryRecvError};
use std::thread;

use self::choices::Choices;
use self::memory::Scribble;
use self::prey::Prey;
use self::rings::Rings;
use self::world::World;
use crate::common::sample::Words;

/// When another thread scribbles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scribbles {
    /// Between two calls.
    Between,
    /// From a second thread, during calls.
    During,
}

/// How often the ends live, once a second thread is there: one life is short.
const LIVES: usize = 20;

/// What was met, so that a run can say that it was worth something.
#[derive(Debug, Default)]
pub(crate) struct Tally(pub(crate) BTreeMap<&'static str, u64>);

impl Tally {
    fn count(&mut self, thing: &'static str, happened: bool) {
        *self.0.entry(thing).or_default() += u64::from(happened);
    }
}

/// The rings that executions use in turn; removed when this is dropped.
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
    pub(crate) fn run(&mut self, bytes: &[u8], scribbles: Scribbles) {
        let mut choices = Choices::new(bytes);
        let tally = &mut self.tally;
        match choices.below(8) {
            0..3 => play(&mut self.words, &mut choices, scribbles, tally),
            3 => play(&mut self.odd, &mut choices, scribbles, tally),
            4 => play(&mut self.long, &mut choices, scribbles, tally),
            _ => play(&mut self.frames, &mut choices, scribbles, tally),
        }
    }
}

fn play<T: Prey + ?Sized>(
    rings: &mut Rings<T>,
    choices: &mut Choices<'_>,
    scribbles: Scribbles,
    tally: &mut Tally,
) {
    tally.count("executions", true);
    let first = choices.one_of(&[0, 1 << 32, 1 << 63, u64::MAX]);
    let first = T::first_position(choices.near(first));
    if scribbles == Scribbles::Between && choices.below(4) > 0 {
        return World::<T>::on_the_heap(choices, first, tally).live(choices);
    }
    let set = rings.choose(choices);
    set.restore_name();
    let fill = choices.byte();
    set.reset(first, if choices.coin() { fill } else { 0 });
    let set = &*set;
    match scribbles {
        Scribbles::Between => World::new(set, true, tally).live(choices),
        Scribbles::During => {
            let memory = set.memory;
            // A word that is sound and not, in turn, may pass a check.
            let scribbles: Vec<_> = (0..=choices.below(4))
                .map(|_| Scribble::choose(choices, &memory))
                .filter(|scribble| !scribble.takes_a_semaphore_apart())
                .flat_map(|scribble| [scribble.undoing(&memory), scribble])
                .collect();
            let (end, ended) = mpsc::channel::<()>();
            let (begin, begun) = mpsc::channel();
            thread::scope(|scope| {
                let attacker = scope.spawn(move || {
                    begin.send(()).expect("the ends wait");
                    while ended.try_recv() == Err(TryRecvError::Empty) {
                        for scribble in &scribbles {
                            memory.scribble(scribble);
                        }
                    }
                });
                begun.recv().expect("somebody scribbles");
                for _ in 0..LIVES {
                    World::new(set, false, tally).live(&mut choices.clone());
                }
                drop(end);
                // A scope ends before its threads have freed what is theirs, which a
                // fuzzer that looks for leaks would see.
                attacker.join().expect("it only scribbles");
            });
        }
    }
}
