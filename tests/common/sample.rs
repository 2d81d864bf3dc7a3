//! Messages whose every byte follows from a number.

use quoit::Record;
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// A record of `N` words, with an inline copy if it is short enough.
#[derive(Clone, Copy, Debug, PartialEq, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub(crate) struct Words<const N: usize>(pub(crate) [u64; N]);

/// The record with this number.
pub(crate) fn record<T: Record>(number: u64) -> T {
    let mut value = T::new_zeroed();
    fill(number, value.as_mut_bytes());
    value
}

/// The payload with this number.
pub(crate) fn bytes(number: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    fill(number, &mut bytes);
    bytes
}

/// Writes the payload with this number in place.
pub(crate) fn fill(number: u64, bytes: &mut [u8]) {
    let mut state = number;
    for word in bytes.chunks_mut(8) {
        word.copy_from_slice(&mix(state).to_le_bytes()[..word.len()]);
        state = state.wrapping_add(1 << 32);
    }
}

/// A hash of `number` (splitmix64).
pub(crate) fn mix(number: u64) -> u64 {
    let mut word = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ word >> 31
}
