//! What a wait for several rings needs of one endpoint.

use core::fmt;

use super::news::Asked;
use crate::consumer::Consumer;
use crate::cursor::{Awaited, ReadCursor, WriteCursor};
use crate::endpoint::{End, Endpoint};
use crate::error::{NoRoom, PopError};
use crate::frame_consumer::FrameConsumer;
use crate::frame_producer::FrameProducer;
use crate::producer::Producer;
use crate::ring::{Record, RoleGuard};

/// What [`Select::wait`](crate::Select::wait) can wait for: an endpoint, a borrow of one, or a type
/// of yours that holds one.
///
/// Implement it for a type that holds an endpoint and the other data of a feed. Then you can wait
/// for a slice of such feeds:
///
/// ```
/// use quoit::{FrameConsumer, Interest, Select, Selectable, Selected};
/// # use quoit::RingOptions;
///
/// struct Feed {
///     venue: &'static str,
///     frames: FrameConsumer,
/// }
///
/// impl Selectable for Feed {
///     fn interest(&mut self) -> Interest<'_> {
///         self.frames.interest()
///     }
/// }
///
/// # let feed = |venue| -> Result<_, quoit::Error> {
/// #     let (producer, frames) = RingOptions::new(4096).heap::<[u8]>()?;
/// #     Ok((producer, Feed { venue, frames }))
/// # };
/// # let ((_one, north), (mut two, south)) = (feed("north")?, feed("south")?);
/// # two.try_push(b"hello")?;
/// let mut feeds = vec![north, south];
/// let mut select = Select::new();
/// if let Selected::Ready(index) = select.wait(&mut feeds, None)? {
///     assert_eq!(feeds[index].venue, "south");
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Selectable {
    /// The endpoint, and what it waits for. A `Select` calls this many times in one wait,
    /// and expects the same endpoint each time.
    fn interest(&mut self) -> Interest<'_>;
}

impl<S: Selectable + ?Sized> Selectable for &mut S {
    fn interest(&mut self) -> Interest<'_> {
        (**self).interest()
    }
}

/// An endpoint of a ring, borrowed for [`Select::wait`](crate::Select::wait), and what it
/// waits for.
#[must_use = "an interest does nothing until a `Select` waits for it"]
pub struct Interest<'a> {
    end: &'a mut (dyn Sleeping + Send + 'static),
    /// Units of room; ignored by consumers.
    wanted: u64,
}

impl<'a> Interest<'a> {
    pub(in crate::adapters) fn new(
        end: &'a mut (dyn Sleeping + Send + 'static),
        wanted: u64,
    ) -> Self {
        Self { end, wanted }
    }
}

impl Interest<'_> {
    /// What it awaits.
    pub(crate) fn awaited(&self) -> Awaited {
        self.end.awaited(self.wanted)
    }

    pub(crate) fn position(&self) -> u64 {
        self.end.position()
    }

    #[inline]
    pub(crate) fn role(&self) -> &RoleGuard {
        self.end.role()
    }

    pub(crate) fn role_mut(&mut self) -> &mut RoleGuard {
        self.end.role_mut()
    }
}

impl Asked for Interest<'_> {
    fn poll(&mut self) -> Option<bool> {
        self.end.poll(self.wanted)
    }

    fn peer_epoch(&self) -> u64 {
        self.end.role().peer_epoch()
    }

    fn check_peer(&mut self) -> Option<u64> {
        self.end.role_mut().check_peer()
    }

    fn identity(&self) -> u64 {
        self.end.identity()
    }
}

impl Selectable for Interest<'_> {
    fn interest(&mut self) -> Interest<'_> {
        Interest {
            end: &mut *self.end,
            wanted: self.wanted,
        }
    }
}

impl fmt::Debug for Interest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interest").finish_non_exhaustive()
    }
}

/// What `Select` and the reactor need of an endpoint.
pub(crate) trait Sleeping {
    /// `None` if there is nothing to do yet, else whether the peer has closed or crashed.
    fn poll(&mut self, wanted: u64) -> Option<bool>;
    /// What it awaits.
    fn awaited(&self, wanted: u64) -> Awaited;
    fn position(&self) -> u64;
    /// Identifies this ring and this role.
    fn identity(&self) -> u64;
    fn role(&self) -> &RoleGuard;
    fn role_mut(&mut self) -> &mut RoleGuard;
}

impl Sleeping for Endpoint<ReadCursor> {
    fn poll(&mut self, _wanted: u64) -> Option<bool> {
        if self.cursor.seen() > 0 {
            return Some(false);
        }
        match self.poll(1) {
            Err(PopError::Empty) => None,
            Err(PopError::Abandoned) => Some(true),
            _ => Some(false), // a message, or an error for the next call to report
        }
    }

    fn awaited(&self, _wanted: u64) -> Awaited {
        self.awaited()
    }

    fn position(&self) -> u64 {
        self.cursor.position()
    }

    fn identity(&self) -> u64 {
        self.role.shared().incarnation() | 1
    }

    fn role(&self) -> &RoleGuard {
        &self.role
    }

    fn role_mut(&mut self) -> &mut RoleGuard {
        &mut self.role
    }
}

impl Sleeping for Endpoint<WriteCursor> {
    fn poll(&mut self, wanted: u64) -> Option<bool> {
        match self.room(wanted) {
            Err(NoRoom::Full) => None,
            Err(NoRoom::Abandoned) => Some(true),
            _ => Some(false), // room, or an error for the next call to report
        }
    }

    fn awaited(&self, wanted: u64) -> Awaited {
        if self.closed {
            // It never has room again, whatever the head is.
            return Awaited::Nothing;
        }
        self.awaited(wanted)
    }

    fn position(&self) -> u64 {
        self.cursor.position()
    }

    fn identity(&self) -> u64 {
        self.role.shared().incarnation() & !1
    }

    fn role(&self) -> &RoleGuard {
        &self.role
    }

    fn role_mut(&mut self) -> &mut RoleGuard {
        &mut self.role
    }
}

impl<T: Record> Consumer<T> {
    /// This endpoint, to wait for messages together with other rings: [`Select`](crate::Select).
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    pub fn interest(&mut self) -> Interest<'_> {
        Interest {
            end: &mut self.end,
            wanted: 1,
        }
    }
}

impl FrameConsumer {
    /// This endpoint, to wait for messages together with other rings: [`Select`](crate::Select).
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    pub fn interest(&mut self) -> Interest<'_> {
        Interest {
            end: self.endpoint_mut(),
            wanted: 1,
        }
    }
}

impl<T: Record> Producer<T> {
    /// This endpoint, to wait for room for one record together with other rings:
    /// [`Select`](crate::Select).
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    pub fn interest(&mut self) -> Interest<'_> {
        Interest {
            end: &mut self.end,
            wanted: 1,
        }
    }
}

impl FrameProducer {
    /// This endpoint, to wait for room for a frame of `len` bytes together with other rings:
    /// [`Select`](crate::Select). A frame that is too long is ready at once: the push returns the
    /// error.
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    pub fn interest(&mut self, len: usize) -> Interest<'_> {
        let wanted = self.bytes_needed(len);
        Interest {
            end: self.endpoint_mut(),
            wanted,
        }
    }
}

impl<T: Record> Selectable for Consumer<T> {
    fn interest(&mut self) -> Interest<'_> {
        self.interest()
    }
}

impl Selectable for FrameConsumer {
    fn interest(&mut self) -> Interest<'_> {
        self.interest()
    }
}

impl<T: Record> Selectable for Producer<T> {
    fn interest(&mut self) -> Interest<'_> {
        self.interest()
    }
}
