//! A lock-free single-producer single-consumer (SPSC) ring buffer in named shared memory.
//!
//! A *ring* lies in a *segment*, a named piece of shared memory. One process holds its
//! *producer*, and one holds its *consumer*. Start them in either order; each can close, crash
//! and restart without the other. There is no server and no socket, and no syscall while both are
//! busy. A published message outlives the process that published it. A restarted process continues
//! where the last holder of its role stopped.
//!
//! Guides: [`docs::api`] is the whole API on one page, [`docs::choosing`] helps with shape, capacity
//! and waiting, [`docs::process`] is what the library does to the whole process, [`docs::porting`] maps the calls of rtrb, ringbuf and crossbeam-channel,
//! [`docs::tuning`] is about the machine, [`docs::crash`] about `kill -9`, and
//! [`docs::memory_model`] about what is sound, and why.
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
//! `try_x` returns immediately, `x` waits, and `x_timeout` waits up to a `timeout`: a `Duration`, an
//! `Instant` or an `Option<Duration>` ([`Deadline`]). The **Real-time** line of each method says
//! whether it can make a syscall, allocate or sleep. Errors say in their text what to do; `Debug`
//! prints the same text, so `unwrap`, `expect` and `main` show it.
//!
//! [`Producer`] and [`Consumer`] are the endpoints of a ring of records, [`FrameProducer`] and
//! [`FrameConsumer`] those of a ring of frames. [`RingOptions`] has everything else: waiting, mode
//! bits, prefault, `mlock`, a schema tag, replacing and unlinking.
//! [`heap`](RingOptions::heap) makes a ring without a segment, for threads and tests.
//! [`create_anonymous`](RingOptions::create_anonymous) makes one without a name, for a
//! [`handoff`] to another process. [`Select`] waits until one of many rings is ready.
//! [`into_pollable`](Consumer::into_pollable) gives an endpoint a descriptor for `epoll`, mio or tokio.
//! [`FrameProducer::writer`] and [`FrameConsumer::reader`] turn a ring of frames into a byte stream.
//!
//! # Soundness
//!
//! No safe code holds a Rust reference into memory that another process may write: copies are made
//! once, into private memory, and only then checked and used; access in place goes through views
//! that copy (`write`, `read`, `read_at`). A reference into the ring takes an `unsafe` call, such as
//! [`Peek::as_ref`], whose one condition is that no process writes these bytes while the reference
//! lives. So a hostile peer can send wrong values and provoke [`Corrupt`], and cannot cause an access
//! out of bounds or a panic; [`docs::memory_model`] says what that rests on.
//!
//! # Architecture
//!
//! ```text
//! adapters   adapters/     io  rpc  select  future  pollable  reactor  handoff  shared_memory
//! ends       producer.rs  consumer.rs  frame_producer.rs  frame_consumer.rs  observer.rs
//! endpoint   endpoint.rs   what the four ends share    frames/  slots.rs
//! ring       ring.rs       options, lifetime, roles    header.rs  views and checks
//! wait       wait/         the one park, backoff, pacing, liveness
//! platform   segment/      memory, locks, names        doorbell.rs  deadline.rs
//! protocol   cursor.rs     positions, inline copy      parker.rs    sleep words      <- loom
//!            peer.rs       states, what ends a wait
//! contract   layout.rs     what the bytes mean         payload.rs   copies of payload
//! ground     sync.rs       atomics, named edges        error.rs
//! ```
//!
//! The ground floor is below, and imports point down. The protocol row makes no syscall and follows
//! no pointer: it sees references to atomics and numbers, and the loom tests compile the same
//! three files. The platform row names no memory ordering. `sync.rs` is the only file that names atomics;
//! every ordering there is a constant with a partner. `payload.rs` is the only file that copies
//! payload. [`docs::tour`] is a reading order of ten minutes. `loom-tests/` has the models, and the
//! mutants that must fail.
//!
//! # Semantics
//!
//! - **A buffer that is too short for the next frame** stays as it is: `pop` returns
//!   [`PopError::TooShort`] with the length that it needs, and the frame stays in the ring.
//!   [`pop_into`](FrameConsumer::pop_into) grows a `Vec` instead.
//! - **An empty frame** is a frame like any other.
//! - **The kind of a frame** is a `u32` of the sender's choice, 0 by default. The ring carries it and
//!   does not interpret it. Every pop and every peek returns it.
//! - **`open_or_create`** opens an existing ring and changes nothing about it. If that ring has
//!   another capacity, shape or schema, the call fails ([`Error::CapacityMismatch`] and others). `open`
//!   takes any capacity.
//! - **The schema** is size, alignment and a tag. The default tag is the type's name without paths,
//!   which does not change when you swap two fields. Give a tag with a version,
//!   `RingOptions::schema_tag("tick/3")`, to every ring that outlives one build.
//! - **A dropped guard does nothing.** A dropped [`Claim`], [`ClaimMany`], [`FrameClaim`] or
//!   [`FrameBatch`] publishes nothing. A dropped [`Peek`], [`PeekMany`], [`Frame`] or [`Frames`] keeps
//!   its messages in the ring. A dropped [`TryIter`] releases what it has yielded.
//! - **Dropping an endpoint** closes it and frees the role. The ring keeps its contents until
//!   [`unlink`] or [`RingOptions::unlink_on_drop`] removes its name.
//!   [`close`](Producer::close) closes an endpoint and keeps the role.
//! - **`Abandoned`** means that the peer was attached and has closed or crashed, and that nothing is
//!   left to read (or no room to write). It ends when a restarted peer takes the role;
//!   [`wait_for_peer`](Consumer::wait_for_peer) waits for that. An endpoint waits for a peer that has
//!   never attached. A stopped peer is alive. Calls that do not wait see a peer that closed; calls that
//!   wait, and `is_abandoned`, ask the kernel and also see one that crashed.
//! - **`Superseded`** means in addition that the ring was unlinked or replaced: it has no name left.
//!   No peer will attach; open the name again. Two endpoints that are attached
//!   to each other continue, with or without a name.
//! - **`TimedOut`** means that a `timeout` ran out; the `try_` calls return `Empty` or `Full` instead.
//! - **Stale** is a ring that was in use and that no process holds now. [`StalePolicy`] says what
//!   becomes of it, [`unlink_if_stale`] removes it, and [`unlink_if_read`] removes it if everything
//!   was read. File locks decide, never a timeout.
//! - **Waiting**: an endpoint spins for 20 µs ([`RingOptions::spin`]), yields a few times, then sleeps
//!   in the kernel until its peer wakes it ([`WaitStrategy`]). While both endpoints are busy neither
//!   makes a syscall, and after a while not even a fence ([`Fences`]). A waiting endpoint checks every
//!   100 ms whether its peer lives ([`RingOptions::peer_check`]).
//! - **A byte stream** ([`Writer`], [`Reader`]) buffers nothing: a write is a frame of at most a quarter
//!   of the ring. `Abandoned` is the end of the file for the reader and a broken pipe for the writer.
//!   Both end when a restarted peer attaches.
//! - **An anonymous ring** lies in a sealed memfd and travels over a Unix socket ([`handoff`]). It
//!   disappears when the last process that holds it exits. It is never superseded. Its roles need
//!   `/proc`.
//! - **A ring in a file** outlives its processes. After a power failure you find what
//!   [`Ring::sync_all`] has written: [`docs::files`] has the details.
//! - **A poisoned endpoint**: an impossible value in shared memory poisons the endpoint. Every later
//!   call returns `Corrupt` and stores nothing; [`corruption`](Producer::corruption) says what was
//!   found. Drop the endpoint and take the role again, which checks both positions afresh, or replace
//!   the ring with [`StalePolicy::Replace`].
//! - **`zerocopy` is part of the API** ([`Record`] consists of its traits) and re-exported as
//!   [`zerocopy`]; an incompatible version of it is an incompatible version of this crate. Its
//!   derives come from your own dependency on it, with the feature `derive`.
//! - **After `fork`** a child has a private copy of the rings whose roles its parent held. An
//!   inherited endpoint has no effect on the parent: its pushes and waits return `Abandoned`, and its drop
//!   changes nothing ([`docs::process`] has every call). The parent's roles are free when the parent exits, and
//!   the child takes roles of its own like any process. `vfork`, `posix_spawn` and the raw `clone` run
//!   no handlers: such a child must touch nothing before its `exec`, and until then it keeps the roles
//!   of a parent that is killed. After `exec` nothing is left.
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
//! # How it is tested
//!
//! `cargo test --features loom` runs everything: loom models of the shipped protocol files, with
//! tables of mutants that must fail; random operations compared with a queue; real processes that are
//! killed; impossible headers and frames. The README says which test proves which guarantee, and what
//! the models leave out.
//!
//! # Versions and platforms
//!
//! Linux on x86-64 and little-endian aarch64, kernel 4.16 or newer; nothing else compiles.
//! Rust 1.85 or newer; only a new minor version may need a newer Rust.
//!
//! There are two promises, and two numbers:
//!
//! - **The code** follows [semantic versioning](https://semver.org): what compiles with a version
//!   compiles with the next compatible one, and means the same.
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
    "quoit runs on Linux on x86-64 and little-endian aarch64 with 64-bit pointers, and nowhere else yet"
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
    #[doc = include_str!("docs/process.md")]
    pub mod process {}
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
