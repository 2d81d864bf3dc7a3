//! quoit
#![warn(missing_docs)]
#[cfg(not(all(
    target_os = "linux",
    target_endian = "little",
    any(target_arch = "x86_64", target_arch = "aarch64")
)))]
compile_error!("quoit runs on Linux on x86-64 and little-endian aarch64, and nowhere else yet");

mod adapters;
mod consumer;
mod cursor;
mod doorbell;
mod error;
mod frames;
mod ladder;
mod layout;
mod parker;
mod producer;
mod ring;
mod segment;
mod slots;
mod sync;

pub use zerocopy;

#[cfg(feature = "futures")]
pub use crate::adapters::future::{AsyncConsumer, AsyncError, AsyncProducer};
pub use crate::adapters::select::{End, Select, SelectError, Selected};
pub use crate::consumer::Consumer;
pub use crate::doorbell::DoorbellKind;
pub use crate::error::{ClaimError, Corrupt, Error, PopError, PushError, Role};
pub use crate::frames::{Frame, FrameBatch, FrameClaim, Frames};
pub use crate::ladder::WaitStrategy;
pub use crate::producer::Producer;
pub use crate::ring::{Fences, Record, Ring, RingOptions, Shape, unlink};
pub use crate::slots::{Claim, ClaimMany, Drain, Peek, PeekMany};
