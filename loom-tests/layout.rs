//! The shipped file for the header of a frame.

#[path = "../src/layout/frame.rs"]
mod frame;

pub(crate) use self::frame::{FRAME_HEADER, PADDING, frame_header, frame_parts, frame_size};
