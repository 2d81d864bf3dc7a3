//! What a `Select` reports of one end, in which order: a peer's departure once, when
//! what it left behind is read, and its successor once.
//!
//! A poll that finds the peer gone may be older than the epoch that is reported with it.
//! So the epoch is read first, and then the end is polled once more: what was published
//! before the departure is found, or a successor is.
//!
//! This file makes no syscall and follows no pointer; `loom-tests/` compiles
//! it as it stands.

use core::num::NonZero;

/// An endpoint, as a `Select` asks it.
pub(crate) trait Asked {
    /// `None` if there is nothing to do yet, else whether the peer is gone.
    fn poll(&mut self) -> Option<bool>;
    /// How often the peer's role was taken.
    fn peer_epoch(&self) -> u64;
    /// The liveness check: the epoch of the peer if that one is gone, or can no longer
    /// arrive. The epoch is of the state that is checked.
    fn check_peer(&mut self) -> Option<u64>;
    /// Tells this ring and this role from all others.
    fn identity(&self) -> u64;
}

/// What is new of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum News {
    Ready,
    Gone,
    Back,
}

/// What was reported of the end at one index: its departure, if no successor was yet.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reported(Option<Departure>);

#[derive(Debug, Clone, Copy)]
struct Departure {
    /// The identity of the end that has lost its peer.
    end: u64,
    /// The peer's epoch and one, so that none takes no room.
    next_epoch: NonZero<u64>,
}

impl Reported {
    pub(crate) const NOTHING: Self = Self(None);

    /// The epoch of the peer whose departure was reported last, if the end is the same.
    pub(crate) fn departed(&self, end: &impl Asked) -> Option<u64> {
        let departure = self.0?;
        let is_same = departure.end == end.identity();
        is_same.then_some(departure.next_epoch.get() - 1)
    }

    /// Asks the end once.
    #[inline]
    pub(crate) fn poll(&mut self, end: &mut impl Asked) -> Option<News> {
        let found = end.poll();
        if let Some(epoch) = self.departed(end) {
            // close -> left: who has seen a successor's message sees its epoch.
            if end.peer_epoch() != epoch {
                self.0 = None;
                return Some(News::Back);
            }
            // Nothing new, unless the predecessor's last words were overlooked.
            return (found == Some(false)).then_some(News::Ready);
        }
        if found? {
            self.confirm(end)
        } else {
            Some(News::Ready)
        }
    }

    /// Reports the departure that a poll has found, unless the end has something to do
    /// after all.
    fn confirm(&mut self, end: &mut impl Asked) -> Option<News> {
        let epoch = end.peer_epoch();
        // A second poll: the first may be older than this epoch.
        if end.poll()? {
            return Some(self.report(end, epoch));
        }
        Some(News::Ready)
    }

    /// Checks whether the peer lives. `Ready` if it is gone, and what it left behind comes
    /// first.
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
        News::Gone
    }
}
