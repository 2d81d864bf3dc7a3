//! Frames, byte by byte: `loom-tests/` compiles this file unchanged.

/// Bytes of a frame's header.
pub(crate) const FRAME_HEADER: u64 = 8;
/// The length that marks padding to the end of the lap.
pub(crate) const PADDING: u32 = u32::MAX;
/// No frame is longer than this, however large the ring.
const MAX_FRAME: u64 = (1 << 31) - 16;

/// The header of a frame, as it is stored in front of the payload.
#[inline(always)]
pub(crate) const fn frame_header(len: u32, kind: u32) -> u64 {
    len as u64 | (kind as u64) << 32
}

/// Length and kind of a frame.
#[inline(always)]
pub(crate) const fn frame_parts(header: u64) -> (u32, u32) {
    (header as u32, (header >> 32) as u32)
}

/// Bytes that a frame of `len` bytes takes in the ring.
#[inline(always)]
pub(crate) const fn frame_size(len: u64) -> u64 {
    (FRAME_HEADER + len + 7) & !7
}

/// Bytes of the longest payload: with its header, half the ring, so that it fits into an
/// empty ring at any offset in the lap.
pub(crate) const fn max_frame_len(capacity: u64) -> u64 {
    let half = capacity / 2 - FRAME_HEADER;
    if half < MAX_FRAME { half } else { MAX_FRAME }
}
