//! Waiting for the first of many rings.

use core::fmt;
use std::error;
use std::io;
use std::time::Duration;

use crate::consumer::Consumer;
use crate::cursor::{Awaited, ReadCursor, WriteCursor};
use crate::doorbell::{MOST_WORDS, wait_any};
use crate::endpoint::{End, Endpoint};
use crate::error::{NoRoom, PopError, debug_as_display};
use crate::frame_consumer::FrameConsumer;
use crate::frame_producer::FrameProducer;
use crate::parker::{Rest, Sleeper};
use crate::producer::Producer;
use crate::ring::{Record, RoleGuard};
use crate::sync::AtomicU32;
use crate::wait::{self, LivenessTimer, Parkable, Step, System, WaitLoop};

/// Waits for the first of up to 127 ends of rings that has something to do,
/// with one sleep in the kernel (`futex_waitv`, Linux 5.16).
///
/// Fair: of several ends that are ready, the one after the last answer comes
/// first.
///
/// ```
/// use quoit::{RingOptions, Select, Selected};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (mut ticks_in, mut ticks) = RingOptions::new(8).heap::<u64>()?;
/// let (_log_in, mut log) = RingOptions::new(64).heap::<[u8]>()?;
/// ticks_in.try_push(7)?;
///
/// let mut select = Select::new();
/// match select.wait(&mut [ticks.interest(), log.interest()], None)? {
///     Selected::Ready(0) => assert_eq!(ticks.try_pop()?, 7),
///     Selected::Ready(_) => unreachable!("nobody has logged anything"),
///     Selected::Gone(index) => println!("ring {index} has lost its producer"),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
pub struct Select {
    /// Which end is asked first.
    next: usize,
    /// When all peers are looked at.
    liveness: LivenessTimer,
}

/// What [`Select::wait`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Selected {
    /// The end at this index has a message, or room, or an error that its next
    /// call tells.
    Ready(usize),
    /// The peer of the end at this index has left or died, and the end has
    /// neither messages nor room; or none has come, and the ring's name leads
    /// elsewhere by now. It is so the next time, too, at once: leave the end
    /// out until a new peer is expected.
    Gone(usize),
}

/// Why [`Select::wait`] has no answer.
#[non_exhaustive]
pub enum SelectError {
    /// No end had anything to do in time.
    TimedOut,
    /// No ends were given: nothing would ever happen.
    NoEnds,
    /// More ends were given than one call can wait for.
    TooManyEnds {
        /// How many were given.
        given: usize,
    },
    /// The end at this index sleeps on a semaphore: only rings with
    /// [`DoorbellKind::Futex`](crate::DoorbellKind::Futex) can be waited for
    /// together.
    NotAFutex {
        /// The end's index.
        index: usize,
    },
    /// The system cannot wait for many words; Linux can from 5.16 on.
    Unsupported(io::Error),
}

impl fmt::Display for SelectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut => f.write_str("no ring had anything to do in time"),
            Self::NoEnds => f.write_str("select was given no rings; give it at least one"),
            Self::TooManyEnds { given } => write!(
                f,
                "select was given {given} rings; it can wait for {} at once",
                Select::MOST_ENDS
            ),
            Self::NotAFutex { index } => write!(
                f,
                "ring {index} sleeps on a semaphore; create it with DoorbellKind::Futex \
                 to wait for it together with others"
            ),
            Self::Unsupported(source) => write!(
                f,
                "this kernel cannot wait for many rings ({source}); Linux 5.16 can"
            ),
        }
    }
}

debug_as_display!(enum SelectError {
    TimedOut, NoEnds, TooManyEnds { given }, NotAFutex { index }, Unsupported(source)
});

impl error::Error for SelectError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Unsupported(source) => Some(source),
            _ => None,
        }
    }
}

impl From<SelectError> for io::Error {
    fn from(error: SelectError) -> Self {
        let kind = match &error {
            SelectError::TimedOut => io::ErrorKind::TimedOut,
            SelectError::Unsupported(_) => io::ErrorKind::Unsupported,
            _ => io::ErrorKind::InvalidInput,
        };
        Self::new(kind, error)
    }
}

/// One end of a ring, borrowed for [`Select::wait`], and what it waits for.
#[must_use = "an interest does nothing until a `Select` waits for it"]
pub struct Interest<'a> {
    end: &'a mut (dyn Sleeping + Send),
    /// Units of room; ignored by consumers.
    wanted: u64,
}

impl fmt::Debug for Interest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interest").finish_non_exhaustive()
    }
}

/// What `Select` and the reactor need of an end.
pub(super) trait Sleeping {
    /// `None` if there is nothing to do yet, else whether the peer is gone.
    fn poll(&mut self, wanted: u64) -> Option<bool>;
    /// What it awaits.
    fn awaited(&self, wanted: u64) -> Awaited;
    fn position(&self) -> u64;
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
        self.awaited(wanted)
    }

    fn position(&self) -> u64 {
        self.cursor.position()
    }

    fn role(&self) -> &RoleGuard {
        &self.role
    }

    fn role_mut(&mut self) -> &mut RoleGuard {
        &mut self.role
    }
}

impl<T: Record> Consumer<T> {
    /// This end, to wait for messages together with other rings: [`Select`].
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
    /// This end, to wait for messages together with other rings: [`Select`].
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
    /// This end, to wait for room for one record together with other rings:
    /// [`Select`].
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
    /// This end, to wait for room for a frame of `len` bytes together with other
    /// rings: [`Select`]. A frame that is too long is ready at once: the push says why.
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

impl Select {
    /// How many ends can be waited for at once.
    pub const MOST_ENDS: usize = MOST_WORDS - 1;

    /// A fresh turn: the first end comes first.
    pub fn new() -> Self {
        Self::default()
    }

    /// Waits until one of `ends` has a message or room, or has lost its peer,
    /// up to `timeout`; `None` waits for as long as it takes.
    ///
    /// Waits as the first end was told to ([`RingOptions::wait_strategy`] and
    /// [`spin`](crate::RingOptions::spin)).
    ///
    /// # Errors
    ///
    /// [`SelectError::TimedOut`], or what is wrong with `ends` or the kernel.
    ///
    /// # Real-time
    ///
    /// No allocation; may sleep, unless one of the ends is ready. Linear in
    /// the ends.
    ///
    /// [`RingOptions::wait_strategy`]: crate::RingOptions::wait_strategy
    pub fn wait(
        &mut self,
        ends: &mut [Interest<'_>],
        timeout: Option<Duration>,
    ) -> Result<Selected, SelectError> {
        let count = ends.len();
        if count > Self::MOST_ENDS {
            return Err(SelectError::TooManyEnds { given: count });
        }
        let is_other = |end: &Interest<'_>| !end.end.role().sleeps_on_futex();
        if let Some(index) = ends.iter().position(is_other) {
            return Err(SelectError::NotAFutex { index });
        }
        let Some(first) = ends.first_mut() else {
            return Err(SelectError::NoEnds);
        };
        let mut config = first.end.role().wait_config();
        for end in &mut *ends {
            let other = end.end.role().wait_config();
            config.peer_check = config.peer_check.min(other.peer_check);
        }
        let mut steps = WaitLoop::new(config, timeout.into());
        loop {
            let next = self.next;
            let mut turn = (0..count).map(|step| (next + step) % count);
            for index in turn.clone() {
                let end = &mut ends[index];
                if let Some(gone) = end.end.poll(end.wanted) {
                    return Ok(self.answer(index, gone));
                }
            }
            match steps.step(&mut self.liveness) {
                Step::Retry => {}
                Step::Park(until) => park(ends, until).map_err(SelectError::Unsupported)?,
                Step::CheckPeer => {
                    match turn.find(|&index| ends[index].end.role_mut().is_left_alone()) {
                        Some(index) => {
                            // What it left behind comes first.
                            let end = &mut ends[index];
                            let gone = end.end.poll(end.wanted) != Some(false);
                            return Ok(self.answer(index, gone));
                        }
                        None => self.liveness.reset(),
                    }
                }
                Step::TimedOut => return Err(SelectError::TimedOut),
            }
        }
    }

    fn answer(&mut self, index: usize, gone: bool) -> Selected {
        self.next = index + 1;
        if gone {
            Selected::Gone(index)
        } else {
            Selected::Ready(index)
        }
    }
}

impl Parkable for Interest<'_> {
    fn sleeper(&mut self) -> (&mut Sleeper, &AtomicU32) {
        self.end.role_mut().sleeper()
    }

    fn position(&self) -> u64 {
        self.end.position()
    }

    fn has_work(&self) -> bool {
        self.end.role().has_work(self.end.awaited(self.wanted))
    }

    fn drain(&self) {
        self.end.role().drain();
    }

    fn count_sleep(&self, rescued: bool) {
        self.end.role().count_sleep(rescued);
    }
}

/// Parks all ends together, with one barrier and one sleep.
fn park(ends: &mut [Interest<'_>], until: u64) -> io::Result<()> {
    let mut refused = Ok(());
    wait::park(ends, &System, until, |ends, until| {
        let words = ends.iter().map(|end| end.end.role().own_word());
        wait_any(words, until).unwrap_or_else(|error| {
            refused = Err(error);
            Rest::Ended
        })
    });
    refused
}
