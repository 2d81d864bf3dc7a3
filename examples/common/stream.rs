//! A stream in which each byte follows from its offset, and its checksum.

use std::io::{self, Read, Write};

use flate2::Crc;

/// Pseudo-random bytes (xorshift64), and the checksum of those that
/// were read so far.
pub(crate) struct Stream {
    state: u64,
    left: u64,
    pub(crate) sum: Sum,
}

impl Stream {
    /// A stream of `left` bytes, which is a multiple of eight.
    pub(crate) fn new(left: u64) -> Self {
        let (state, sum) = (0x9e37_79b9_7f4a_7c15, Sum::default());
        Self { state, left, sum }
    }
}

impl Read for Stream {
    /// Gives whole words only.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.left.min(buffer.len() as u64) as usize & !7;
        let mut state = self.state;
        for word in buffer[..length].chunks_exact_mut(8) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            word.copy_from_slice(&state.to_le_bytes());
        }
        self.state = state;
        self.left -= length as u64;
        self.sum.write_all(&buffer[..length])?;
        Ok(length)
    }
}

/// How many bytes were written to it, and their CRC-32.
#[derive(Default)]
pub(crate) struct Sum {
    bytes: u64, // the Crc counts 32 bits of them
    crc: Crc,
}

impl Sum {
    /// Both, as a text to compare.
    pub(crate) fn text(&self) -> String {
        format!("{} bytes with CRC-32 {:08x}", self.bytes, self.crc.sum())
    }
}

impl Write for Sum {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes += bytes.len() as u64;
        self.crc.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
