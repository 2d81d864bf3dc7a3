//! Waits, while the attacker writes the words that endpoints poll and sleep on.

use std::time::{Duration, Instant};

use quoit::{ClaimError, PeerError, PopError, Select, SelectError};

use crate::attacked::arena::{Arena, Bites, TEXT, Tally, run};
use crate::attacked::attacker::Target;
use crate::common::refused::is;

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
    Target::SleepWords, Target::Tail, Target::Release, Target::SleepWords, Target::Tail,
    Target::Release, Target::SleepWords, Target::Tail, Target::Release, Target::SleepWords,
    Target::States, Target::Positions,
];

fn waits_end_by_their_deadline() {
    let mut arena = Arena::frames("waits", 0, &TARGETS);
    run(1, Bites::Corrupt, |tally, dice| {
        let timeout = match dice.roll(64) {
            0 => LONGEST,
            choice => Duration::from_nanos(50 * choice as u64),
        };
        let mut buffer = [0; TEXT.len()];
        let begin = Instant::now();
        let (producer, consumer) = arena.ends();
        match dice.roll(7) {
            0 => tally.popped(consumer.pop_timeout(&mut buffer, timeout)),
            1 => tally.popped(consumer.peek_timeout(timeout).map(|frame| frame.to_vec())),
            2 => {
                let frames = consumer.peek_many_timeout(begin + timeout);
                tally.popped(frames.map(|frames| frames.release()));
            }
            3 => met(consumer.wait_for_peer_timeout(timeout), tally),
            4 => met(producer.wait_for_peer_timeout(timeout), tally),
            5 => tally.pushed(producer.push_timeout(TEXT.as_bytes(), timeout)),
            _ => {
                let payloads = [&TEXT.as_bytes()[..200]; 30];
                tally.pushed(producer.push_all_timeout(0, &payloads, timeout));
            }
        }
        let took = begin.elapsed();
        assert!(took < BOUND, "{timeout:?} took {took:?}");
        if producer.corruption().is_some() || consumer.corruption().is_some() {
            arena.restore();
        }
    });
}

fn met(peer: Result<(), PeerError>, tally: &mut Tally) {
    match peer {
        Ok(()) => tally.done += 1,
        Err(PeerError::TimedOut | PeerError::Superseded) => tally.idle += 1,
        Err(error) => panic!("{error}"),
    }
}

/// The attack is only on the sleep words, so that only the deadline ends a wait.
fn waits_for_a_silent_peer_time_out() {
    let mut full = Arena::frames("full", 0, &[Target::SleepWords]);
    let producer = full.producer();
    while producer.try_push(TEXT.as_bytes()) != Err(ClaimError::Full) {}
    let mut empty = Arena::frames("empty", 0, &[Target::SleepWords]);
    let consumer = empty.consumer();
    run(1, Bites::Neither, |tally, dice| {
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
    run(1, Bites::Corrupt, |tally, dice| {
        let timeout = Duration::from_nanos(500 * dice.roll(8) as u64);
        if dice.roll(2) == 0 {
            two.feed(1, |_| (0, TEXT.as_bytes()[..40].to_vec()), dice);
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
        tally.popped(other.try_pop_into(&mut Vec::new()));
        tally.popped(consumer.try_pop_into(&mut Vec::new()));
        if producer.corruption().is_some() || consumer.corruption().is_some() {
            one.restore();
        }
    });
}
