//! Busy polling: the endpoints never wait in the library. They try, give the processor one
//! hint, and try again, as the compared crates do here.

use std::hint::black_box;

use super::link::{BatchLink, End, Link, Polled, numbered, retry};
use super::rings::Pair;

/// Records of `N` words, each of which is the number.
pub(crate) fn records<const N: usize>(
    Pair(mut producer, mut consumer): Pair<[u64; N]>,
) -> impl Link {
    End(
        #[inline(always)]
        move |message| {
            while producer.try_push([message; N]).is_err() {
                std::hint::spin_loop();
            }
        },
        #[inline(always)]
        move || {
            loop {
                if let Ok(record) = consumer.try_pop() {
                    return number(&record);
                }
                std::hint::spin_loop();
            }
        },
    )
}

#[inline(always)]
fn number<const N: usize>(record: &[u64; N]) -> u64 {
    assert_eq!(record[0], record[N - 1], "the record is whole");
    record[0]
}

/// Records that are filled and read in place. The reader checks the first and the last word.
pub(crate) fn records_in_place<const N: usize>(
    Pair(mut producer, mut consumer): Pair<[u64; N]>,
) -> impl Link {
    End(
        #[inline(always)]
        move |message| {
            retry(|| {
                let mut claim = producer.try_claim().ok()?;
                // SAFETY: both endpoints are in this program, and follow the protocol.
                unsafe { claim.as_mut() }.fill(message);
                claim.commit();
                Some(())
            });
        },
        #[inline(always)]
        move || {
            retry(|| {
                let record = consumer.try_peek().ok()?;
                // SAFETY: as in `send`.
                let number = number(unsafe { record.as_ref() });
                record.release();
                Some(number)
            })
        },
    )
}

/// Records in batches.
pub(crate) fn batches(Pair(mut producer, mut consumer): Pair<u64>) -> impl BatchLink {
    Polled(
        #[inline(always)]
        move |messages: &[u64]| producer.try_push_slice(messages).ok(),
        #[inline(always)]
        move |messages: &mut [u64]| consumer.try_pop_slice(messages).ok(),
    )
}

/// Frames, pushed and popped. With `ANY` the compiler cannot know their length.
pub(crate) fn frames<const SIZE: usize, const ANY: bool>(
    Pair(mut producer, mut consumer): Pair<[u8]>,
) -> impl Link {
    numbered::<SIZE>(
        #[inline(always)]
        move |message| {
            let message = if ANY { black_box(message) } else { message };
            retry(|| producer.try_push(message).ok());
        },
        #[inline(always)]
        move |message| {
            let message = if ANY { black_box(message) } else { message };
            retry(|| consumer.try_pop(message).ok());
        },
    )
}

/// Frames, copied into the ring and out of it. With [`retry`] the compiler moves the claim and the
/// frame, which costs a twentieth of a round trip.
pub(crate) fn frames_in_place<const SIZE: usize>(
    Pair(mut producer, mut consumer): Pair<[u8]>,
) -> impl Link {
    numbered::<SIZE>(
        #[inline(always)]
        move |message| {
            loop {
                if let Ok(mut claim) = producer.try_claim(message.len()) {
                    claim.copy_from_slice(message);
                    return claim.commit();
                }
                std::hint::spin_loop();
            }
        },
        #[inline(always)]
        move |message| {
            loop {
                if let Ok(frame) = consumer.try_peek() {
                    assert_eq!(frame.copy_to(message), message.len());
                    return frame.release();
                }
                std::hint::spin_loop();
            }
        },
    )
}
