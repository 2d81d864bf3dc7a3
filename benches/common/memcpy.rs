//! The copies alone, as a lower bound: into a buffer and out of it, on one processor.

use std::hint::black_box;

use hdrhistogram::Histogram;

use super::interleaved::{Plan, Side, Variant};
use super::link::measure;

/// A buffer of this many bytes, through which messages are copied.
#[derive(Debug)]
pub(crate) struct Memcpy {
    name: String,
    buffer: Vec<u8>,
    message: Vec<u8>,
}

impl Memcpy {
    pub(crate) fn new(name: &str, bytes: usize, size: usize) -> Self {
        Self {
            name: name.to_owned(),
            buffer: vec![1; bytes],
            message: vec![2; size],
        }
    }
}

impl Variant for Memcpy {
    fn name(&self) -> &str {
        &self.name
    }

    fn open(&mut self, _: Side) {}

    fn prepare(&mut self) {}

    fn lead(&mut self, plan: &Plan) -> Histogram<u64> {
        let Self {
            buffer, message, ..
        } = self;
        measure(plan, |batch| {
            let mut left = batch;
            while left > 0 {
                for place in buffer.chunks_exact_mut(message.len()).take(left as usize) {
                    place.copy_from_slice(black_box(message));
                    message.copy_from_slice(black_box(place));
                    left -= 1;
                }
            }
        })
    }

    fn follow(&mut self) {}
}
