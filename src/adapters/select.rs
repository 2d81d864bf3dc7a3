//! Waits until one of many rings is ready.

mod interest;
mod news;

use core::fmt;
use std::error;
use std::io;

pub(super) use self::interest::Sleeping;
pub use self::interest::{Interest, Selectable};
use self::news::{News, Reported};
use crate::deadline::Deadline;
use crate::doorbell::{MOST_WORDS, wait_any};
use crate::error::debug_as_display;
use crate::parker::{Rest, Sleeper};
use crate::peer::{Change, Goal};
use crate::sync::AtomicU32;
use crate::wait::{self, Parkable, Step, System, WaitConfig, WaitHistory, WaitLoop};

/// Waits until one of up to 127 endpoints is ready,
/// with one sleep in the kernel (`futex_waitv`, Linux 5.16).
///
/// The endpoints are a slice, which each wait borrows: consumers in a `Vec`, interests in an
/// array on the stack, or any type of yours that is [`Selectable`]. A `Select` is for one
/// such set: it remembers by index what it has reported, so keep it, and keep the order.
/// An endpoint that moves to another index counts as a new endpoint.
///
/// A `Select` is fair: if several endpoints are ready, it reports the first of them that follows the
/// one it reported last.
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
///     Selected::Ready(_) => unreachable!("the log is empty"),
///     Selected::Abandoned(index) => println!("the producer of ring {index} closed or crashed"),
///     Selected::Attached(index) => println!("ring {index} has another producer"),
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Peers that restart
///
/// Each endpoint is reported in this order, repeatedly:
///
/// 1. [`Ready`](Selected::Ready) while there is a message or room. You read what a peer has
///    published before `Abandoned` is reported.
/// 2. [`Abandoned`](Selected::Abandoned), once each time a peer closes or crashes. The endpoint stays in the
///    set, and costs nothing.
/// 3. [`Attached`](Selected::Attached), once, when another peer has attached, even if that one has closed
///    or crashed as well. Then `Ready` for what it has published.
///
/// `Abandoned` and `Attached` alternate. If a peer restarts before a wait has noticed that, neither is
/// reported, and its messages are `Ready` as any others:
/// [`peer_epoch`](crate::Consumer::peer_epoch) counts each restart.
///
/// # Endpoints that spin
///
/// An endpoint that has a core to itself never sleeps, and does not need a `Select`:
///
/// ```
/// # use quoit::{Consumer, RingOptions};
/// # let (mut producer, consumer) = RingOptions::new(8).heap::<u64>()?;
/// # producer.try_push(7)?;
/// # let mut consumers: [Consumer<u64>; 1] = [consumer];
/// # let mut sum = 0;
/// # let mut handle = |_index, message| sum += message;
/// # for _ in 0..2 {
/// for (index, consumer) in consumers.iter_mut().enumerate() {
///     if let Ok(message) = consumer.try_pop() { handle(index, message) }
/// }
/// # }
/// # assert_eq!(sum, 7);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// in a loop is the fastest way to serve a few rings: a poll of an empty ring is one load. It is
/// fair, and it sees a peer that closed (`Abandoned`). It does not see a peer that crashed: call
/// [`is_abandoned`](crate::Consumer::is_abandoned) from time to time. Take a `Select` if the thread
/// shares its core, if the rings are idle for long, or if you want to know of restarts.
pub struct Select {
    /// Which endpoint is polled first.
    next: usize,
    /// How often it was waited.
    waits: u32,
    /// When all peers are checked.
    history: WaitHistory,
    reported: [Reported; Select::MAX_ENDS],
}

/// Waits that return at once, between two readings of the clock.
const WAITS: u32 = 16;

/// What [`Select::wait`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "complete: docs::api")]
pub enum Selected {
    /// The endpoint at this index has a message, or room, or an error that its next call returns.
    Ready(usize),
    /// The peer of the endpoint at this index has closed or crashed, and the endpoint has
    /// neither messages nor room; or none has ever attached, and none can: the ring was
    /// unlinked or replaced. Reported once.
    Abandoned(usize),
    /// The endpoint at this index, which was `Abandoned`, has had another peer since. Reported once.
    Attached(usize),
}

/// Why [`Select::wait`] has no answer.
#[non_exhaustive]
pub enum SelectError {
    /// No endpoint became ready in time.
    TimedOut,
    /// No endpoints were given.
    NoEnds,
    /// More endpoints were given than one call can wait for.
    TooManyEnds {
        /// How many were given.
        given: usize,
    },
    /// The endpoint at this index sleeps on a semaphore: you can wait for several rings only with
    /// [`DoorbellKind::Futex`](crate::DoorbellKind::Futex).
    NotAFutex {
        /// The endpoint's index.
        index: usize,
    },
    /// The system cannot wait for many words; Linux can from 5.16 on.
    Unsupported(io::Error),
}

impl fmt::Display for SelectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut => f.write_str("no ring became ready in time"),
            Self::NoEnds => f.write_str("select was given no rings; give it at least one"),
            Self::TooManyEnds { given } => write!(
                f,
                "select was given {given} rings; it can wait for {} at once",
                Select::MAX_ENDS
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

impl Select {
    /// How many endpoints can be waited for at once.
    pub const MAX_ENDS: usize = MOST_WORDS - 1;

    /// Creates a selector. It takes 2 KiB and no heap memory.
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    pub fn new() -> Self {
        Self {
            next: 0,
            waits: 0,
            history: WaitHistory::default(),
            reported: [Reported::NOTHING; Self::MAX_ENDS],
        }
    }

    /// Waits until one of `ends` has a message or room, or its peer has closed, crashed or attached
    /// again, up to `timeout`: a `Duration`, an `Instant`, or `None` to wait forever.
    ///
    /// Uses the wait strategy of the first endpoint
    /// ([`RingOptions::wait_strategy`](crate::RingOptions::wait_strategy) and
    /// [`spin`](crate::RingOptions::spin)). Makes the liveness checks at the shortest
    /// [`peer_check`](crate::RingOptions::peer_check) of the endpoints, also while one endpoint is
    /// always ready.
    ///
    /// # Errors
    ///
    /// [`SelectError::TimedOut`], or what is wrong with `ends` or the kernel.
    ///
    /// # Real-time
    ///
    /// May sleep, unless one of the endpoints is ready; makes a syscall for each liveness check.
    /// Allocates only to count a missed wake-up. Linear in the number of endpoints.
    pub fn wait<S: Selectable>(
        &mut self,
        ends: &mut [S],
        timeout: impl Into<Deadline>,
    ) -> Result<Selected, SelectError> {
        let config = config(ends)?;
        self.waits = self.waits.wrapping_add(1);
        if self.waits % WAITS == 0 && self.history.is_due(config.peer_check) {
            if let Some(selected) = self.check_peers(ends) {
                return Ok(selected);
            }
        }
        if let Some(selected) = self.poll(ends) {
            return Ok(selected);
        }
        self.wait_long(ends, config, timeout.into())
    }

    /// The wait, after the first poll found nothing. The table of endpoints is on the stack here,
    /// so that a short wait does not touch it.
    #[inline(never)]
    fn wait_long<S: Selectable>(
        &mut self,
        ends: &mut [S],
        config: WaitConfig,
        deadline: Deadline,
    ) -> Result<Selected, SelectError> {
        let mut places = [const { Place(None) }; Self::MAX_ENDS];
        let count = ends.len();
        for (index, end) in ends.iter_mut().enumerate() {
            let interest = end.interest();
            let departed = self.reported[index].departed(&interest);
            places[index] = Place(Some(Waiting { interest, departed }));
        }
        self.wait_in(&mut places[..count], config, deadline)
    }

    fn wait_in(
        &mut self,
        ends: &mut [Place<'_>],
        config: WaitConfig,
        deadline: Deadline,
    ) -> Result<Selected, SelectError> {
        let mut steps = WaitLoop::new(config, deadline);
        loop {
            match steps.step(&mut self.history) {
                Step::Retry => {}
                Step::Park(until) => park(ends, until).map_err(SelectError::Unsupported)?,
                Step::CheckPeer => {
                    if let Some(selected) = self.check_peers(ends) {
                        return Ok(selected);
                    }
                }
                Step::TimedOut => return Err(SelectError::TimedOut),
            }
            if let Some(selected) = self.poll(ends) {
                return Ok(selected);
            }
        }
    }

    /// Polls each endpoint once, the one after the last answer first.
    fn poll<S: Selectable>(&mut self, ends: &mut [S]) -> Option<Selected> {
        // Not `turn`: a plain loop takes half the instructions.
        let mut index = self.next % ends.len();
        for _ in 0..ends.len() {
            if let Some(news) = self.reported[index].poll(&mut ends[index].interest()) {
                return Some(self.answer(index, news));
            }
            index = if index + 1 < ends.len() { index + 1 } else { 0 };
        }
        None
    }

    /// Makes the liveness checks; returns a peer that has newly closed or crashed.
    fn check_peers<S: Selectable>(&mut self, ends: &mut [S]) -> Option<Selected> {
        let mut is_over = true;
        for index in self.turn(ends.len()) {
            match self.reported[index].check(&mut ends[index].interest()) {
                None => {}
                // First deliver what it published before, then check again at once.
                Some(News::Ready) => is_over = false,
                Some(news) => return Some(self.answer(index, news)),
            }
        }
        if is_over {
            self.history.reset();
        }
        None
    }

    fn answer(&mut self, index: usize, news: News) -> Selected {
        self.next = index + 1;
        match news {
            News::Ready => Selected::Ready(index),
            News::Abandoned => Selected::Abandoned(index),
            News::Attached => Selected::Attached(index),
        }
    }

    /// All indices, the one after the last answer first.
    fn turn(&self, count: usize) -> impl Iterator<Item = usize> + use<> {
        let first = self.next % count;
        (first..count).chain(0..first)
    }
}

impl Default for Select {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Select {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Select").finish_non_exhaustive()
    }
}

/// How to wait for these endpoints, if one wait can take them.
fn config<S: Selectable>(ends: &mut [S]) -> Result<WaitConfig, SelectError> {
    let given = ends.len();
    if given > Select::MAX_ENDS {
        return Err(SelectError::TooManyEnds { given });
    }
    let mut config: Option<WaitConfig> = None;
    for (index, end) in ends.iter_mut().enumerate() {
        let end = end.interest();
        if !end.role().sleeps_on_futex() {
            return Err(SelectError::NotAFutex { index });
        }
        let this = end.role().wait_config();
        let config = config.get_or_insert(this);
        config.peer_check = config.peer_check.min(this.peer_check);
    }
    config.ok_or(SelectError::NoEnds)
}

/// An endpoint in a wait.
struct Waiting<'a> {
    interest: Interest<'a>,
    /// The epoch of the peer that was reported as `Abandoned`.
    departed: Option<u64>,
}

/// Room on the stack for an endpoint in a wait; it is filled before it is used.
struct Place<'a>(Option<Waiting<'a>>);

impl<'a> Place<'a> {
    const FILLED: &'static str = "a place that is filled";

    fn get(&self) -> &Waiting<'a> {
        self.0.as_ref().expect(Self::FILLED)
    }

    fn get_mut(&mut self) -> &mut Waiting<'a> {
        self.0.as_mut().expect(Self::FILLED)
    }
}

impl Selectable for Place<'_> {
    fn interest(&mut self) -> Interest<'_> {
        self.get_mut().interest.interest()
    }
}

impl Parkable for Place<'_> {
    fn sleeper(&mut self) -> (&mut Sleeper, &AtomicU32) {
        self.get_mut().interest.role_mut().sleeper()
    }

    fn position(&self) -> u64 {
        self.get().interest.position()
    }

    fn has_work(&self) -> bool {
        let Waiting { interest, departed } = self.get();
        interest.role().is_reached(Goal {
            awaited: interest.awaited(),
            change: departed.map_or(Change::Departure, Change::Successor),
        })
    }

    fn drain(&self) {
        self.get().interest.role().drain();
    }

    fn count_sleep(&self) {
        self.get().interest.role().count_sleep();
    }

    fn count_rescue(&self) {
        self.get().interest.role().count_rescue();
    }
}

/// Parks all endpoints together, with one barrier and one sleep.
fn park(ends: &mut [Place<'_>], until: u64) -> io::Result<()> {
    let mut refused = Ok(());
    wait::park(ends, &System, until, |ends, until| {
        let words = ends.iter().map(|end| end.get().interest.role().own_word());
        wait_any(words, until).unwrap_or_else(|error| {
            refused = Err(error);
            Rest::Ended
        })
    });
    refused
}
