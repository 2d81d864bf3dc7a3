//! What a `Select` reports of one endpoint, in which order: once that a peer has closed or crashed,
//! after its messages are read, and once that another one has attached.
//!
//! A poll that finds no peer may be older than the epoch that is reported with it. So the epoch is
//! read first, and then the endpoint is polled again: it finds what the peer published before,
//! or the restarted peer.
//!
//! This file makes no syscall and follows no pointer; `loom-tests/` compiles
//! it unchanged.

use core::num::NonZero;

/// What a `Select` asks of an endpoint.
pub(crate) trait Asked {
    /// `None` if there is nothing to do yet, else whether the peer has closed or crashed.
    fn poll(&mut self) -> Option<bool>;
    /// How often the peer's role was taken.
    fn peer_epoch(&self) -> u64;
    /// The liveness check: the epoch of the peer if that one has closed or crashed, or can no
    /// longer attach. The epoch is part of the state that is checked.
    fn check_peer(&mut self) -> Option<u64>;
    /// Identifies this ring and this role.
    fn identity(&self) -> u64;
}

/// What is new at an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum News {
    Ready,
    Abandoned,
    Attached,
}

/// What was reported of the endpoint at one index: `Abandoned`, if no `Attached` since.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reported(Option<Departure>);

#[derive(Debug, Clone, Copy)]
struct Departure {
    /// The identity of the endpoint that has lost its peer.
    end: u64,
    /// The peer's epoch plus one, so that `None` takes no space.
    next_epoch: NonZero<u64>,
}

impl Reported {
    pub(crate) const NOTHING: Self = Self(None);

    /// The epoch of the peer that was reported last, if the endpoint is the same.
    pub(crate) fn departed(&self, end: &impl Asked) -> Option<u64> {
        let departure = self.0?;
        let is_same = departure.end == end.identity();
        is_same.then_some(departure.next_epoch.get() - 1)
    }

    /// Polls the endpoint once.
    #[inline]
    pub(crate) fn poll(&mut self, end: &mut impl Asked) -> Option<News> {
        let found = end.poll();
        if let Some(epoch) = self.departed(end) {
            // close -> left: a consumer that has seen a restarted peer's message sees its epoch.
            if end.peer_epoch() != epoch {
                self.0 = None;
                return Some(News::Attached);
            }
            // Nothing new, unless the last messages of the previous peer were missed.
            return (found == Some(false)).then_some(News::Ready);
        }
        if found? {
            self.confirm(end)
        } else {
            Some(News::Ready)
        }
    }

    /// Reports that the peer has closed or crashed, unless the endpoint has work after all.
    fn confirm(&mut self, end: &mut impl Asked) -> Option<News> {
        let epoch = end.peer_epoch();
        // A second poll: the first may be older than this epoch.
        if end.poll()? {
            return Some(self.report(end, epoch));
        }
        Some(News::Ready)
    }

    /// Makes the liveness check. `Ready` if the peer has closed or crashed, and its last messages
    /// are to be read first.
    pub(crate) fn check(&mut self, end: &mut impl Asked) -> Option<News> {
        if self.departed(end).is_some() {
            return None;
        }
        let epoch = end.check_peer()?;
        if end.poll() == Some(false) {
            return Some(News::Ready);
        }
        Some(self.report(end, epoch))
    }

    fn report(&mut self, end: &impl Asked, epoch: u64) -> News {
        self.0 = Some(Departure {
            end: end.identity(),
            next_epoch: NonZero::<u64>::MIN.saturating_add(epoch),
        });
        News::Abandoned
    }
}
