//! Adapts polling to the load, from what the last polls found.
//!
//! A consumer that has *caught up* polls many times before a message arrives: an inline
//! copy saves it a cache miss, so the producer gets a hint.
//!
//! An endpoint *close behind* a stream finds a little with each poll: the consumer a few
//! messages, the producer in a full ring a little room. Each poll takes lines away from
//! the peer, whose stores wait until they are back, so both slow down.
//! So such an endpoint backs off before it polls again: that poll finds much, and the lines move once for all of it. (Temporal slipping in FastForward,
//! Giacomoni et al., 2008.) How long it backs off is tuned by what the polls find, in
//! hints to the processor: that fits any processor, any distance between the two, and
//! any size of record. Both endpoints do so; the slower one finds enough, and stops.
//!
//! A thread that has polled an empty ring since its last message, for the reply or for the next
//! request, has time while a message is in flight: it takes the lines of the next one
//! then. The thread of a stream has not, however long its consumer waits.

use core::cell::Cell;

use crate::sync::spin_loop;

thread_local! {
    /// Empty polls of the consumers of this thread.
    static IDLE: Cell<u32> = const { Cell::new(0) };
}

/// Empty polls in a row after which an endpoint has caught up. A line's way between two
/// processors takes fewer.
const CAUGHT_UP: u32 = 64;
/// Polls in a row that found a single message after at least one empty poll, after which
/// an endpoint has caught up as well.
const LONE: u32 = 4;
/// Polls that found more than one message, with fewer lone ones between
/// them, after which there is a stream.
const STREAM: u32 = 8;
/// Bytes ahead at which the endpoints' lines no longer meet.
const CLOSE: u64 = 4096;
/// The most hints to the processor for which an endpoint backs off.
const LONGEST_SLIP: u32 = 64;

/// The recent polls.
#[derive(Debug)]
pub(crate) struct Pacing {
    /// In a row.
    empty_polls: u32,
    lone: u32,
    crowded: u32,
    /// As last said.
    caught_up: bool,
    /// Whether to back off before the next poll.
    slips: bool,
    /// For how many hints; kept from stream to stream.
    slip: u32,
    /// Units ahead at which the peer is not close.
    enough: u64,
    /// A poll has found enough.
    has_found: bool,
    /// What `IDLE` was at the last question.
    idle: u32,
    /// For how many hints in all.
    #[cfg(test)]
    pub(crate) looked_away: u64,
}

impl Pacing {
    /// Of a ring of `capacity` units of `unit` bytes.
    pub(crate) fn new(capacity: u64, unit: u64) -> Self {
        Self {
            empty_polls: 0,
            lone: 0,
            crowded: 0,
            caught_up: false,
            slips: false,
            slip: 0,
            enough: (capacity / 2).min(CLOSE / unit),
            has_found: false,
            idle: IDLE.get(),
            #[cfg(test)]
            looked_away: 0,
        }
    }

    /// Whether a stream lasts.
    #[inline(always)]
    pub(crate) fn is_stream(&self) -> bool {
        self.crowded >= STREAM
    }

    /// Whether a poll has found something: in a producer, that its first lap is over.
    #[inline(always)]
    pub(crate) fn has_found(&self) -> bool {
        self.has_found
    }

    #[inline(always)]
    pub(crate) fn note_found(&mut self) {
        self.has_found = true;
    }

    /// Before a poll.
    #[inline(always)]
    pub(crate) fn begin(&mut self) {
        if self.slips {
            self.back_off();
        }
    }

    #[cold]
    fn back_off(&mut self) {
        self.slips = false;
        for _ in 0..self.slip {
            #[cfg(test)]
            {
                self.looked_away += 1;
            }
            spin_loop();
        }
    }

    /// A consumer polled an empty ring.
    #[inline]
    pub(crate) fn note_idle() {
        IDLE.set(IDLE.get().wrapping_add(1));
    }

    /// Whether a consumer of this thread has polled an empty ring since the last question.
    #[inline]
    pub(crate) fn was_idle(&mut self) -> bool {
        let idle = IDLE.get();
        core::mem::replace(&mut self.idle, idle) != idle
    }

    /// A poll found nothing, or too little. Returns whether this endpoint has caught up
    /// now, when it is news.
    #[inline]
    pub(crate) fn record_empty(&mut self) -> bool {
        if self.empty_polls >= CAUGHT_UP {
            return false; // said before
        }
        self.empty_polls += 1;
        self.empty_polls == CAUGHT_UP && self.catch_up()
    }

    /// A poll found a single message of `units`, or room for one. Returns the
    /// same.
    #[inline]
    pub(crate) fn lone(&mut self, units: u64) -> bool {
        if self.empty_polls == 0 {
            self.tune(units); // a stream that crawls
            return false;
        }
        self.empty_polls = 0;
        if self.lone >= LONE {
            return false; // said before
        }
        self.lone += 1;
        self.lone == LONE && self.catch_up()
    }

    /// A poll found more than one message, of `units` together. Returns whether it is over
    /// with having caught up, when it is news.
    #[inline]
    pub(crate) fn crowded(&mut self, units: u64) -> bool {
        self.empty_polls = 0;
        self.lone = 0;
        self.crowded = self.crowded.saturating_add(1);
        self.tune(units);
        self.is_stream() && core::mem::take(&mut self.caught_up)
    }

    fn catch_up(&mut self) -> bool {
        self.crowded = 0;
        self.slips = false;
        !core::mem::replace(&mut self.caught_up, true)
    }

    /// Backs off longer if a poll found too little, and shorter if it found enough.
    fn tune(&mut self, units: u64) {
        if !self.is_stream() {
            return;
        }
        if units >= self.enough {
            self.slip -= self.slip.div_ceil(4);
        } else if units < self.enough - self.enough / 4 {
            self.slip = (self.slip + 1 + self.slip / 8).min(LONGEST_SLIP);
        }
        self.slips = self.slip > 0 && units < self.enough;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_a_stream() -> Pacing {
        let mut pacing = Pacing::new(1024, 8);
        for _ in 0..STREAM {
            pacing.crowded(2);
        }
        assert!(pacing.is_stream());
        pacing
    }

    #[test]
    fn an_endpoint_reports_once_that_it_has_caught_up() {
        let mut pacing = Pacing::new(1024, 8);
        let news: Vec<_> = (0..2 * CAUGHT_UP).map(|_| pacing.record_empty()).collect();
        let at = news.iter().position(|&news| news);
        assert_eq!(at, Some(CAUGHT_UP as usize - 1));
        assert_eq!(news.iter().filter(|&&news| news).count(), 1);
    }

    #[test]
    fn an_endpoint_that_waits_for_each_message_has_caught_up() {
        let mut pacing = Pacing::new(1024, 8);
        let mut message = || {
            assert!(!pacing.record_empty());
            pacing.lone(1)
        };
        let news: Vec<_> = (0..2 * LONE).map(|_| message()).collect();
        let at = news.iter().position(|&news| news);
        assert_eq!(at, Some(LONE as usize - 1));
        assert_eq!(news.iter().filter(|&&news| news).count(), 1);
    }

    #[test]
    fn single_messages_that_are_there_at_once_say_nothing() {
        let mut pacing = Pacing::new(1024, 8);
        assert!((0..100).all(|_| !pacing.lone(1)));
    }

    #[test]
    fn a_stream_clears_that_despite_empty_polls() {
        let mut pacing = Pacing::new(1024, 8);
        while !pacing.record_empty() {}
        let news: Vec<_> = (0..2 * STREAM)
            .map(|_| {
                for _ in 1..CAUGHT_UP {
                    assert!(!pacing.record_empty());
                }
                pacing.crowded(2)
            })
            .collect();
        let at = news.iter().position(|&news| news);
        assert_eq!(at, Some(STREAM as usize - 1));
        assert_eq!(news.iter().filter(|&&news| news).count(), 1);
    }

    #[test]
    fn a_stream_ends_when_its_end_has_caught_up() {
        let mut pacing = in_a_stream();
        for _ in 1..CAUGHT_UP {
            pacing.record_empty();
        }
        assert!(pacing.is_stream(), "a line takes a while");
        pacing.record_empty();
        assert!(!pacing.is_stream() && !pacing.slips);

        let mut pacing = in_a_stream();
        for _ in 0..LONE {
            assert!(pacing.is_stream());
            pacing.record_empty();
            pacing.lone(1);
        }
        assert!(!pacing.is_stream() && !pacing.slips);
    }

    #[test]
    fn only_an_endpoint_close_behind_a_stream_backs_off_once_for_each_poll() {
        let mut pacing = Pacing::new(1024, 8);
        for _ in 1..STREAM {
            pacing.crowded(2);
            pacing.lone(1);
            assert!(!pacing.slips, "a burst is no stream");
        }
        pacing.crowded(2);
        assert!(pacing.slips);
        pacing.begin();
        assert!(!pacing.slips);
        pacing.lone(1);
        assert!(pacing.slips, "a stream that crawls");
        pacing.crowded(512);
        assert!(!pacing.slips, "as much as there are bytes to keep apart");
    }

    /// The hints for which an endpoint backs off in the end, if each poll finds what arrived since the last one.
    fn tuned(capacity: u64, unit: u64, per_hint: u64, without: u64) -> u32 {
        let mut pacing = Pacing::new(capacity, unit);
        for _ in 0..1000 {
            let slip = u64::from(if pacing.slips { pacing.slip } else { 0 });
            pacing.begin();
            pacing.crowded((without + slip * per_hint).clamp(2, capacity));
        }
        pacing.slip
    }

    #[test]
    fn a_thread_was_idle_if_its_consumer_polled_without_a_message() {
        let mut pacing = Pacing::new(1024, 8);
        assert!(!pacing.was_idle());
        pacing.record_empty();
        std::thread::spawn(Pacing::note_idle)
            .join()
            .expect("no panic");
        assert!(!pacing.was_idle(), "a producer, another thread");
        Pacing::note_idle();
        assert!(pacing.was_idle());
        assert!(!pacing.was_idle(), "once");
    }

    #[test]
    fn an_endpoint_backs_off_until_it_finds_enough() {
        // A message every hint, or ten: until they are 512 apart, at most.
        assert_eq!(tuned(1 << 16, 8, 1, 2), LONGEST_SLIP);
        assert!((28..=60).contains(&tuned(1 << 16, 8, 10, 2)));
        // A ring that is half filled while the lines are in flight.
        assert_eq!(tuned(64, 8, 3, 32), 0);
        assert_eq!(tuned(1 << 16, 8, 3, 4096), 0);
        // The smallest rings carry no stream.
        assert_eq!(tuned(2, 8, 3, 2), 0);
    }
}
