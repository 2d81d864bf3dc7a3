//! Waits, while the attacker writes the words that endpoints poll and sleep on.

use std::time::{Duration, Instant};

use quoit::{ClaimError, PeerError, PopError, Select, SelectError};

use super::arena::{Arena, TEXT, any_choices, run};
use crate::common::calls::Wait;
use crate::common::refused::is;
use crate::hostile::body::Tally;
use crate::hostile::body::memory::PAGE;
use crate::hostile::body::memory::Target::{
    self, Headers, Positions, Release, SleepWords, States, Tail,
};

crate::common::suite::tests! {
    selects_do_not_crash_under_attack,
    waits_end_by_their_deadline,
    waits_for_a_silent_peer_time_out,
}

/// The longest timeout of a wait here.
const LONGEST: Duration = Duration::from_micros(50);
/// The time that a wait may take. The scheduler may be slow, but not in every round.
const BOUND: Duration = Duration::from_secs(5);

/// Mostly words that an endpoint polls while it waits, and sometimes words that poison it.
#[rustfmt::skip]
const TARGETS: [Target; 12] = [
    SleepWords, Tail, Release, SleepWords, Tail, Release, SleepWords, Tail, Release, SleepWords,
    States, Positions,
];

fn waits_end_by_their_deadline() {
    let tally = Tally::default();
    let mut arena = Arena::<[u8]>::new(PAGE, 0, &TARGETS, &tally);
    run(1, &tally, &["corrupt"], |dice| {
        let timeout = match dice.roll(64) {
            0 => LONGEST,
            choice => Duration::from_nanos(50 * choice as u64),
        };
        let (wait, choices) = (Wait::Until(timeout.into()), &mut any_choices(dice, 128));
        let begin = Instant::now();
        match dice.roll(7) {
            0 => met(arena.consumer().wait_for_peer_timeout(timeout), &tally),
            1 => met(arena.producer().wait_for_peer_timeout(timeout), &tally),
            2..5 => arena.world.read_in(wait, choices),
            _ => arena.world.write_in(wait, choices),
        }
        let took = begin.elapsed();
        assert!(took < BOUND, "{timeout:?} took {took:?}");
        arena.repair();
    });
}

fn met(peer: Result<(), PeerError>, tally: &Tally) {
    match peer {
        Ok(()) => tally.count("done", true),
        Err(PeerError::TimedOut | PeerError::Superseded) => tally.count("idle", true),
        Err(error) => panic!("{error}"),
    }
}

/// The attack is only on the sleep words, so that only the deadline ends a wait.
fn waits_for_a_silent_peer_time_out() {
    let tally = Tally::default();
    let mut full = Arena::<[u8]>::new(PAGE, 0, &[SleepWords], &tally);
    let producer = full.producer();
    while producer.try_push(TEXT.as_bytes()) != Err(ClaimError::Full) {}
    let mut empty = Arena::<[u8]>::new(PAGE, 0, &[SleepWords], &tally);
    let consumer = empty.consumer();
    run(1, &tally, &[], |dice| {
        let timeout = match dice.roll(64) {
            0 => LONGEST,
            choice => Duration::from_nanos(8 * choice as u64),
        };
        let begin = Instant::now();
        match dice.roll(3) {
            0 => {
                let pushed = producer.push_timeout(TEXT.as_bytes(), timeout);
                assert_eq!(pushed, Err(ClaimError::TimedOut));
            }
            1 => {
                let popped = consumer.pop_timeout(&mut [], timeout);
                assert_eq!(popped, Err(PopError::TimedOut));
            }
            _ => {
                let mut ends = [producer.interest(TEXT.len()), consumer.interest()];
                let selected = Select::new().wait(&mut ends, Some(timeout));
                is!(selected => Err(SelectError::TimedOut));
            }
        }
        let took = begin.elapsed();
        assert!(took >= timeout, "{timeout:?} took {took:?}");
        assert!(took < BOUND, "{timeout:?} took {took:?}");
    });
}

fn selects_do_not_crash_under_attack() {
    let tally = Tally::default();
    let mut one = Arena::<[u8]>::new(PAGE, 0, &TARGETS, &tally);
    let mut two = Arena::<[u8]>::new(PAGE, 0, &[Headers, SleepWords], &tally);
    let mut select = Select::new();
    run(1, &tally, &["corrupt"], |dice| {
        let timeout = Duration::from_nanos(500 * dice.roll(8) as u64);
        if dice.roll(2) == 0 {
            two.feed(&(0, TEXT.as_bytes()[..40].to_vec()));
        }
        let begin = Instant::now();
        let (producer, consumer) = one.ends();
        let other = two.consumer();
        let mut ends = [
            producer.interest(TEXT.len()),
            consumer.interest(),
            other.interest(),
        ];
        match select.wait(&mut ends, Some(timeout)) {
            Ok(_) => tally.count("done", true),
            Err(SelectError::TimedOut) => tally.count("idle", true),
            Err(error) => panic!("{error}"),
        }
        let took = begin.elapsed();
        assert!(took < BOUND, "{timeout:?} took {took:?}");
        tally.result(other.try_pop_into(&mut Vec::new()));
        tally.result(consumer.try_pop_into(&mut Vec::new()));
        one.repair();
    });
}
