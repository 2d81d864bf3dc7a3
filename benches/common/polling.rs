//! Busy polling: the endpoints never wait in the library. They try, give the processor one
//! hint, and try again, as the compared crates do here.

use std::hint::black_box;

use super::batches::BatchLink;
use super::link::Link;
use super::message::Carrier;
use super::rings::RingLink;
use quoit::Shape;

/// One endpoint of a ring in each direction.
pub(crate) struct Tries<T: Shape + ?Sized>(pub(crate) RingLink<T>);

impl Link for Tries<u64> {
    #[inline(always)]
    fn send(&mut self, message: u64) {
        while self.0.producer.try_push(message).is_err() {
            std::hint::spin_loop();
        }
    }

    #[inline(always)]
    fn receive(&mut self) -> u64 {
        loop {
            match self.0.consumer.try_pop() {
                Ok(message) => return message,
                Err(_) => std::hint::spin_loop(),
            }
        }
    }
}

impl BatchLink for Tries<u64> {
    #[inline(always)]
    fn send(&mut self, mut messages: &[u64]) {
        while !messages.is_empty() {
            match self.0.producer.try_push_slice(messages) {
                Ok(count) => messages = &messages[count..],
                Err(_) => std::hint::spin_loop(),
            }
        }
    }

    #[inline(always)]
    fn receive(&mut self, messages: &mut [u64]) -> usize {
        loop {
            match self.0.consumer.try_pop_slice(messages) {
                Ok(count) => return count,
                Err(_) => std::hint::spin_loop(),
            }
        }
    }
}

/// Records of `N` words, each of which is the number.
impl<const N: usize> Link for Tries<[u64; N]> {
    #[inline(always)]
    fn send(&mut self, message: u64) {
        while self.0.producer.try_push([message; N]).is_err() {
            std::hint::spin_loop();
        }
    }

    #[inline(always)]
    fn receive(&mut self) -> u64 {
        loop {
            match self.0.consumer.try_pop() {
                Ok(record) => return number(&record),
                Err(_) => std::hint::spin_loop(),
            }
        }
    }
}

#[inline(always)]
fn number<const N: usize>(record: &[u64; N]) -> u64 {
    assert_eq!(record[0], record[N - 1], "the record is whole");
    record[0]
}

/// Messages that are filled and read in place. The reader checks the first and the last
/// word of a record.
pub(crate) struct InPlace<T: Shape + ?Sized>(pub(crate) RingLink<T>);

impl<const N: usize> Link for InPlace<[u64; N]> {
    #[inline(always)]
    fn send(&mut self, message: u64) {
        loop {
            if let Ok(mut claim) = self.0.producer.try_claim() {
                // SAFETY: both endpoints are in this program, and follow the protocol.
                unsafe { claim.as_mut() }.fill(message);
                return claim.commit();
            }
            std::hint::spin_loop();
        }
    }

    #[inline(always)]
    fn receive(&mut self) -> u64 {
        loop {
            if let Ok(record) = self.0.consumer.try_peek() {
                // SAFETY: as in `send`.
                let number = number(unsafe { record.as_ref() });
                record.release();
                return number;
            }
            std::hint::spin_loop();
        }
    }
}

/// Frames, pushed and popped.
impl Carrier for Tries<[u8]> {
    #[inline(always)]
    fn send(&mut self, message: &[u8]) {
        while self.0.producer.try_push(message).is_err() {
            std::hint::spin_loop();
        }
    }

    #[inline(always)]
    fn receive(&mut self, message: &mut [u8]) {
        while self.0.consumer.try_pop(message).is_err() {
            std::hint::spin_loop();
        }
    }
}

/// Frames, pushed and popped, whose length the compiler cannot know.
pub(crate) struct AnyLength(pub(crate) RingLink<[u8]>);

impl Carrier for AnyLength {
    #[inline(always)]
    fn send(&mut self, message: &[u8]) {
        while self.0.producer.try_push(black_box(message)).is_err() {
            std::hint::spin_loop();
        }
    }

    #[inline(always)]
    fn receive(&mut self, message: &mut [u8]) {
        while self.0.consumer.try_pop(black_box(&mut *message)).is_err() {
            std::hint::spin_loop();
        }
    }
}

/// Frames, copied into the ring and out of it.
impl Carrier for InPlace<[u8]> {
    #[inline(always)]
    fn send(&mut self, message: &[u8]) {
        loop {
            if let Ok(mut claim) = self.0.producer.try_claim(message.len()) {
                claim.copy_from_slice(message);
                return claim.commit();
            }
            std::hint::spin_loop();
        }
    }

    #[inline(always)]
    fn receive(&mut self, message: &mut [u8]) {
        loop {
            if let Ok(frame) = self.0.consumer.try_peek() {
                let len = frame.copy_to(message);
                assert_eq!(len, message.len());
                return frame.release();
            }
            std::hint::spin_loop();
        }
    }
}
