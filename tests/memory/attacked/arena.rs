//! An attacked ring, and the rounds of an attack.

use std::env;
use std::hint;
use std::process;
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use quoit::DoorbellKind;

use crate::common::dice::Dice;
use crate::common::fork::{fork, kill, work_as_long_as_the_parent};
use crate::common::sample::bytes;
use crate::hostile::body::Tally;
use crate::hostile::body::calls::Prey;
use crate::hostile::body::choices::Choices;
use crate::hostile::body::memory::{HOLD, Memory, StrayWrite, Target};
use crate::hostile::body::oracle::Writes;
use crate::hostile::body::rings::Set;
use crate::hostile::body::world::World;
use crate::hostile::while_it_continues;

/// The distance of evenly spaced frames.
pub(crate) const SPACING: usize = 64;

/// A ring with both endpoints in this process, and a process that attacks it.
pub(crate) struct Arena<T: Prey + ?Sized> {
    pub(crate) world: World<T>,
    set: Rc<Set<T>>,
    pub(crate) tally: Tally,
    attacker: libc::pid_t,
    /// A position that no endpoint has reached.
    fresh: u64,
}

impl<T: Prey + ?Sized> Arena<T> {
    /// A new ring of this capacity, whose frames are at multiples of `spacing`, or at any place
    /// if that is 0. It is attacked from now on.
    pub(crate) fn new(capacity: usize, spacing: usize, targets: &[Target], tally: &Tally) -> Self {
        let set = Set::new(capacity, DoorbellKind::Futex);
        Self::of(set, Writes::Always, spacing, targets, tally)
    }

    pub(crate) fn of(
        set: Set<T>,
        writes: Writes,
        spacing: usize,
        targets: &[Target],
        tally: &Tally,
    ) -> Self {
        let set = Rc::new(set);
        let attacker = fork().unwrap_or_else(|| {
            work_as_long_as_the_parent();
            attack(&set.memory, spacing, targets)
        });
        let mut arena = Self {
            world: World::new(&set, writes, tally),
            set,
            tally: tally.clone(),
            attacker,
            fresh: 0,
        };
        arena.restore();
        arena
    }

    /// Takes both roles again, on repaired positions. Unless it is the first time, the first
    /// attempt is under attack; if it fails, the attacker pauses for the second one.
    pub(crate) fn restore(&mut self) {
        let (set, mut hold) = (&self.set, u64::from(self.fresh == 0));
        let (writes, choices) = (self.world.scene.writes, &mut Choices::default());
        loop {
            self.world = World::new(set, writes, &self.tally);
            set.restore_name();
            self.fresh += 1 << 20;
            set.reset(self.fresh, 0);
            set.memory.put(HOLD, hold);
            self.world.take_producer(choices);
            self.world.take_consumer(choices);
            if self.world.has_both() {
                break;
            }
            hold = 1;
        }
        set.memory.put(HOLD, 0);
        if writes == Writes::Never {
            self.world.compare();
        }
    }

    /// New endpoints of a sound ring, for an adapter that owns them.
    pub(crate) fn new_ends(&mut self) -> (T::Producer, T::Consumer) {
        self.restore();
        let World {
            producer, consumer, ..
        } = &mut self.world;
        let both = producer.take().zip(consumer.take());
        let both = both.expect("the roles were taken");
        (both.0.end, both.1.end)
    }
}

impl<T: Prey + ?Sized> Drop for Arena<T> {
    fn drop(&mut self) {
        if !thread::panicking() {
            kill(self.attacker); // nothing else has ended it
        }
    }
}

/// The hostile process: it takes no role, and writes.
fn attack(memory: &Memory, spacing: usize, targets: &[Target]) -> ! {
    let mut dice = Dice(u64::from(process::id()));
    loop {
        let mut choices = any_choices(&mut dice, 4096);
        while !choices.are_over() {
            while memory.word(HOLD) != 0 {
                hint::spin_loop();
            }
            let write = StrayWrite::choose(targets, spacing, &mut choices, memory);
            if !write.is_forbidden() {
                (0..4).for_each(|_| memory.apply(&write));
            }
        }
    }
}

pub(crate) fn any_choices(dice: &mut Dice, count: usize) -> Choices {
    Choices::new(bytes(dice.roll(u64::MAX) as u64, count))
}

/// The least number of rounds of an attack.
fn rounds() -> u64 {
    let wish = env::var("QUOIT_ATTACKS").ok();
    let wish = wish.map_or(0, |wish| wish.parse().expect("QUOIT_ATTACKS is a number"));
    wish.max(100_000)
}

/// This many effects make an attack.
const ENOUGH: u64 = 300;
const A_WHILE: Duration = Duration::from_secs(1);

/// Repeats `round` as often as an attack has rounds, until it has had each of these effects.
pub(crate) fn run(tally: &Tally, effects: &[&str], mut round: impl FnMut(&mut Dice)) {
    let (rounds, begin) = (rounds(), Instant::now());
    let mut dice = Dice(rounds);
    let rarest = || effects.iter().map(|effect| tally.of(effect)).min();
    // If the scheduler starves the attacker, there are more rounds, up to a limit.
    let is_starved = |count| count < ENOUGH && begin.elapsed() < A_WHILE;
    let goes_on = |count| count == 0 || is_starved(count);
    let mut number = 0;
    while_it_continues(|beat| {
        while number < rounds || rarest().is_some_and(goes_on) {
            assert!(number < 100 * rounds, "no effect: {tally:?}");
            if number % 128 == 0 {
                beat();
            }
            round(&mut dice);
            number += 1;
        }
    });
    print!("{number} rounds, {tally:?}: ");
}

/// After this many rounds the endpoints are replaced, even if they work.
const LIFETIME: u64 = 500;

/// Repeats a round, which says whether its endpoints are poisoned, and so must be replaced.
pub(crate) fn run_with<E>(
    tally: &Tally,
    effects: &[&str],
    mut new: impl FnMut() -> E,
    mut round: impl FnMut(&mut E, &mut Dice) -> bool,
) {
    let mut ends = None;
    run(tally, effects, |dice| {
        let is_poisoned = round(ends.get_or_insert_with(&mut new), dice);
        if is_poisoned || dice.roll(LIFETIME) == 0 {
            ends = None;
        }
    });
}

/// The bytes of every message.
pub(crate) fn message(dice: &mut Dice) -> Vec<u8> {
    vec![7; dice.roll(SPACING as u64 - 24)]
}

pub(crate) fn is_message(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 7)
}
