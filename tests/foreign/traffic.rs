//! Frames of every length, and what a consumer says of them that read them all.

use quoit::Producer;

use super::common::sample::mix;

/// What has been pushed.
pub(super) struct Traffic {
    frames: u64,
    checksum: u64,
}

impl Traffic {
    pub(super) fn new() -> Self {
        Self {
            frames: 0,
            checksum: 0xcbf2_9ce4_8422_2325,
        }
    }

    /// Counts the frame of this number.
    pub(super) fn count(&mut self, number: u64) {
        let fnv = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        self.checksum = frame(number).iter().fold(self.checksum, fnv);
        self.frames += 1;
    }

    /// Pushes this number's frame, and counts it.
    pub(super) fn push(&mut self, producer: &mut Producer<[u8]>, number: u64) {
        producer.push(&frame(number)).expect("a consumer");
        self.count(number);
    }

    /// Counts a frame without bytes.
    pub(super) fn count_empty(&mut self) {
        self.frames += 1;
    }

    /// What a consumer prints that has read them.
    pub(super) fn verdict(&self) -> String {
        format!("{} frames, checksum {:016x}", self.frames, self.checksum)
    }
}

/// The payload of the frame with this number: up to two hundred bytes.
pub(super) fn frame(number: u64) -> Vec<u8> {
    let len = mix(number) % 201;
    (0..len)
        .map(|place| mix(number ^ place << 32) as u8)
        .collect()
}
