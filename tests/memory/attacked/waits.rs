//! Waits, while the attacker writes the words that endpoints poll and sleep on.

use std::time::{Duration, Instant};

use quoit::{ClaimError, PeerError, PopError, Select, SelectError};

use crate::attacked::arena::{Arena, Bites, TEXT, count_claim_error, count_pop_error, run};
use crate::attacked::attacker::Target;

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
const TARGETS: [Target; 12] = [
    Target::SleepWords,
    Target::Tail,
    Target::Release,
    Target::SleepWords,
    Target::Tail,
    Target::Release,
    Target::SleepWords,
    Target::Tail,
    Target::Release,
    Target::SleepWords,
    Target::States,
    Target::Positions,
];

fn waits_end_by_their_deadline() {
    let mut arena = Arena::frames("waits", 0, &TARGETS);
    run(Bites::Corrupt, |tally, dice| {
        let timeout = match dice.roll(64) {
            0 => LONGEST,
            choice => Duration::from_nanos(50 * choice as u64),
        };
        let mut buffer = [0; TEXT.len()];
        let begin = Instant::now();
        let (producer, consumer) = arena.ends();
        match dice.roll(7) {
            0 => match consumer.pop_timeout(&mut buffer, timeout) {
                Ok(_) => tally.done += 1,
                Err(error) => count_pop_error(error, tally),
            },
            1 => match consumer.peek_timeout(timeout) {
                Ok(frame) => drop(frame.to_vec()),
                Err(error) => count_pop_error(error, tally),
            },
            2 => match consumer.peek_many_timeout(begin + timeout) {
                Ok(frames) => frames.release(),
                Err(error) => count_pop_error(error, tally),
            },
            3 => match consumer.wait_for_peer_timeout(timeout) {
                Ok(()) => tally.done += 1,
                Err(PeerError::TimedOut | PeerError::Superseded) => tally.idle += 1,
                Err(PeerError::ReactorDied) => unreachable!("there is no async endpoint here"),
            },
            4 => match producer.wait_for_peer_timeout(timeout) {
                Ok(()) => tally.done += 1,
                Err(PeerError::TimedOut | PeerError::Superseded) => tally.idle += 1,
                Err(PeerError::ReactorDied) => unreachable!("there is no async endpoint here"),
            },
            5 => match producer.push_timeout(TEXT.as_bytes(), timeout) {
                Ok(()) => tally.done += 1,
                Err(error) => count_claim_error(error, tally),
            },
            _ => {
                let payloads = [&TEXT.as_bytes()[..200]; 30];
                match producer.push_all_timeout(0, &payloads, timeout) {
                    Ok(()) => tally.done += 1,
                    Err(error) => count_claim_error(error, tally),
                }
            }
        }
        let took = begin.elapsed();
        assert!(took < BOUND, "{timeout:?} took {took:?}");
        if producer.corruption().is_some() || consumer.corruption().is_some() {
            arena.restore();
        }
    });
}

/// The attack is only on the sleep words, so that only the deadline ends a wait.
fn waits_for_a_silent_peer_time_out() {
    let mut full = Arena::frames("full", 0, &[Target::SleepWords]);
    let producer = full.producer();
    while producer.try_push(TEXT.as_bytes()) != Err(ClaimError::Full) {}
    let mut empty = Arena::frames("empty", 0, &[Target::SleepWords]);
    let consumer = empty.consumer();
    run(Bites::Neither, |tally, dice| {
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
                assert!(
                    matches!(selected, Err(SelectError::TimedOut)),
                    "{selected:?}"
                );
            }
        }
        tally.done += 1;
        let took = begin.elapsed();
        assert!(took >= timeout, "{timeout:?} took {took:?}");
        assert!(took < BOUND, "{timeout:?} took {took:?}");
    });
}

fn selects_do_not_crash_under_attack() {
    let mut one = Arena::frames("select-one", 0, &TARGETS);
    let mut two = Arena::frames("select-two", 0, &[Target::Headers, Target::SleepWords]);
    let mut select = Select::new();
    run(Bites::Corrupt, |tally, dice| {
        let timeout = Duration::from_nanos(500 * dice.roll(8) as u64);
        if dice.roll(2) == 0 {
            two.feed(1, |_| &TEXT.as_bytes()[..40], dice);
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
            Ok(_) => tally.done += 1,
            Err(SelectError::TimedOut) => tally.idle += 1,
            Err(error) => panic!("{error}"),
        }
        let took = begin.elapsed();
        assert!(took < BOUND, "{timeout:?} took {took:?}");
        if let Err(error) = other.try_pop_into(&mut Vec::new()) {
            count_pop_error(error, tally);
        }
        if let Err(error) = consumer.try_pop_into(&mut Vec::new()) {
            count_pop_error(error, tally);
        }
        if producer.corruption().is_some() || consumer.corruption().is_some() {
            one.restore();
        }
    });
}
