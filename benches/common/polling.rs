//! Busy polling: the endpoints never wait in the library. They try, give the processor one
//! hint, and try again, as the compared crates do here.

use std::hint::black_box;

use quoit::Shape;

use super::exchange::Link;
use super::message::Carrier;
use super::rings::RingLink;

/// Tries, and gives the processor a hint after each failure.
#[inline(always)]
pub(crate) fn retry<T>(mut attempt: impl FnMut() -> Option<T>) -> T {
    loop {
        if let Some(done) = attempt() {
            return done;
        }
        std::hint::spin_loop();
    }
}

/// Calls `send` with the rest of the messages, until it has sent all; it returns how many.
#[inline(always)]
pub(crate) fn retry_all(mut messages: &[u64], mut send: impl FnMut(&[u64]) -> Option<usize>) {
    while !messages.is_empty() {
        let count = retry(|| send(messages));
        messages = &messages[count..];
    }
}

/// One endpoint of a ring in each direction.
pub(crate) struct Tries<T: Shape + ?Sized>(pub(crate) RingLink<T>);

impl Link for Tries<u64> {
    #[inline(always)]
    fn send(&mut self, message: u64) {
        retry(|| self.0.producer.try_push(message).ok());
    }

    #[inline(always)]
    fn receive(&mut self) -> u64 {
        retry(|| self.0.consumer.try_pop().ok())
    }

    #[inline(always)]
    fn send_all(&mut self, messages: &[u64]) {
        retry_all(messages, |rest| self.0.producer.try_push_slice(rest).ok());
    }

    #[inline(always)]
    fn receive_all(&mut self, messages: &mut [u64]) -> usize {
        retry(|| self.0.consumer.try_pop_slice(messages).ok())
    }
}

/// Records of `N` words, each of which is the number.
impl<const N: usize> Link for Tries<[u64; N]> {
    #[inline(always)]
    fn send(&mut self, message: u64) {
        retry(|| self.0.producer.try_push([message; N]).ok());
    }

    #[inline(always)]
    fn receive(&mut self) -> u64 {
        number(&retry(|| self.0.consumer.try_pop().ok()))
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
        retry(|| {
            let mut claim = self.0.producer.try_claim().ok()?;
            // SAFETY: both endpoints are in this program, and follow the protocol.
            unsafe { claim.as_mut() }.fill(message);
            claim.commit();
            Some(())
        });
    }

    #[inline(always)]
    fn receive(&mut self) -> u64 {
        retry(|| {
            let record = self.0.consumer.try_peek().ok()?;
            // SAFETY: as in `send`.
            let number = number(unsafe { record.as_ref() });
            record.release();
            Some(number)
        })
    }
}

/// Frames, pushed and popped.
impl Carrier for Tries<[u8]> {
    #[inline(always)]
    fn send(&mut self, message: &[u8]) {
        retry(|| self.0.producer.try_push(message).ok());
    }

    #[inline(always)]
    fn receive(&mut self, message: &mut [u8]) {
        retry(|| self.0.consumer.try_pop(message).ok());
    }
}

/// Frames, pushed and popped, whose length the compiler cannot know.
pub(crate) struct AnyLength(pub(crate) RingLink<[u8]>);

impl Carrier for AnyLength {
    #[inline(always)]
    fn send(&mut self, message: &[u8]) {
        retry(|| self.0.producer.try_push(black_box(message)).ok());
    }

    #[inline(always)]
    fn receive(&mut self, message: &mut [u8]) {
        retry(|| self.0.consumer.try_pop(black_box(&mut *message)).ok());
    }
}

/// Frames, copied into the ring and out of it. With [`retry`] the compiler moves the claim and the
/// frame, which costs a twentieth of a round trip.
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
                assert_eq!(frame.copy_to(message), message.len());
                return frame.release();
            }
            std::hint::spin_loop();
        }
    }
}
