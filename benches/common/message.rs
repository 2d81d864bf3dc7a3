//! Numbers as messages of several bytes, for transports of bytes.

use super::link::{End, Link};

/// An endpoint of two functions for messages of `SIZE` bytes: one sends a message, one fills a
/// buffer of its length. The number is at the beginning and at the end of each message, and both
/// are compared.
pub(crate) fn numbered<const SIZE: usize>(
    mut send: impl FnMut(&[u8]) + 'static,
    mut receive: impl FnMut(&mut [u8]) + 'static,
) -> impl Link {
    let (mut outgoing, mut incoming) = ([0; SIZE], [0; SIZE]);
    End(
        #[inline(always)]
        move |number| {
            stamp(&mut outgoing, number);
            send(&outgoing);
        },
        #[inline(always)]
        move || {
            receive(&mut incoming);
            number(&incoming)
        },
    )
}

/// Writes the number to the beginning and the end of a message.
#[inline(always)]
pub(crate) fn stamp(message: &mut [u8], number: u64) {
    let number = number.to_le_bytes();
    message[..8].copy_from_slice(&number);
    let tail = message.len() - 8;
    message[tail..].copy_from_slice(&number);
}

/// The number of a message, which must be whole.
#[inline(always)]
pub(crate) fn number(message: &[u8]) -> u64 {
    let (head, tail) = (message.first_chunk(), message.last_chunk());
    assert_eq!(head, tail, "a message arrives whole");
    u64::from_le_bytes(*head.expect("a number fits into every message"))
}
