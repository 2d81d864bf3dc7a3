//! A lock-free single-producer single-consumer (SPSC) ring buffer in named shared memory.
//!
//! A *ring* is in a *segment*, a named piece of shared memory. One process holds its
//! *producer*, and one holds its *consumer*. Start them in either order; each can close, crash
//! and restart without the other. There is no server and no socket, and no syscall while both are
//! busy. A published message outlives the process that published it. A restarted process continues
//! where the last holder of its role stopped.
//!
//! # Fixed-size records
//!
//! ```
//! use quoit::RingOptions;
//! use zerocopy::{FromBytes, Immutable, IntoBytes};
//!
//! #[derive(Clone, Copy, Debug, PartialEq, FromBytes, IntoBytes, Immutable)]
//! #[repr(C)]
//! struct Tick { price: u64, size: u64 }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let name = &format!("quoit-doc-map-ticks-{}", std::process::id());
//! let options = RingOptions::new(4096).schema_tag("tick/1"); // 4096 records
//!
//! let mut producer = options.open_or_create::<Tick>(name)?.producer()?; // in one process
//! producer.try_push(Tick { price: 10125, size: 3 })?; // a copy
//! let mut claim = producer.try_claim()?; // or the next slot, in place
//! claim.write(Tick { price: 10126, size: 1 });
//! claim.commit(); // dropping the claim instead publishes nothing
//!
//! let mut consumer = options.open_or_create::<Tick>(name)?.consumer()?; // in another
//! assert_eq!(consumer.try_pop()?, Tick { price: 10125, size: 3 });
//! let peek = consumer.try_peek()?;
//! assert_eq!(peek.read().price, 10126);
//! peek.release(); // dropping the peek instead keeps the record in the ring
//! # drop((producer, consumer));
//! # quoit::unlink(name)?;
//! # Ok(())
//! # }
//! ```
//!
//! # Frames of any length
//!
//! ```
//! use quoit::RingOptions;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let name = &format!("quoit-doc-map-log-{}", std::process::id());
//! let options = RingOptions::new(1 << 20).schema_tag("log/1"); // 1 MiB
//!
//! let mut producer = options.open_or_create::<[u8]>(name)?.producer()?; // in one process
//! producer.try_push(b"hello")?; // a copy
//! let mut claim = producer.try_claim(64)?; // or up to 64 bytes, in place
//! claim.write_at(0, b"world");
//! claim.commit_first(5); // five bytes are enough after all
//!
//! let mut consumer = options.open_or_create::<[u8]>(name)?.consumer()?; // in another
//! let mut bytes = Vec::new();
//! consumer.try_pop_into(&mut bytes)?;
//! assert_eq!(bytes, b"hello");
//! let frame = consumer.try_peek()?;
//! assert_eq!(frame.to_vec(), b"world");
//! frame.release();
//! # drop((producer, consumer));
//! # quoit::unlink(name)?;
//! # Ok(())
//! # }
//! ```
//!
//! # Forms of a call
//!
//! `try_x` returns immediately, `x` waits, and `x_timeout` waits up to a `timeout`: a `Duration`, an
//! `Instant` or an `Option<Duration>` ([`Deadline`]). The **Real-time** line of each method says
//! whether it can make a syscall, allocate or sleep. The text of an error says what to do; `Debug`
//! prints the same text, so `unwrap`, `expect` and `main` show it.
//!
//! # More tasks
//!
//! | task | item |
//! |---|---|
//! | read or write records, frames | [`Producer`], [`Consumer`]; [`FrameProducer`], [`FrameConsumer`] |
//! | choose waiting, mode bits, prefault, `mlock`, a schema tag | [`RingOptions`] |
//! | wait until one of many rings is ready | [`Select`] |
//! | use an event loop: `epoll`, mio, tokio | [`into_pollable`](Consumer::into_pollable) |
//! | move a byte stream | [`FrameProducer::writer`], [`FrameConsumer::reader`] |
//! | call and answer | [`rpc`] |
//! | make a ring without a name, for a [`handoff`] to another process | [`RingOptions::create_anonymous`] |
//! | make a ring without a segment, for threads and tests | [`RingOptions::heap`] |
//! | inspect a ring and change nothing | [`Observer`] |
//!
//! # Guides
//!
//! | page | for |
//! |---|---|
//! | [`docs::production`] | shutdown, systemd, upgrades, monitoring, pinning |
//! | [`docs::cookbook`] | latest value only, many feeds, fan-out, latency |
//! | [`docs::api`] | the whole API on one page, by task |
//! | [`docs::semantics`] | what each call means: `Abandoned`, stale rings, dropped guards, `fork` |
//! | [`docs::choosing`] | shape, capacity and waiting, with the arithmetic |
//! | [`docs::tuning`] | host settings, most useful first |
//! | [`docs::limits`], [`docs::process`] | what quoit needs; what it does to the whole process |
//! | [`docs::crash`], [`docs::files`] | `kill -9` at any instruction; rings on a disk |
//! | [`docs::memory_model`] | what is sound, and why |
//! | [`docs::porting`], [`docs::comparison`] | from rtrb, ringbuf, crossbeam-channel; alternatives |
//! | [`docs::tour`], [`docs::layout`], [`docs::testing`] | the source, the bytes, and what proves them |
//!
//! # Features
//!
//! - Default: none. Five crates in all, this one included.
//! - `cli`: the command-line tool `quoit`; the library does not change with it.
//! - `futures`: `Stream`, `Sink` and `async fn`s on any runtime; adds `futures-core` and `futures-sink`.
//!   A single background thread waits on behalf of all async endpoints.
//! - `shared_memory`: a ring inside a `Shmem` of the crate of that name; adds that crate and its
//!   dependencies.
//! - `loom`: compiles `loom-tests/`, which model-check the protocol as it is shipped. It is only
//!   useful in this repository. The library does not change with it, so that every other test
//!   runs in the same command; adds loom and its dependencies.
//!
//! # Versions and platforms
//!
//! Linux on x86-64 and little-endian aarch64, kernel 4.16 or newer; nothing else compiles.
//! Rust 1.85 or newer; only a new minor version may need a newer Rust.
//!
//! The code and the layout have separate versions:
//!
//! - **The code** follows [semantic versioning](https://semver.org): what compiles with a version
//!   compiles with the next compatible one, and behaves the same.
//! - **The layout** of the bytes has its own version, now 1. It grows with each change that an endpoint
//!   of the old layout could misread, and never in a patch release. Two endpoints need the same layout
//!   version, and not the same version of this crate. A ring of another layout version is refused
//!   ([`Error::VersionMismatch`]), not converted.
//!
//! The changelog names the layout version of each release.

#[cfg(not(all(
    target_os = "linux",
    target_endian = "little",
    target_pointer_width = "64",
    any(target_arch = "x86_64", target_arch = "aarch64")
)))]
compile_error!(
    "quoit runs on Linux on x86-64 and little-endian aarch64 with 64-bit pointers, and on no other target yet"
);

mod sync; // the only file that names atomics

mod error;
mod layout; // the contract
mod payload; // the only file that touches payload

mod cursor;
mod parker;
mod peer; // the protocol

mod deadline;
mod doorbell;
mod segment; // the platform

mod header; // views of the header, and its checks

mod wait; // how an endpoint waits

mod ring; // a segment that is formatted

mod endpoint; // what the four endpoints share
mod frames;
mod slots;

mod consumer;
mod frame_consumer;
mod frame_producer;
pub mod observer;
mod producer; // the endpoints

mod ends; // which endpoints a ring returns

mod adapters; // Select, async, streams, calls

pub use zerocopy;

#[cfg(feature = "futures")]
pub use crate::adapters::future::{
    AsyncConsumer, AsyncFrameConsumer, AsyncFrameProducer, AsyncProducer,
};
pub use crate::adapters::handoff;
pub use crate::adapters::io::{Reader, Writer};
pub use crate::adapters::pollable::{Pollable, Ready};
#[doc(hidden)]
pub use crate::adapters::raw;
pub use crate::adapters::reactor::{AsyncError, IntoAsyncError};
pub use crate::adapters::rpc;
pub use crate::adapters::select::{Interest, Select, SelectError, Selectable, Selected};
#[cfg(feature = "shared_memory")]
pub use crate::adapters::shared_memory;
pub use crate::consumer::{Consumer, Iter, Peek, PeekMany, TryIter};
pub use crate::deadline::Deadline;
pub use crate::doorbell::DoorbellKind;
pub use crate::error::{ClaimError, Corrupt, Error, Holder, PeerError, PopError, PushError, Role};
pub use crate::frame_consumer::{FrameConsumer, Popped};
pub use crate::frame_producer::FrameProducer;
pub use crate::frames::{BatchFrame, Frame, FrameBatch, FrameClaim, FrameView, Frames};
pub use crate::observer::Observer;
pub use crate::producer::{Claim, ClaimMany, Producer};
pub use crate::ring::{
    Fences, Record, Ring, RingOptions, Shape, StalePolicy, unlink, unlink_if_read, unlink_if_stale,
};
pub use crate::wait::WaitStrategy;

/// Guides and reference pages.
pub mod docs {
    #[doc = include_str!("docs/api.md")]
    pub mod api {}
    #[doc = include_str!("docs/choosing.md")]
    pub mod choosing {}
    #[doc = include_str!("docs/comparison.md")]
    pub mod comparison {}
    #[doc = include_str!("docs/cookbook.md")]
    pub mod cookbook {}
    #[doc = include_str!("docs/crash.md")]
    pub mod crash {}
    #[doc = include_str!("docs/files.md")]
    pub mod files {}
    #[doc = include_str!("layout.md")]
    pub mod layout {}
    #[doc = include_str!("docs/limits.md")]
    pub mod limits {}
    #[doc = include_str!("docs/memory_model.md")]
    pub mod memory_model {}
    #[doc = include_str!("docs/numbers.md")]
    pub mod numbers {}
    #[doc = include_str!("docs/performance.md")]
    pub mod performance {}
    #[doc = include_str!("docs/porting.md")]
    pub mod porting {}
    #[doc = include_str!("docs/process.md")]
    pub mod process {}
    #[doc = include_str!("docs/production.md")]
    pub mod production {}
    #[doc = include_str!("docs/semantics.md")]
    pub mod semantics {}
    #[doc = include_str!("docs/testing.md")]
    pub mod testing {}
    #[doc = include_str!("docs/tool.md")]
    pub mod tool {}
    #[doc = include_str!("docs/tour.md")]
    pub mod tour {}
    #[doc = include_str!("docs/tuning.md")]
    pub mod tuning {}
}

/// The README's examples compile.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub mod readme {}
