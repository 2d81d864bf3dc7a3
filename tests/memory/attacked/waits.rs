//! Waits, while the attacker writes the words that endpoints poll and sleep on.

use std::time::{Duration, Instant};

use quoit::{ClaimError, PeerError, PopError, Select, SelectError};

use super::arena::{Arena, any_choices, run};
use crate::common::calls::Wait;
use crate::common::dice::Dice;
use crate::common::refused::is;
use crate::hostile::body::Tally;
use crate::hostile::body::memory::PAGE;
use crate::hostile::body::memory::Target::{self, Positions, Release, SleepWords, States, Tail};

crate::common::suite::tests! {
    waits_end_by_their_deadline,
    waits_for_a_silent_peer_time_out,
}

/// The time that a wait may take. The scheduler may be slow, but not in every round.
const BOUND: Duration = Duration::from_secs(5);
const MESSAGE: [u8; 40] = [7; 40];

/// Mostly words that an endpoint polls while it waits, and sometimes words that poison it.
#[rustfmt::skip]
const TARGETS: [Target; 12] = [
    SleepWords, Tail, Release, SleepWords, Tail, Release, SleepWords, Tail, Release, SleepWords,
    States, Positions,
];

/// Makes a wait that ends by this timeout, mostly a short one.
fn timed(dice: &mut Dice, wait: impl FnOnce(&mut Dice, Duration)) -> [Duration; 2] {
    let timeout = match dice.roll(64) {
        0 => Duration::from_micros(50),
        choice => Duration::from_nanos(50 * choice as u64),
    };
    let begin = Instant::now();
    wait(dice, timeout);
    let took = begin.elapsed();
    assert!(took < BOUND, "{timeout:?} took {took:?}");
    [timeout, took]
}

fn waits_end_by_their_deadline() {
    let tally = Tally::default();
    let mut arena = Arena::<[u8]>::new(PAGE, 0, &TARGETS, &tally);
    let mut select = Select::new();
    run(&tally, &["corrupt"], |dice| {
        timed(dice, |dice, timeout| {
            let (wait, choices) = (Wait::Until(timeout.into()), &mut any_choices(dice, 128));
            match dice.roll(8) {
                0 => met(arena.consumer().wait_for_peer_timeout(timeout)),
                1 => met(arena.producer().wait_for_peer_timeout(timeout)),
                2 => {
                    let (producer, consumer) = arena.ends();
                    let mut ends = [producer.interest(MESSAGE.len()), consumer.interest()];
                    let selected = select.wait(&mut ends, Some(timeout));
                    is!(selected => Ok(_) | Err(SelectError::TimedOut));
                }
                3..6 => arena.world.read_in(wait, choices),
                _ => arena.world.write_in(wait, choices),
            }
        });
        arena.repair();
    });
}

fn met(peer: Result<(), PeerError>) {
    is!(peer => Ok(()) | Err(PeerError::TimedOut | PeerError::Superseded));
}

/// The attack is only on the sleep words, so that only the deadline ends a wait.
fn waits_for_a_silent_peer_time_out() {
    let tally = Tally::default();
    let [mut full, mut empty] =
        [(); 2].map(|()| Arena::<[u8]>::new(PAGE, 0, &[SleepWords], &tally));
    let (producer, consumer) = (full.producer(), empty.consumer());
    while producer.try_push(&MESSAGE) != Err(ClaimError::Full) {}
    run(&tally, &[], |dice| {
        let [timeout, took] = timed(dice, |dice, timeout| match dice.roll(3) {
            0 => {
                let pushed = producer.push_timeout(&MESSAGE, timeout);
                assert_eq!(pushed, Err(ClaimError::TimedOut));
            }
            1 => {
                let popped = consumer.pop_timeout(&mut [], timeout);
                assert_eq!(popped, Err(PopError::TimedOut));
            }
            _ => {
                let mut ends = [producer.interest(MESSAGE.len()), consumer.interest()];
                let selected = Select::new().wait(&mut ends, Some(timeout));
                is!(selected => Err(SelectError::TimedOut));
            }
        });
        assert!(took >= timeout, "{timeout:?} took {took:?}");
    });
}
