//! What an `Observer` returns: copies.

use std::time::{Instant, SystemTime};

use crate::doorbell::DoorbellKind;

/// The constant fields of a ring's header, from [`Observer::info`](crate::Observer::info).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RingInfo {
    /// Records or frames.
    pub shape: ShapeKind,
    /// How much the ring holds, in slots, or bytes for frames; a power of two.
    pub capacity: u64,
    /// Bytes of a slot; 1 for frames.
    pub slot_size: u64,
    /// Alignment of a slot; 8 for frames.
    pub slot_align: u32,
    /// What the endpoints sleep on, for any C library.
    pub doorbell: DoorbellKind,
    /// The version of the byte layout.
    pub layout: u32,
    /// The fingerprint of size, alignment and tag.
    pub schema: u64,
    /// A random number of this ring, whatever its name; a copy of its file has the same.
    pub incarnation: u64,
    /// When the ring was made, by the wall clock of its creator; informative.
    pub created: SystemTime,
    /// Bytes of the segment.
    pub length: u64,
}

/// The shape of an observed ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "complete: docs::api")]
pub enum ShapeKind {
    /// Records of one size.
    Records,
    /// Messages of any length.
    Frames,
}

/// The positions of both endpoints, at nearly the same moment; from
/// [`Observer::positions`](crate::Observer::positions).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Positions {
    /// The next position to write, in slots, or bytes for frames.
    pub tail: u64,
    /// The next position to read, likewise.
    pub head: u64,
    pub(super) capacity: u64,
}

impl Positions {
    /// How much is unread, in slots, or bytes with headers and padding for frames:
    /// published and not released.
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    pub fn len(&self) -> u64 {
        // The tail was read later, and may be of the next lap.
        self.tail.wrapping_sub(self.head).min(self.capacity)
    }

    /// Whether nothing is unread: [`len`](Self::len) is 0.
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The state and counters of an endpoint, from [`Observer::endpoint`](crate::Observer::endpoint).
/// The lock decides whether it is attached: [`Observer::is_alive`](crate::Observer::is_alive).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct EndpointState {
    /// How often the role was taken; 0 if never.
    pub epoch: u64,
    /// Whether the last holder has closed.
    pub is_closed: bool,
    /// The process that took it last.
    pub pid: u32,
    /// When it was taken last, by the wall clock of that process; informative.
    pub since: SystemTime,
    /// Whether it sleeps in the kernel, or is about to; also if it was killed there.
    pub is_asleep: bool,
    /// How often the endpoints in this role slept.
    pub parks: u64,
    /// Wake-ups that they sent to the peer: when it slept, and in any case when they attached and
    /// closed.
    pub wakes: u64,
    /// How often one of them slept until a timeout although there was work, and no wake arrived:
    /// missed wake-ups. A wake that is in flight is not counted ([the
    /// definition](crate::docs::layout#rescues)). If it grows, check how the peer wakes. Any
    /// process that may write to the ring can raise it.
    pub rescues: u64,
    /// Messages that they refused or skipped, as they counted them; 0 from processes that do not
    /// count.
    pub dropped: u64,
}

/// A ring at one moment; from [`Observer::sample`](crate::Observer::sample).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sample {
    /// When it was taken.
    pub at: Instant,
    /// The positions of both endpoints.
    pub positions: Positions,
    /// The producer's state and counters.
    pub producer: EndpointState,
    /// The consumer's state and counters.
    pub consumer: EndpointState,
}

/// Averages per second between two samples; from
/// [`Sample::rates_since`].
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[non_exhaustive]
pub struct Rates {
    /// Published, in slots, or bytes with headers and padding for frames.
    pub pushed: f64,
    /// Released, in the same units.
    pub popped: f64,
    /// How often the endpoints went to sleep.
    pub parks: f64,
    /// Wake-ups that they sent to each other.
    pub wakes: f64,
}

impl Sample {
    /// How fast the ring moved since an earlier sample of it. All rates are 0 if no
    /// time has passed.
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::{thread, time::Duration};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let name = &format!("quoit-doc-rates-{}", std::process::id());
    /// let mut producer = quoit::Producer::<u64>::create(name, 1024)?;
    /// let observer = quoit::Observer::open(name)?;
    ///
    /// let before = observer.sample();
    /// (0..100).try_for_each(|number| producer.try_push(number))?;
    /// thread::sleep(Duration::from_millis(1));
    /// let rates = observer.sample().rates_since(&before);
    /// assert!(rates.pushed > 0.0 && rates.pushed <= 100.0 / 0.001);
    /// assert_eq!(rates.popped, 0.0);
    /// # drop(producer);
    /// # Ok(quoit::unlink(name)?)
    /// # }
    /// ```
    pub fn rates_since(&self, earlier: &Self) -> Rates {
        let seconds = self.at.duration_since(earlier.at).as_secs_f64();
        if seconds == 0.0 {
            return Rates::default();
        }
        let rate = |now: u64, then: u64| now.wrapping_sub(then) as f64 / seconds;
        Rates {
            pushed: rate(self.positions.tail, earlier.positions.tail),
            popped: rate(self.positions.head, earlier.positions.head),
            parks: rate(self.parks(), earlier.parks()),
            wakes: rate(self.wakes(), earlier.wakes()),
        }
    }

    fn parks(&self) -> u64 {
        self.producer.parks.wrapping_add(self.consumer.parks)
    }

    fn wakes(&self) -> u64 {
        self.producer.wakes.wrapping_add(self.consumer.wakes)
    }
}
