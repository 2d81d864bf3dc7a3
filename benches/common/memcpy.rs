//! The copies alone, as a lower bound: into a buffer and out of it, on one processor.

use std::hint::black_box;

use hdrhistogram::Histogram;

use super::exchange::measure;
use super::interleaved::{Plan, Variant};

/// A buffer, through which messages are copied.
#[derive(Debug)]
pub(crate) struct Memcpy {
    pub(crate) name: &'static str,
    pub(crate) buffer: Vec<u8>,
    pub(crate) message: Vec<u8>,
}

impl Variant for Memcpy {
    fn name(&self) -> &str {
        self.name
    }

    fn lead(&mut self, plan: &Plan) -> Histogram<u64> {
        let message = &mut self.message;
        measure(plan, |mut left| {
            while left > 0 {
                let places = self.buffer.chunks_exact_mut(message.len());
                for place in places.take(left as usize) {
                    place.copy_from_slice(black_box(message));
                    message.copy_from_slice(black_box(place));
                    left -= 1;
                }
            }
        })
    }
}
