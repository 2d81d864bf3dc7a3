//! A lock-free single-producer single-consumer ring buffer in named shared memory.
//!
//! A *ring* lies in a *segment*, a named piece of shared memory. One process holds its
//! *producer*, another its *consumer*; each may come, leave, die and come again without the
//! other. There is no server and no socket, and no syscall while both are busy. What was
//! published outlives the process that published it, and whoever takes up a role goes on where
//! the last one stopped, however that one ended.
//!
//! # Fixed-size records
//!
//! ```
//! use quoit::{Consumer, Producer};
//! use zerocopy::{FromBytes, Immutable, IntoBytes};
//!
//! #[derive(Clone, Copy, Debug, PartialEq, FromBytes, IntoBytes, Immutable)]
//! #[repr(C)]
//! struct Tick { price: u64, size: u64 }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let name = &format!("quoit-doc-map-ticks-{}", std::process::id());
//! let mut producer = Producer::<Tick>::open_or_create(name, 4096)?; // slots; in one process
//! producer.try_push(Tick { price: 10125, size: 3 })?;
//!
//! let mut consumer = Consumer::<Tick>::open_or_create(name, 4096)?; // in another
//! assert_eq!(consumer.try_pop()?, Tick { price: 10125, size: 3 });
//! # drop((producer, consumer));
//! # quoit::unlink(name)?;
//! # Ok(())
//! # }
//! ```
//!
//! # Frames of any length
//!
//! ```
//! use quoit::{Consumer, Producer};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let name = &format!("quoit-doc-map-log-{}", std::process::id());
//! let mut producer = Producer::<[u8]>::open_or_create(name, 1 << 20)?; // bytes; in one process
//! let mut claim = producer.try_claim(64)?; // room inside the ring
//! claim[..5].copy_from_slice(b"hello");
//! claim.commit_first(5); // dropping the claim instead publishes nothing
//!
//! let mut consumer = Consumer::<[u8]>::open_or_create(name, 1 << 20)?; // in another
//! let frame = consumer.try_peek()?;
//! assert_eq!(&*frame, b"hello");
//! frame.release(); // dropping the frame instead keeps it in the ring
//! # drop((producer, consumer));
//! # quoit::unlink(name)?;
//! # Ok(())
//! # }
//! ```
//!
//! `try_x` never waits, `x` waits, `x_timeout` waits at most so long. Each method's
//! **Real-time** line says whether it can make a syscall, allocate or sleep. [`Select`] waits for
//! the first of many rings. [`Producer::writer`] and [`Consumer::reader`] make a ring of frames a
//! pipe, for whatever reads or writes bytes. [`RingOptions`] is for everything else: how to wait, mode bits,
//! prefault, `mlock`, a schema, replacing, unlinking, [`heap`](RingOptions::heap), the same ring
//! without a segment, and [`create_anonymous`](RingOptions::create_anonymous), the same without a
//! name, for [`handoff`] to another process.
//!
//! # The house
//!
//! ```text
//!                  BYTES                            SLEEP
//! contract     layout.rs  what the bytes mean      layout.rs  the two sleep words
//! protocol     cursor.rs  who may touch what       parker.rs  who sleeps, who wakes  <- loom
//! platform     segment.rs where the memory lives   doorbell.rs futex, semaphore
//! endpoints    producer.rs ------- ring.rs ------- consumer.rs        <- the public API
//! ```
//!
//! The protocol row makes no syscall and follows no pointer: it sees references to atomics and
//! numbers, and the loom tests compile the very same two files. The platform row names no memory
//! ordering. `sync.rs` is the only file that names atomics; every ordering there is a constant
//! with a partner. Imports point one way, sync, error, layout -> cursor, parker -> segment,
//! doorbell, ladder -> ring, polls, producer, consumer, observer -> slots, frames -> adapters; a ring and its ends
//! know each other.
//!
//! [`docs::tour`] is the order of reading, in ten minutes: [`docs::layout`], `src/sync.rs`,
//! `src/cursor.rs`, `src/parker.rs`, `src/slots/produce.rs`, `src/ring/role.rs`.
//!
//! Then `loom-tests/` for the models and the mutants that must fail, and `src/segment/draft.rs`
//! for creating without a half-made state.
//!
//! # Decisions
//!
//! - **A buffer too short for the next frame** gets nothing: `pop` answers
//!   [`PopError::TooShort`] with the length that is needed, and the frame stays.
//! - **An empty frame** is a frame like any other.
//! - **The kind of a frame** is a `u32` of the sender's choice, by default 0. The ring carries
//!   it and does not look at it; a peek shows it, a pop does not.
//! - **`open_or_create`** opens what is there and changes nothing about it. If that ring has
//!   another capacity, shape or schema, it is an error ([`Error::CapacityMismatch`] and its
//!   like), not a new ring. `open` takes any capacity.
//! - **The schema** is size, alignment and a tag. The default tag is the type's name without
//!   paths; give one with a version, `RingOptions::schema_tag("tick/3")`, to anything that lives
//!   longer than one build.
//! - **A dropped guard does nothing**: a dropped [`Claim`], [`ClaimMany`], [`FrameClaim`] or
//!   [`FrameBatch`] publishes nothing, a dropped [`Peek`], [`PeekMany`], [`Frame`] or [`Frames`]
//!   keeps its messages in the ring. A dropped [`Drain`] releases what it has yielded.
//! - **Dropping an endpoint** closes that end and frees the role. The ring stays, with what is
//!   in it, until [`unlink`] or [`RingOptions::unlink_on_drop`] removes its name.
//! - **`Abandoned`** means that the peer came and is gone, closed or dead, and that nothing is
//!   left to take (or no room to use). It ends when a successor takes the role, for which
//!   [`wait_for_peer`](Consumer::wait_for_peer) waits. A peer that never came is waited for. A
//!   peer that is stopped is alive. The calls that never wait see a peer that closed its end; one
//!   that died is noticed by the calls that wait, and by `is_abandoned`, which ask the kernel.
//! - **`Superseded`** means that, besides, the ring's name leads elsewhere: somebody removed it,
//!   and perhaps created another ring of the name. No successor will come here; open the name
//!   again. Two ends that have each other go on, with or without a name.
//! - **Stale** is a ring that was in use and that nobody holds any more ([`StalePolicy`] says what
//!   becomes of it, [`unlink_if_stale`] removes it, and [`unlink_if_read`] if nothing in it is
//!   unread). Locks tell, and never time.
//! - **Waiting**: an end spins for 20 µs ([`RingOptions::spin`]), yields a few times, then sleeps
//!   in the kernel until its peer wakes it ([`WaitStrategy`]). While both ends are at work neither
//!   makes a syscall, and after a while not even a fence ([`Fences`]). No sleep is longer than a
//!   tenth of a second: then the end looks whether its peer still lives.
//! - **A pipe** ([`Writer`], [`Reader`]) buffers nothing: a write is a frame, of at most a quarter
//!   of the ring. `Abandoned` is the end of the file to the reader and a broken pipe to the
//!   writer, and ends in both cases when a successor comes.
//! - **An anonymous ring** lies in a sealed memfd and travels over a Unix socket ([`handoff`]). It
//!   lives as long as somebody has it, and is never superseded; its roles need `/proc`.
//! - **A ring in a file** outlives its processes without further ado. What outlives a machine that
//!   fails is what was flushed ([`Ring::sync_all`]): [`docs::files`] says exactly what.
//! - **A poisoned endpoint**: a value in the segment that cannot be gives [`Corrupt`], and the
//!   endpoint answers with it from then on. The way out is to drop it and take the role again,
//!   which checks both positions afresh, or to replace the ring with [`StalePolicy::Replace`].
//! - **No value read from the segment is trusted for memory safety.** A peer that breaks the
//!   rules can still change bytes under a borrow (`peek`); `pop` copies first.
//! - **`zerocopy` is part of the API** ([`Record`] is made of its traits) and re-exported as
//!   [`zerocopy`]; an incompatible version of it is an incompatible version of this crate. Its
//!   derives come from your own dependency on it, with the feature `derive`.
//! - **After `fork`** a child has a private copy of the rings whose roles its parent had. An
//!   inherited endpoint harms nobody: what is pushed is lost, waits end with `Abandoned`, and its
//!   drop changes nothing. The parent's roles are free when the parent is dead, and the child
//!   takes roles of its own like any process. `vfork`, `posix_spawn` and the raw `clone` run no
//!   handlers: such a child touches nothing before its `exec`, and until then it keeps the roles
//!   of a parent that is killed. After `exec` nothing is left.
//!
//! # Features
//!
//! - Default: none. Five crates in all, this one included.
//! - `cli`: the command-line tool `quoit`; the library does not change with it.
//! - `futures`: `Stream`, `Sink` and `async fn`s on any runtime; `futures-core` and `futures-sink`
//!   are added. One thread of the process sleeps for all its asynchronous ends.
//! - `shared_memory`: a ring inside a `Shmem` of the crate of that name, which is added with what it
//!   needs.
//! - `loom`: compiles `loom-tests/`, which model-check the protocol as it is shipped. Only
//!   useful in this repository. The library does not change with it, so that every other test
//!   runs in the same command; loom's own tree is added.
//!
//! # How it is tested
//!
//! `cargo test --features loom` is the whole: loom models of the protocol files as they are
//! shipped, with tables of mutants that must fail; random operations against a queue; real processes
//! that are killed; headers and frames that cannot be. The README says which test proves which
//! promise, and what the models leave out.
//!
//! # Versions and platforms
//!
//! Linux on x86-64 and little-endian aarch64, kernel 4.16 or newer; anything else does not
//! compile. Rust 1.85 or newer; a newer Rust is asked for by a new minor version only.
//!
//! There are two promises, and two numbers:
//!
//! - **The code** keeps [semantic versioning](https://semver.org): what compiles with a version compiles
//!   with the next compatible one, and means the same.
//! - **The layout** of the bytes has its own version, now 1. It grows with each change that an end of
//!   the old layout could misread, and never in a patch release. Two ends need the same layout version,
//!   and not the same version of this crate; a ring of another one is refused
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
    "quoit runs on Linux on x86-64 and little-endian aarch64 with 64-bit pointers, and nowhere else yet"
);

mod sync; // the only file that names atomics

mod error;
mod layout; // the contract
mod payload; // the only file that touches payload

mod cursor;
mod parker; // the protocol

mod deadline;
mod doorbell;
mod segment; // the platform

mod header; // views of the header, and its checks

mod wait; // how an end waits

mod ring; // a segment that is formatted

mod endpoint; // what the four ends share
mod frames;
mod slots;

mod consumer;
mod frame_consumer;
mod frame_producer;
pub mod observer;
mod producer; // the ends

mod ends; // which ends a ring hands out

mod adapters; // ways around the ring

pub use zerocopy;

#[cfg(feature = "futures")]
pub use crate::adapters::future::{
    AsyncConsumer, AsyncError, AsyncFrameConsumer, AsyncFrameProducer, AsyncProducer,
    IntoAsyncError,
};
pub use crate::adapters::handoff;
pub use crate::adapters::io::{Reader, Writer};
pub use crate::adapters::rpc;
pub use crate::adapters::select::{Interest, Select, SelectError, Selected};
#[cfg(feature = "shared_memory")]
pub use crate::adapters::shared_memory;
pub use crate::consumer::{Consumer, Iter, Peek, PeekMany, TryIter};
pub use crate::deadline::Deadline;
pub use crate::doorbell::DoorbellKind;
pub use crate::error::{ClaimError, Corrupt, Error, PeerError, PopError, PushError, Role};
pub use crate::frame_consumer::{FrameConsumer, Popped};
pub use crate::frame_producer::FrameProducer;
pub use crate::frames::{BatchFrame, Frame, FrameBatch, FrameClaim, FrameView, Frames};
pub use crate::observer::Observer;
pub use crate::producer::{Claim, ClaimMany, Producer};
pub use crate::ring::{
    Fences, Record, Ring, RingOptions, Shape, StalePolicy, unlink, unlink_if_read, unlink_if_stale,
};
pub use crate::wait::WaitStrategy;

/// Texts: modules without code.
pub mod docs {
    #[doc = include_str!("docs/api.md")]
    pub mod api {}
    #[doc = include_str!("docs/choosing.md")]
    pub mod choosing {}
    #[doc = include_str!("docs/comparison.md")]
    pub mod comparison {}
    #[doc = include_str!("docs/crash.md")]
    pub mod crash {}
    #[doc = include_str!("docs/files.md")]
    pub mod files {}
    #[doc = include_str!("layout.md")]
    pub mod layout {}
    #[doc = include_str!("docs/memory_model.md")]
    pub mod memory_model {}
    #[doc = include_str!("docs/performance.md")]
    pub mod performance {}
    #[doc = include_str!("docs/porting.md")]
    pub mod porting {}
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
