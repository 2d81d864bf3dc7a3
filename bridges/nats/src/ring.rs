//! The endpoints of a ring as the bridge uses them: messages of any shape, moved by
//! position.
//!
//! The bridge learns at run time what a ring holds, so it uses the endpoints that the
//! bindings use. Unsafe code is here and in `ring/writer.rs` alone.

mod reader;
mod writer;

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd, RawFd};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering, compiler_fence};
use std::time::Duration;

use quoit::Observer;
use quoit::observer::{RingInfo, ShapeKind};
use quoit::raw::{self, RawRing};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

pub(crate) use self::reader::{Arrival, Reader};
pub(crate) use self::writer::{Unfit, Writer};
use crate::error::Error;

/// Bytes of a new ring of frames, unless you choose.
const CAPACITY: u64 = 1 << 20;

/// How often an idle bridge wakes to check that its peer is alive. The ring itself wakes it
/// for a message and for room.
const PEER_CHECK: Duration = Duration::from_secs(1);

/// What a ring holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Messages of any length, each with a kind.
    Frames,
    /// Records of one size.
    Records {
        /// Bytes of a record.
        size: u64,
        /// Its alignment, a power of two that divides the size.
        align: u32,
    },
}

/// Which ring, and how it is created if there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RingChoice {
    /// A name in `/dev/shm`, or a path with a `/`.
    pub name: PathBuf,
    /// What it holds. `None` takes what an existing ring holds, and otherwise frames.
    pub shape: Option<Shape>,
    /// The schema tag. A ring of records needs it; frames have one by default.
    pub tag: Option<String>,
    /// How much a new ring holds, in records, or bytes for frames. An existing ring must
    /// hold as much. `None` takes any, and creates a ring of frames with 1 MiB.
    pub capacity: Option<u64>,
    /// Mode bits of a new ring.
    pub mode: Option<u32>,
}

impl RingChoice {
    /// A ring of this name, whatever it holds.
    pub fn new(name: impl Into<PathBuf>) -> Self {
        Self {
            name: name.into(),
            shape: None,
            tag: None,
            capacity: None,
            mode: None,
        }
    }

    /// The name, as messages show it.
    pub(crate) fn text(&self) -> String {
        self.name.to_string_lossy().into_owned()
    }

    fn shape(&self) -> Result<Shape, quoit::Error> {
        if let Some(shape) = self.shape {
            return Ok(shape);
        }
        match Observer::open(&self.name) {
            Err(quoit::Error::NotFound { .. }) => Ok(Shape::Frames),
            other => Ok(shape_of(&other?.info())),
        }
    }

    /// The ring, found or created, and what it says of itself.
    fn open(&self) -> Result<(RawRing, Observer), Error> {
        let failed = |source| Error::ring(self.text(), source);
        let shape = self.shape().map_err(failed)?;
        let content = match shape {
            Shape::Frames => raw::frames(),
            Shape::Records { size, align } => raw::records(size, align).ok_or_else(|| {
                Error::Config(format!(
                    "ring {}: a record has at least one byte, and an alignment of 1 to 4096, a \
                     power of two that divides its size; {size}:{align} is none",
                    self.text()
                ))
            })?,
        };
        let mut options = quoit::RingOptions::default().peer_check(PEER_CHECK);
        if let Some(tag) = &self.tag {
            options = options.schema_tag(tag);
        } else if shape != Shape::Frames {
            return Err(Error::Config(format!(
                "ring {} holds records: give the schema tag that its programs use (--tag), the \
                 name of the type by default, as in Tick or u64",
                self.text()
            )));
        }
        if let Some(mode) = self.mode {
            options = options.mode(mode);
        }
        let found = match (self.capacity, shape) {
            (Some(capacity), _) => {
                let options = options.capacity(capacity);
                RawRing::open_or_create(&options, content, &self.name)
            }
            (None, Shape::Records { .. }) => RawRing::open(&options, content, &self.name),
            (None, Shape::Frames) => match RawRing::open(&options, content, &self.name) {
                Err(quoit::Error::NotFound { .. }) => {
                    let options = options.capacity(CAPACITY);
                    RawRing::open_or_create(&options, content, &self.name)
                }
                other => other,
            },
        };
        let ring = found.map_err(failed)?;
        let observer = Observer::open(&self.name).map_err(failed)?;
        if observer.info().incarnation != ring.ring().incarnation() {
            return Err(Error::Replaced(self.text()));
        }
        Ok((ring, observer))
    }
}

fn shape_of(info: &RingInfo) -> Shape {
    match info.shape {
        ShapeKind::Frames => Shape::Frames,
        ShapeKind::Records => Shape::Records {
            size: info.slot_size,
            align: info.slot_align,
        },
    }
}

/// Stores the shared position of an endpoint.
fn store(line: *mut u64, position: u64) {
    // SAFETY: the line is a word of the mapped header, aligned, and this endpoint's.
    let word = unsafe { AtomicU64::from_ptr(line) };
    // publish -> ready, reclaim -> free: the bytes before the position.
    word.store(position, Ordering::Release);
    // awake -> drowsy: the position is stored before the peer's word is loaded.
    compiler_fence(Ordering::SeqCst);
}

/// The descriptor of an endpoint, in tokio's loop: a duplicate, which lives as long as it
/// is registered.
type Bell = AsyncFd<OwnedFd>;

fn make_bell(descriptor: RawFd) -> io::Result<Bell> {
    // SAFETY: the endpoint has just been armed, and keeps its descriptor open.
    let descriptor = unsafe { BorrowedFd::borrow_raw(descriptor) };
    let own = descriptor.try_clone_to_owned()?;
    // SAFETY: the loop owns the duplicate, and no other code closes it.
    let bell = unsafe { AsyncFd::register_with_interest(own, Interest::READABLE) };
    Ok(bell?)
}

/// Waits for the descriptor once.
async fn ring_bell(bell: &mut Option<Bell>, descriptor: RawFd) -> io::Result<()> {
    let bell = match bell {
        Some(bell) => bell,
        None => bell.insert(make_bell(descriptor)?),
    };
    bell.readable().await?.clear_ready();
    Ok(())
}
