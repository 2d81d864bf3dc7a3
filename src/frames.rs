//! Frames in the ring: how they are written and read, in place.

mod batch;
mod reader;
mod writer;

pub use self::batch::{BatchFrame, FrameBatch};
pub(crate) use self::reader::{Found, FrameReader};
pub use self::reader::{Frame, FrameView, Frames};
pub use self::writer::FrameClaim;
pub(crate) use self::writer::FrameWriter;
