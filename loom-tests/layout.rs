//! Of the layout, what a frame's header says, as it is shipped.

#[path = "../src/layout/frame.rs"]
mod frame;

pub(crate) use self::frame::{FRAME_HEADER, PADDING, frame_header, frame_parts, frame_size};
