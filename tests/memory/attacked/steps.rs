//! Every call of an endpoint under attack: the steps of the fuzzer (`hostile`), with all
//! their checks.

use super::arena::{Arena, SPACING, any_choices, run};
use crate::common::sample::Words;
use crate::hostile::body::Tally;
use crate::hostile::body::calls::Prey;
use crate::hostile::body::memory::PAGE;
use crate::hostile::body::memory::Target::{
    self, Headers, Inline, Payload, Positions, Release, SleepWords, States, Tail,
};

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

/// A frame in evenly spaced ones.
fn spaced() -> (u32, Vec<u8>) {
    (0, vec![7; SPACING - 8])
}

/// Steps of both endpoints, or of the producer alone. The attack must have these effects, and
/// poisons no endpoint unless "corrupt" is one of them.
fn attacked<T: Prey + ?Sized>(
    times: u64,
    bytes: usize,
    targets: &[Target],
    reads: bool,
    effects: &[&str],
    spaced: Option<&T::Message>,
) {
    let tally = Tally::default();
    let spacing = if spaced.is_some() { SPACING } else { 0 };
    let mut arena = Arena::<T>::new(bytes, spacing, targets, &tally);
    run(times, &tally, effects, |dice| {
        let choices = &mut any_choices(dice, 256);
        for _ in 0..1 + dice.roll(3) {
            match spaced {
                Some(message) => arena.feed(message),
                None => arena.world.write(choices),
            }
        }
        if reads {
            arena.world.read(choices);
        }
        if arena.world.is_poisoned() {
            assert!(effects.contains(&"corrupt"), "nothing checked was attacked");
            arena.world.write(choices);
            arena.world.read(choices);
            arena.restore();
        }
    });
}

fn reads_of_frames_do_not_crash_under_attack() {
    let targets = [Headers, Payload, Inline];
    attacked::<[u8]>(3, PAGE, &targets, true, &["wrong", "corrupt"], None);
}

fn payloads_that_are_attacked_alone_stay_frames() {
    attacked::<[u8]>(1, PAGE, &[Payload], true, &["wrong"], Some(&spaced()));
}

fn evenly_spaced_frames_do_not_crash_under_attack() {
    let targets = [Payload, Payload, Headers];
    let effects = ["wrong", "corrupt"];
    attacked::<[u8]>(1, PAGE, &targets, true, &effects, Some(&spaced()));
}

/// With the attacker as the consumer. This process holds the consumer's role, so that the
/// producer has a peer, and does not use it.
fn writes_of_frames_do_not_crash_under_attack() {
    attacked::<[u8]>(2, PAGE, &CONSUMER, false, &["published"], None);
}

fn writes_of_records_do_not_crash_under_attack() {
    let targets = [Release, Payload, Inline, SleepWords];
    attacked::<Words<8>>(1, 1024, &targets, false, &["published"], None);
}

/// Positions, states and sleep words, while both endpoints are at work.
fn attacked_positions_do_not_crash_frames() {
    attacked::<[u8]>(1, PAGE, &EVERYWHERE, true, &["wrong", "corrupt"], None);
}

fn attacked_positions_do_not_crash_records() {
    attacked::<Words<8>>(1, 1024, &EVERYWHERE, true, &["wrong", "corrupt"], None);
}

fn small_records_are_read_once() {
    let targets = [Payload, Inline, SleepWords];
    attacked::<u64>(1, 256, &targets, true, &["wrong"], None);
}

fn large_records_are_read_once() {
    let targets = [Payload, Inline, SleepWords];
    attacked::<Words<8>>(1, 2048, &targets, true, &["wrong"], None);
}
