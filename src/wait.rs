//! Waiting: how an endpoint spins, yields, sleeps, and checks whether its peer is alive.

mod arrivals;
mod backoff;
mod liveness;
mod pacing;
mod sleep;

pub use self::backoff::WaitStrategy;
pub(crate) use self::backoff::{Step, WaitConfig, WaitHistory, WaitLoop};
pub(crate) use self::liveness::{
    is_left_alone, is_peer_held, is_stopped, is_superseded, peer_closed_or_crashed,
};
pub(crate) use self::pacing::Pacing;
pub(crate) use self::sleep::{Ending, Kernel, Parkable, park, start_sleep, wake_up};

use crate::doorbell;

/// The kernel of this machine.
pub(crate) struct System;

impl Kernel for System {
    fn barrier(&self) -> bool {
        doorbell::barrier()
    }

    fn now(&self) -> u64 {
        doorbell::now()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::parker::{DROWSY, PARKED, Rest, Sleeper, WAKE_GRACE_NS};
    use crate::sync::{AtomicU32, WORD};

    const MS: u64 = 1_000_000;
    /// This many missing wakes in a row are a fault of the peer.
    const MISSED_WAKES_LIMIT: usize = 8;

    /// A kernel whose clock advances with each sleep.
    struct Clock(Cell<u64>);

    impl Kernel for Clock {
        fn barrier(&self) -> bool {
            true
        }

        fn now(&self) -> u64 {
            self.0.get()
        }
    }

    struct End {
        sleeper: Sleeper,
        word: AtomicU32,
        has_work: Cell<bool>,
        rescues: Cell<u32>,
    }

    impl End {
        fn new() -> Self {
            let word = AtomicU32::new(DROWSY);
            Self {
                sleeper: Sleeper::new(&word, true, u64::MAX, 0),
                word,
                has_work: Cell::new(false),
                rescues: Cell::new(0),
            }
        }

        /// The peer moves its position and changes the word.
        fn called(&self) {
            self.has_work.set(true);
            self.word.replace(PARKED, DROWSY, WORD);
        }
    }

    impl Parkable for End {
        fn sleeper(&mut self) -> (&mut Sleeper, &AtomicU32) {
            (&mut self.sleeper, &self.word)
        }

        fn position(&self) -> u64 {
            0
        }

        fn has_work(&self) -> bool {
            self.has_work.get()
        }

        fn drain(&self) {}

        fn count_sleep(&self) {}

        fn count_rescue(&self) {
            self.rescues.set(self.rescues.get() + 1);
        }
    }

    /// Parks both endpoints for that time, with the events of each sleep; returns their rescues so
    /// far.
    fn park_for(
        ends: &mut [End; 2],
        nanos: u64,
        sleeps: &mut dyn FnMut(usize, &[End]) -> Rest,
    ) -> [u32; 2] {
        let clock = Clock(Cell::new(0));
        let mut count = 0;
        ends.iter().for_each(|end| end.has_work.set(false));
        park(ends, &clock, nanos, |ends, until| {
            clock.0.set(until);
            count += 1;
            sleeps(count, ends)
        });
        ends.each_ref().map(|end| end.rescues.get())
    }

    /// The first one's peer wakes, and its wake does not arrive.
    fn unheard(count: usize, ends: &[End]) -> Rest {
        ends[0].called();
        match count {
            1 => Rest::TimedOut,
            _ => Rest::Ended, // the word was changed before
        }
    }

    #[test]
    fn many_wakes_in_a_row_that_do_not_arrive_are_rescues() {
        let mut ends = [End::new(), End::new()];
        for round in 1..MISSED_WAKES_LIMIT {
            assert_eq!(
                park_for(&mut ends, 100 * MS, &mut unheard),
                [0, 0],
                "{round}"
            );
        }
        assert_eq!(park_for(&mut ends, 100 * MS, &mut unheard), [1, 0]);
        assert_eq!(park_for(&mut ends, 100 * MS, &mut unheard), [2, 0]);
    }

    #[test]
    fn one_that_arrives_ends_the_row_and_one_for_another_end_does_not() {
        for (woken, rescues) in [(0, 0), (1, 1)] {
            let mut ends = [End::new(), End::new()];
            for _ in 1..MISSED_WAKES_LIMIT {
                park_for(&mut ends, 100 * MS, &mut unheard);
            }
            park_for(&mut ends, 100 * MS, &mut |_, ends| {
                ends.iter().for_each(End::called);
                Rest::Woken(woken)
            });
            let found = park_for(&mut ends, 100 * MS, &mut unheard);
            assert_eq!(found, [rescues, 0], "{woken}");
        }
    }

    #[test]
    fn one_that_arrives_in_the_grace_ends_the_row() {
        let mut ends = [End::new(), End::new()];
        for _ in 0..2 * MISSED_WAKES_LIMIT {
            let found = park_for(&mut ends, 100 * MS, &mut |count, ends| {
                ends[0].called();
                [Rest::TimedOut, Rest::Woken(0)][count - 1]
            });
            assert_eq!(found, [0, 0]);
        }
    }

    #[test]
    fn the_deadline_of_a_short_sleep_tells_nothing() {
        let mut ends = [End::new(), End::new()];
        for _ in 0..2 * MISSED_WAKES_LIMIT {
            let found = park_for(&mut ends, WAKE_GRACE_NS - 1, &mut unheard);
            assert_eq!(found, [0, 0]);
        }
        for _ in 0..MISSED_WAKES_LIMIT {
            park_for(&mut ends, WAKE_GRACE_NS, &mut unheard);
        }
        assert_eq!(ends[0].rescues.get(), 1);
    }

    #[test]
    fn a_word_unchanged_through_the_grace_is_a_rescue_of_its_endpoint_only() {
        let mut ends = [End::new(), End::new()];
        let found = park_for(&mut ends, 100 * MS, &mut |count, ends| {
            // The other one's peer moves in the grace: its wake may be in flight.
            ends[count - 1].has_work.set(true);
            Rest::TimedOut
        });
        assert_eq!(found, [1, 0]);
    }
}
