//! Frames in the ring: how they are written and read, in place.

mod reader;
mod writer;

pub(crate) use self::reader::{Found, FrameReader};
pub use self::reader::{Frame, FrameView, Frames};
pub(crate) use self::writer::FrameWriter;
pub use self::writer::{BatchFrame, FrameBatch, FrameClaim};
