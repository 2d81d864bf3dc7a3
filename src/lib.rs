//! A lock-free single-producer single-consumer (SPSC) ring buffer in named shared memory.
//!
//! A *ring* is in a *segment*, a named piece of shared memory. One process holds its *producer*, and
//! one holds its *consumer*. Start them in either order; each can close, crash and restart without
//! the other. There is no server and no socket, and no syscall while both are busy. A published
//! message outlives the process that published it.
//!
//! | | records: `T`, of one size | frames: `[u8]`, of any length |
//! |---|---|---|
//! | get a ring | [`RingOptions`], [`Ring`]`<T>` | [`RingOptions`], [`Ring`]`<[u8]>` |
//! | write | [`Producer`], in place a [`Claim`] | [`FrameProducer`], in place a [`FrameClaim`] |
//! | read | [`Consumer`], in place a [`Peek`] | [`FrameConsumer`], in place a [`Frame`] |
//! | errors | [`Error`], [`PushError`], [`ClaimError`], [`PopError`] | [`Error`], [`ClaimError`], [`PopError`] |
//! | inspect | [`Observer`] | [`Observer`] |
//!
//! ```
//! use quoit::RingOptions;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let name = "prices"; // /dev/shm/prices
//! # let name = &format!("quoit-doc-{name}-{}", std::process::id());
//! let options = RingOptions::new(4096).schema_tag("prices/1"); // 4096 records
//! let mut producer = options.open_or_create::<u64>(name)?.producer()?; // in one process
//! producer.push(10125)?;
//! let mut consumer = options.open_or_create::<u64>(name)?.consumer()?; // in another
//! assert_eq!(consumer.pop()?, 10125);
//! # drop((producer, consumer));
//! # quoit::unlink(name)?;
//! # Ok(())
//! # }
//! ```
//!
//! `try_x` returns immediately, `x` waits, and `x_timeout` waits up to a `timeout` ([`Deadline`]). The
//! **Real-time** line of each method says whether it can make a syscall, allocate or sleep. The text
//! of an error says what to do.
//!
//! # Guides
//!
//! | page | for |
//! |---|---|
//! | [`production`](docs::production) | shutdown, systemd, upgrades, monitoring, pinning |
//! | [`cookbook`](docs::cookbook) | in place, latest value only, many feeds, fan-out, latency |
//! | [`api`](docs::api) | the whole API on one page, by task, with signatures |
//! | [`semantics`](docs::semantics) | what each call means: `Abandoned`, stale rings, dropped guards, `fork` |
//! | [`choosing`](docs::choosing), [`tuning`](docs::tuning) | shape, capacity and waiting; settings of the host |
//! | [`limits`](docs::limits), [`process`](docs::process) | what quoit needs; what it does to the whole process |
//! | [`crash`](docs::crash), [`files`](docs::files) | `kill -9` at any instruction; rings on a disk |
//! | [`tool`](docs::tool), [`runbook`](docs::runbook) | the command-line tool `quoit`; what to do when something is wrong |
//! | [`languages`](docs::languages), [`network`](docs::network) | C, C++ and Python; another machine |
//! | [`porting`](docs::porting), [`comparison`](docs::comparison) | from rtrb, ringbuf, crossbeam-channel; alternatives |
//! | [`memory_model`](docs::memory_model), [`layout`](docs::layout) | what is sound, and why; the bytes |
//! | [`performance`](docs::performance), [`numbers`](docs::numbers) | where the time goes; every figure of one run |
//! | [`tour`](docs::tour), [`testing`](docs::testing) | the source, and what proves it |
//!
//! # More tasks
//!
//! | task | item |
//! |---|---|
//! | wait until one of many rings is ready | [`Select`] |
//! | use an event loop: `epoll`, mio, tokio | [`into_pollable`](Consumer::into_pollable) |
//! | move a byte stream | [`FrameProducer::writer`], [`FrameConsumer::reader`] |
//! | call and answer | [`rpc`] |
//! | make a ring without a name, for a [`handoff`] to another process | [`RingOptions::create_anonymous`] |
//! | make a ring without a segment, for threads and tests | [`RingOptions::heap`] |
//!
//! # Features and platforms
//!
//! | feature | adds |
//! |---|---|
//! | (none, the default) | five crates in all, this one included |
//! | `futures` | `Stream`, `Sink` and `async fn`s on any runtime; one background thread waits for all async endpoints |
//! | `shared_memory` | a ring inside a `Shmem` of the crate of that name |
//! | `cli` | the command-line tool `quoit`; the library does not change |
//! | `loom` | `loom-tests/`, in this repository only; the library does not change |
//!
//! Linux on x86-64 and little-endian aarch64, kernel 4.16 or newer, Rust 1.85 or newer. The code and
//! the layout of the bytes, now 1, have [separate versions](docs::limits#versions).

#![cfg_attr(docsrs, feature(doc_cfg))]

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

/// The guides and reference pages.
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
    #[doc = include_str!("docs/languages.md")]
    pub mod languages {}
    #[doc = include_str!("layout.md")]
    pub mod layout {}
    #[doc = include_str!("docs/limits.md")]
    pub mod limits {}
    #[doc = include_str!("docs/memory_model.md")]
    pub mod memory_model {}
    #[doc = include_str!("docs/network.md")]
    pub mod network {}
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
    #[doc = include_str!("docs/runbook.md")]
    pub mod runbook {}
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
