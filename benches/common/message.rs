//! Numbers as messages of several bytes, for transports of bytes.

use super::exchange::Link;
use super::interleaved::Side;

/// One process's endpoint of a transport of whole messages in both directions.
pub(crate) trait Carrier {
    fn send(&mut self, message: &[u8]);
    /// Fills the buffer, which has the message's length.
    fn receive(&mut self, message: &mut [u8]);
}

/// Messages of `SIZE` bytes. The number is at the beginning and at the end of each, and
/// both are compared.
#[derive(Debug)]
pub(crate) struct Numbered<C, const SIZE: usize> {
    carrier: C,
    outgoing: [u8; SIZE],
    incoming: [u8; SIZE],
}

/// Builds endpoints for numbers from endpoints for bytes.
pub(crate) fn numbered<const SIZE: usize, C: Carrier>(
    mut open: impl FnMut(Side) -> C,
) -> impl FnMut(Side) -> Numbered<C, SIZE> {
    move |side| Numbered {
        carrier: open(side),
        outgoing: [0; SIZE],
        incoming: [0; SIZE],
    }
}

impl<C: Carrier, const SIZE: usize> Link for Numbered<C, SIZE> {
    #[inline(always)]
    fn send(&mut self, number: u64) {
        stamp(&mut self.outgoing, number);
        self.carrier.send(&self.outgoing);
    }

    #[inline(always)]
    fn receive(&mut self) -> u64 {
        self.carrier.receive(&mut self.incoming);
        number(&self.incoming)
    }
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
