//! Adapts polling to the load, from how many polls were empty.
//!
//! A consumer that has *caught up* polls many times before a message arrives: an inline copy saves
//! it a cache miss, so the producer gets a hint.
//!
//! An endpoint *close behind* a stream finds a little with each poll: the consumer a few messages,
//! the producer in a full ring a little room. Each poll takes cache lines away from the peer, whose
//! stores wait until they are back, and both slow down. So such an endpoint backs off for a moment:
//! the next poll finds much, and the lines move once for all of it. (Temporal slipping in
//! FastForward, Giacomoni et al., 2008.)

use crate::sync::spin_loop;

/// Empty polls after which an endpoint has caught up.
const CAUGHT_UP: u32 = 4;
/// Polls that found more than one unit, with hardly an empty one between them, after which there is
/// a stream.
const STREAM: u32 = 8;
/// Bytes ahead at which the endpoints use different lines.
const CLOSE: u64 = 4096;
/// How long an endpoint close behind backs off: about a microsecond.
const PAUSES: u32 = 24;

/// The recent polls.
#[derive(Debug)]
pub(crate) struct Pacing {
    in_vain: u32,
    crowded: u32,
    /// As last reported.
    caught_up: bool,
    /// Whether to back off before the next poll.
    slips: bool,
    /// Units ahead at which the peer is close.
    close: u64,
}

impl Pacing {
    /// For a ring of this many units of this many bytes.
    pub(crate) fn new(capacity: u64, unit: u64) -> Self {
        Self {
            in_vain: 0,
            crowded: 0,
            caught_up: false,
            slips: false,
            close: (capacity / 4).min(CLOSE / unit),
        }
    }

    /// Before a poll.
    #[inline(always)]
    pub(crate) fn begin(&mut self) {
        if self.slips {
            self.slip();
        }
    }

    #[cold]
    fn slip(&mut self) {
        self.slips = false;
        for _ in 0..PAUSES {
            spin_loop();
        }
    }

    /// A poll found nothing, or too little. Returns whether this endpoint has caught up, if that
    /// changed.
    #[inline]
    pub(crate) fn in_vain(&mut self) -> bool {
        self.in_vain = self.in_vain.saturating_add(1);
        if self.in_vain < CAUGHT_UP {
            return false;
        }
        self.crowded = 0;
        !core::mem::replace(&mut self.caught_up, true)
    }

    /// A poll found more than one unit. Returns whether this endpoint has no longer caught up, if
    /// that changed.
    #[inline]
    pub(crate) fn crowded(&mut self, units: u64) -> bool {
        self.in_vain = 0;
        self.crowded = self.crowded.saturating_add(1);
        if self.crowded < STREAM {
            return false;
        }
        self.slips = units < self.close;
        core::mem::take(&mut self.caught_up)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_that_has_caught_up_says_so_once() {
        let mut pacing = Pacing::new(1024, 8);
        let hints: Vec<_> = (0..6).map(|_| pacing.in_vain()).collect();
        assert_eq!(hints, [false, false, false, true, false, false]);
    }

    #[test]
    fn a_stream_takes_that_back_though_looks_in_vain_come_between() {
        let mut pacing = Pacing::new(1024, 8);
        while !pacing.in_vain() {}
        let hints: Vec<_> = (0..STREAM + 1)
            .map(|_| {
                pacing.in_vain();
                pacing.crowded(2)
            })
            .collect();
        let taken_back = hints.iter().position(|&back| back);
        assert_eq!(taken_back, Some(STREAM as usize - 1));
        assert_eq!(hints.iter().filter(|&&back| back).count(), 1);
    }

    #[test]
    fn only_an_end_close_behind_a_stream_slips_and_only_once() {
        let mut pacing = Pacing::new(1024, 8);
        for _ in 1..STREAM {
            pacing.crowded(2);
            assert!(!pacing.slips, "a burst is no stream");
        }
        pacing.crowded(2);
        assert!(pacing.slips);
        pacing.begin();
        assert!(!pacing.slips, "it backs off once for each poll");
        pacing.crowded(256);
        assert!(!pacing.slips, "a quarter of the ring ahead is not close");
        for _ in 0..CAUGHT_UP {
            pacing.in_vain();
        }
        pacing.crowded(2);
        assert!(!pacing.slips, "that stream is over");
    }
}
