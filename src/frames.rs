//! Variable-size frames: the methods of `Producer<[u8]>` and `Consumer<[u8]>`.
//!
//! A position counts bytes. A frame is a header, the payload, and zeros up to
//! a multiple of eight; it never wraps: where it would, a padding header fills
//! the lap, and padding and frame are published together. A frame of at most
//! 40 bytes also rides in the tail's line while the consumer has caught up.

mod consume;
mod produce;

pub use self::consume::{Frame, Frames};
pub use self::produce::{FrameBatch, FrameClaim};

use crate::cursor::RIDE_WORDS;
use crate::layout::FRAME_HEADER;

/// The longest payload that may ride, behind its header.
const LONGEST_SHORT: usize = RIDE_WORDS * 8 - FRAME_HEADER as usize;
