//! Every call of an endpoint under attack: the steps of the fuzzer (`hostile`), with all
//! their checks.

use std::time::Duration;

use quoit::{ClaimError, Record, Role};

use crate::attacked::arena::{
    Arena, Bites, SPACING, Tally, any_text, is_text, options, run, spaced_text,
};
use crate::attacked::attacker::Target::{
    self, Headers, Inline, Payload, Positions, Release, SleepWords, States, Tail,
};
use crate::common::calls::{Calls, Wait, push};
use crate::common::dice::Dice;
use crate::common::ends::End;
use crate::common::sample::{Words, bytes};
use crate::common::segment_file::DATA;
use crate::hostile::body::choices::Choices;
use crate::hostile::body::prey::{Answer, Place, Prey};

crate::common::suite::tests! {
    reads_of_frames_do_not_crash_under_attack,
    payloads_that_are_attacked_alone_stay_frames,
    evenly_spaced_frames_do_not_crash_under_attack,
    writes_of_frames_do_not_crash_under_attack,
    writes_of_records_do_not_crash_under_attack,
    attacked_positions_do_not_crash_frames,
    attacked_positions_do_not_crash_records,
    small_records_are_read_once,
    large_records_are_read_once,
}

/// What the attacker rewrites as a consumer, and in addition.
const CONSUMER: [Target; 5] = [Release, Payload, Headers, Inline, SleepWords];
const EVERYWHERE: [Target; 7] = [
    Positions, Tail, Release, Headers, Inline, SleepWords, States,
];

/// A shape whose messages are attacked.
trait Attacked: Prey + Calls {
    /// Whether these bytes were published here: those of `message`, or those of the fuzzer.
    fn is_own(bytes: &[u8]) -> bool;
}

impl Attacked for [u8] {
    fn is_own(bytes: &[u8]) -> bool {
        is_uniform(bytes) || is_text(bytes)
    }
}

impl<T: Record + PartialEq + std::fmt::Debug> Attacked for T {
    fn is_own(bytes: &[u8]) -> bool {
        is_uniform(bytes) || bytes == T::message(7).as_bytes()
    }
}

/// Whether all bytes are the same, as in the messages of the fuzzer.
fn is_uniform(bytes: &[u8]) -> bool {
    bytes.windows(2).all(|pair| pair[0] == pair[1])
}

/// One step of an endpoint. Returns whether the endpoint is poisoned; then it stays so.
fn step<E: End, T: Attacked + ?Sized>(
    end: &mut E,
    data: usize,
    call: fn(&mut E, &mut Choices<'_>, &mut Place) -> Answer,
    tally: &mut Tally,
    dice: &mut Dice,
) -> bool {
    let own = (&raw const *end).addr();
    let mut place = Place {
        base: Some(data - DATA as usize),
        data: T::UNIT * end.capacity() as usize,
        private: own..own + size_of::<E>(),
        memory: None,
        lingers: false,
        poisoned: end.corruption().is_some(),
        never_waits: false,
        laps: 1,
        looks_on: false,
        expected: T::is_own,
        seen: 0,
        wrong: 0,
    };
    let choices = bytes(dice.roll(u64::MAX) as u64, 64);
    let before = end.position();
    let answer = call(end, &mut Choices::new(&choices), &mut place);
    let moved = end.position().wrapping_sub(before);
    assert!(moved <= place.laps * end.capacity());
    let is_poisoned = end.corruption().is_some();
    match answer {
        Answer::Corrupt => assert!(is_poisoned, "`Corrupt` without a corruption"),
        Answer::Sound => assert!(!is_poisoned, "poisoned without an error"),
        Answer::Silent => {}
    }
    assert!(!place.poisoned || moved == 0 && is_poisoned, "valid again");
    tally.done += place.seen.max(u64::from(moved > 0));
    tally.wrong += place.wrong;
    tally.idle += u64::from(moved == 0);
    tally.corrupt += u64::from(is_poisoned && !place.poisoned);
    is_poisoned
}

/// One step of the endpoint with this role, and another one if it is poisoned.
fn steps<T: Attacked + ?Sized>(
    arena: &mut Arena<T>,
    role: Role,
    tally: &mut Tally,
    dice: &mut Dice,
) -> bool {
    let data = arena.data.start;
    let mut once = || match role {
        Role::Producer => step::<_, T>(arena.producer(), data, T::write, tally, dice),
        Role::Consumer => step::<_, T>(arena.consumer(), data, T::read, tally, dice),
    };
    once() && once()
}

impl<T: Calls + ?Sized> Arena<T> {
    /// Publishes `count` valid messages for a consumer.
    pub(crate) fn feed(
        &mut self,
        count: usize,
        message: impl Fn(&mut Dice) -> T::Message,
        dice: &mut Dice,
    ) {
        if self.consumer().corruption().is_some() {
            self.replace_consumer();
        }
        let mut left = count;
        while left > 0 {
            match push::<T>(self.producer(), &message(dice), Wait::Never) {
                Ok(()) => left -= 1,
                Err(ClaimError::Full) => self.replace_consumer(),
                Err(ClaimError::Abandoned | ClaimError::Corrupt) => self.restore(),
                Err(error) => panic!("{error}"),
            }
        }
    }
}

/// Reads what this process publishes and the attacker rewrites. Only headers may poison.
fn reads<T: Attacked + ?Sized>(
    times: u64,
    mut arena: Arena<T>,
    bites: Bites,
    message: fn(&mut Dice) -> T::Message,
) {
    run(times, bites, |tally, dice| {
        arena.feed(1 + dice.roll(3), message, dice);
        let is_poisoned = steps(&mut arena, Role::Consumer, tally, dice);
        assert!(
            !is_poisoned || bites.may_poison(),
            "nothing checked was attacked"
        );
    });
}

fn reads_of_frames_do_not_crash_under_attack() {
    let arena = Arena::frames("reads", 0, &[Headers, Payload, Inline]);
    reads(3, arena, Bites::Both, any_text);
}

fn payloads_that_are_attacked_alone_stay_frames() {
    let arena = Arena::frames("payloads", SPACING, &[Payload]);
    reads(1, arena, Bites::Wrong, spaced_text);
}

fn evenly_spaced_frames_do_not_crash_under_attack() {
    let arena = Arena::frames("spaced", SPACING, &[Payload, Payload, Headers]);
    reads(1, arena, Bites::Both, spaced_text);
}

fn records_are_read_once<T: Record + PartialEq + std::fmt::Debug>(test: &str) {
    let arena = Arena::<T>::new(test, &options(32), 0, &[Payload, Inline, SleepWords]);
    reads(1, arena, Bites::Wrong, |_| T::message(7));
}

fn small_records_are_read_once() {
    records_are_read_once::<u64>("u64");
}

fn large_records_are_read_once() {
    records_are_read_once::<Words<8>>("64-bytes");
}

/// Long enough for a running attacker to release something.
const SOON: Duration = Duration::from_micros(20);

/// With the attacker as the consumer. This process holds the consumer's role, so that the
/// producer has a peer, and does not use it.
fn writes<T: Attacked + ?Sized>(times: u64, mut arena: Arena<T>, bites: Bites) {
    run(times, bites, |tally, dice| {
        let idle = tally.idle;
        let mut is_poisoned = steps(&mut arena, Role::Producer, tally, dice);
        if tally.idle > idle {
            let producer = arena.producer();
            tally.pushed(push::<T>(
                producer,
                &T::message(7),
                Wait::Until(SOON.into()),
            ));
            is_poisoned |= producer.corruption().is_some();
        }
        assert!(
            !is_poisoned,
            "a consumer that releases everything poisons the producer"
        );
    });
}

fn writes_of_frames_do_not_crash_under_attack() {
    writes(2, Arena::frames("writes", 0, &CONSUMER), Bites::Neither);
}

fn writes_of_records_do_not_crash_under_attack() {
    let targets = [Release, Payload, Inline, SleepWords];
    let arena = Arena::<Words<8>>::new("writes", &options(16), 0, &targets);
    writes(1, arena, Bites::Wrong);
}

/// Positions, states and sleep words, while both endpoints are at work.
fn positions<T: Attacked + ?Sized>(mut arena: Arena<T>) {
    run(1, Bites::Both, |tally, dice| {
        let mut is_poisoned = false;
        for _ in 0..1 + dice.roll(3) {
            is_poisoned |= steps(&mut arena, Role::Producer, tally, dice);
        }
        is_poisoned |= steps(&mut arena, Role::Consumer, tally, dice);
        let (producer, consumer) = arena.ends();
        assert!(producer.len() <= producer.capacity());
        assert!(consumer.len() <= consumer.capacity());
        if is_poisoned {
            arena.restore();
        }
    });
}

fn attacked_positions_do_not_crash_frames() {
    positions(Arena::frames("positions", 0, &EVERYWHERE));
}

fn attacked_positions_do_not_crash_records() {
    positions(Arena::<Words<8>>::new(
        "positions",
        &options(16),
        0,
        &EVERYWHERE,
    ));
}
