//! The methods that all four endpoints have, written once.

/// Implements the methods of every endpoint, within its `impl` block.
///
/// `$peer` is the word for the peer, `$unit` for the unit of the ring.
macro_rules! shared_methods {
    ($peer:literal, $unit:literal) => {
        /// The name that the ring was created or opened with; `anonymous` or `heap` if it
        /// has none.
        ///
        /// # Real-time
        ///
        /// Wait-free, no syscall, no allocation.
        pub fn name(&self) -> &str {
            self.endpoint().role.shared().name()
        }

        /// Which ring this is: the [`Ring::incarnation`](crate::Ring::incarnation) of both
        /// its endpoints.
        ///
        /// # Real-time
        ///
        /// Wait-free, no syscall, no allocation.
        pub fn incarnation(&self) -> u64 {
            self.endpoint().role.shared().incarnation()
        }

        #[doc = concat!("How much the ring holds, in ", $unit, "; a power of two.")]
        ///
        /// # Real-time
        ///
        /// Wait-free, no syscall, no allocation.
        pub fn capacity(&self) -> u64 {
            self.endpoint().cursor.capacity()
        }

        #[doc = concat!("The position of the next message: how many ", $unit, " this role")]
        /// has ever moved, counted from the ring's first position. Frames count with
        /// their headers and padding. With it each message can be processed
        /// [exactly once](crate::docs::crash#exactly-once).
        ///
        /// # Real-time
        ///
        /// Wait-free, no syscall, no allocation.
        pub fn position(&self) -> u64 {
            self.endpoint().cursor.position()
        }

        #[doc = concat!("How much is unread, in ", $unit, ": published and not released. Frames")]
        /// count with their headers and padding. A snapshot: the peer may change it at
        /// any moment.
        ///
        /// # Real-time
        ///
        /// Wait-free, no syscall, no allocation.
        pub fn len(&self) -> u64 {
            self.endpoint().len()
        }

        /// Whether nothing is unread. A snapshot.
        ///
        /// # Real-time
        ///
        /// Wait-free, no syscall, no allocation.
        pub fn is_empty(&self) -> bool {
            self.len() == 0
        }

        #[doc = concat!("Whether a ", $peer, " attached and has closed or crashed. A ", $peer)]
        /// that never attached does not count, and another one may attach at any time. If
        /// the system cannot tell, `false`.
        ///
        /// # Real-time
        ///
        /// No allocation; makes a syscall unless the peer has closed or never attached.
        pub fn is_abandoned(&self) -> bool {
            self.endpoint().role.peer_closed_or_crashed()
        }

        #[doc = concat!("How often a ", $peer, " has attached; 0 if none has. A number that has grown")]
        /// means that another one has attached.
        ///
        /// # Real-time
        ///
        /// Wait-free, no syscall, no allocation.
        pub fn peer_epoch(&self) -> u64 {
            self.endpoint().role.peer_epoch()
        }

        #[doc = concat!("Waits until a ", $peer, " holds its role, or one has attached since the call: for")]
        /// an endpoint that was `Abandoned`, or that attached first. A consumer's wait also
        /// ends when there is a message.
        ///
        /// # Errors
        ///
        /// [`PeerError::Superseded`](crate::PeerError::Superseded) if none will attach:
        /// the ring was unlinked or replaced, or the ring is on the heap, or this is the copy
        /// that a child of `fork` has.
        ///
        /// # Real-time
        ///
        /// May sleep; makes syscalls. Allocates only to count a missed wake-up.
        ///
        /// # Examples
        ///
        /// ```
        /// let ring = quoit::RingOptions::new(64).create_anonymous::<u64>()?;
        /// let mut consumer = ring.consumer()?;
        /// let other = std::thread::spawn(move || ring.producer()); // or another process
        /// consumer.wait_for_peer()?;
        /// assert_eq!(consumer.peer_epoch(), 1);
        /// # drop(other.join().expect("no panic")?);
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        pub fn wait_for_peer(&mut self) -> Result<(), crate::PeerError> {
            self.endpoint_mut().wait_for_peer(crate::Deadline::NEVER)
        }

        /// [`wait_for_peer`](Self::wait_for_peer) up to `timeout`.
        ///
        /// # Errors
        ///
        /// As [`wait_for_peer`](Self::wait_for_peer), and
        /// [`PeerError::TimedOut`](crate::PeerError::TimedOut).
        ///
        /// # Real-time
        ///
        /// May sleep; makes syscalls. Allocates only to count a missed wake-up.
        pub fn wait_for_peer_timeout(
            &mut self,
            timeout: impl Into<crate::Deadline>,
        ) -> Result<(), crate::PeerError> {
            self.endpoint_mut().wait_for_peer(timeout.into())
        }

        #[doc = concat!("Closes this endpoint and keeps its role: the ", $peer, " sees the same as when this")]
        /// endpoint is dropped. From now on this endpoint behaves as if its peer had
        /// closed: no push finds room, a consumer reads the remaining messages, and no
        /// call but [`wait_for_peer`](Self::wait_for_peer) waits. Closing it again has no effect.
        ///
        /// # Real-time
        ///
        /// Wait-free, no allocation; makes one syscall, the wake of the peer.
        ///
        /// # Examples
        ///
        /// ```
        /// let (mut producer, mut consumer) = quoit::RingOptions::new(8).heap::<u64>()?;
        /// producer.try_push(7)?;
        /// producer.close(); // the last message was pushed
        /// assert_eq!(consumer.pop(), Ok(7));
        /// assert_eq!(consumer.pop(), Err(quoit::PopError::Abandoned));
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        pub fn close(&mut self) {
            self.endpoint_mut().close();
        }

        /// What poisoned this endpoint: the value in the segment that broke the rules of
        /// the layout. `None` if it is not poisoned.
        ///
        /// # Real-time
        ///
        /// Wait-free, no syscall, no allocation.
        pub fn corruption(&self) -> Option<crate::Corrupt> {
            self.endpoint().cursor.corruption()
        }

        /// Adds `messages` to the count of those that this role's processes refused or
        /// skipped. The ring does nothing with it; an [`Observer`](crate::Observer) and
        /// `quoit stat` show it.
        ///
        /// # Real-time
        ///
        /// Wait-free, no syscall, no allocation.
        pub fn count_dropped(&mut self, messages: u64) {
            self.endpoint().role.count_dropped(messages);
        }

        /// Waits until the current content of the ring, with everything that this endpoint
        /// has stored, is on its disk; see [`Ring::sync_all`](crate::Ring::sync_all).
        ///
        /// # Errors
        ///
        /// As [`Ring::sync_all`](crate::Ring::sync_all).
        ///
        /// # Real-time
        ///
        /// Makes syscalls and allocates; waits for the disk.
        pub fn sync_all(&self) -> Result<(), crate::Error> {
            self.endpoint().role.shared().sync_all()
        }

        #[doc = concat!("Whether the ring was unlinked or replaced: its last name was removed, and another ring may have it. A ", $peer)]
        /// that is attached continues; one that opens the name does not reach this ring. If
        /// the system cannot tell, `false`.
        ///
        /// # Real-time
        ///
        /// Makes syscalls; no allocation.
        pub fn is_superseded(&self) -> bool {
            self.endpoint().role.is_superseded()
        }
    };
}
pub(crate) use shared_methods;

/// The traits of every endpoint.
macro_rules! shared_traits {
    ([$($bounds:tt)*] $end:ty, $name:literal, $cursor:ty, $($path:ident).+) => {
        impl<$($bounds)*> crate::endpoint::End for $end {
            type Cursor = $cursor;

            #[inline(always)]
            fn endpoint(&self) -> &crate::endpoint::Endpoint<$cursor> {
                &self.$($path).+
            }

            #[inline(always)]
            fn endpoint_mut(&mut self) -> &mut crate::endpoint::Endpoint<$cursor> {
                &mut self.$($path).+
            }
        }

        /// Shows positions, never payload.
        impl<$($bounds)*> core::fmt::Debug for $end {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.debug_struct($name)
                    .field("position", &self.position())
                    .field("len", &self.len())
                    .field("capacity", &self.capacity())
                    .finish_non_exhaustive()
            }
        }
    };
}
pub(crate) use shared_traits;

/// Implements the constructors of every endpoint by a name, within an `impl` block without
/// bounds: the compiler reports the bound of a function.
///
/// `$shape` is the shape of its ring, `$role` the method of `Ring` that takes it.
macro_rules! open_methods {
    ($shape:ty, $role:ident, $unit:literal, $($bound:tt)*) => {
        #[doc = concat!("Creates a ring and takes its ", stringify!($role), "'s role. The capacity counts ", $unit, ".")]
        ///
        /// # Errors
        ///
        /// As [`RingOptions::create`](crate::RingOptions::create) and
        /// [`Ring::producer`](crate::Ring::producer). If only the role is refused, the
        /// ring exists, and no process holds it.
        ///
        /// # Real-time
        ///
        /// As [`RingOptions::create`](crate::RingOptions::create), then as
        /// [`Ring::producer`](crate::Ring::producer).
        pub fn create(name: impl AsRef<std::path::Path>, capacity: u64) -> Result<Self, crate::Error>
        $($bound)*
        {
            crate::RingOptions::new(capacity).create::<$shape>(name)?.$role()
        }

        #[doc = concat!("Opens a ring of any capacity and takes its ", stringify!($role), "'s role.")]
        ///
        /// # Errors
        ///
        /// As [`Ring::open`](crate::Ring::open) and
        /// [`Ring::producer`](crate::Ring::producer).
        ///
        /// # Real-time
        ///
        /// As [`create`](Self::create).
        pub fn open(name: impl AsRef<std::path::Path>) -> Result<Self, crate::Error>
        $($bound)*
        {
            let name = name.as_ref();
            crate::ring::retry_if_superseded(|| crate::Ring::<$shape>::open(name)?.$role())
        }

        #[doc = concat!("Opens a ring, or creates it if there is none, and takes its ", stringify!($role), "'s role.")]
        ///
        /// # Errors
        ///
        /// As [`RingOptions::open_or_create`](crate::RingOptions::open_or_create) and
        /// [`Ring::producer`](crate::Ring::producer).
        ///
        /// # Real-time
        ///
        /// As [`create`](Self::create).
        pub fn open_or_create(
            name: impl AsRef<std::path::Path>,
            capacity: u64,
        ) -> Result<Self, crate::Error>
        $($bound)*
        {
            let name = name.as_ref();
            let options = crate::RingOptions::new(capacity);
            crate::ring::retry_if_superseded(|| options.open_or_create::<$shape>(name)?.$role())
        }
    };
}
pub(crate) use open_methods;
