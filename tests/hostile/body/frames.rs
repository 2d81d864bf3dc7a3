//! Frames, written and read in every way.

use quoit::{ClaimError, Consumer, PopError, Producer};

use super::choices::Choices;
use super::memory::{Memory, Scribble};
use super::prey::{Answer, Place, Prey, select};

/// Bytes of a frame's header.
const HEADER: usize = 8;

impl Prey for [u8] {
    const UNIT: usize = 1;

    fn first_position(near: u64) -> u64 {
        near & !7
    }

    fn address_of_data(producer: &mut Producer<[u8]>) -> usize {
        let next = (producer.position() % producer.capacity()) as usize;
        let mut claim = producer.try_claim(0).expect("there is room");
        claim.as_mut_ptr().expose_provenance() - HEADER - next
    }

    fn write(
        producer: &mut Producer<[u8]>,
        choices: &mut Choices<'_>,
        place: &mut Place,
    ) -> Answer {
        // Sometimes longer than any frame may be.
        let len = usize::from(choices.half()) % (producer.longest() + 8);
        let len = if choices.coin() { len } else { len % 48 };
        let payload = vec![choices.byte(); len];
        let many: Vec<_> = (0..choices.below(4))
            .map(|part| &payload[..len >> part])
            .collect();
        match choices.below(8) {
            0 => producer.try_push_kind(7, &payload).into(),
            1 => producer.push_timeout(&payload, choices.timeout()).into(),
            2 | 3 if many.is_empty() => Answer::Silent,
            2 => producer.try_push_slice(&many).into(),
            3 => producer.push_slice_timeout(&many, choices.timeout()).into(),
            4 | 5 => {
                let timeout = choices.timeout();
                let claim = match choices.coin() {
                    true => producer.try_claim(len),
                    false => producer.claim_timeout(len, timeout),
                };
                match claim {
                    Ok(mut claim) => {
                        assert_eq!(claim.len(), len);
                        claim.copy_from_slice(&payload);
                        place.check_payload(&claim);
                        match choices.below(3) {
                            0 => claim.commit(),
                            1 => claim.commit_first(choices.below(len + 1)),
                            _ => drop(claim),
                        }
                        Answer::Sound
                    }
                    Err(error) => Err::<(), _>(error).into(),
                }
            }
            6 => batch(producer, &many, choices, place),
            _ => select(producer.interest(len), choices),
        }
    }

    fn read(
        consumer: &mut Consumer<[u8]>,
        choices: &mut Choices<'_>,
        place: &mut Place,
        memory: Option<&Memory>,
    ) -> Answer {
        let next = (consumer.position() % consumer.capacity()) as usize;
        let mut buffer = vec![0; usize::from(choices.half()) % place.data];
        match choices.below(8) {
            0 | 1 => {
                let timeout = choices.timeout();
                let popped = match choices.coin() {
                    true => consumer.try_pop(&mut buffer),
                    false => consumer.pop_timeout(&mut buffer, timeout),
                };
                if let (Ok(len), Some(memory)) = (popped, memory) {
                    let payload = &buffer[..len];
                    assert!(
                        memory.data_at(next + HEADER, payload)
                            || memory.data_at(HEADER, payload)
                            || memory.ride_at(HEADER, payload),
                        "a frame from nowhere"
                    );
                }
                if let Err(PopError::TooShort { needed }) = popped {
                    assert!((buffer.len() + 1..place.data).contains(&needed));
                }
                popped.into()
            }
            2..=4 => {
                let timeout = choices.timeout();
                let peek = match choices.coin() {
                    true => consumer.try_peek(),
                    false => consumer.peek_timeout(timeout),
                };
                match peek {
                    Ok(frame) => {
                        place.check_payload(&frame);
                        if choices.coin() {
                            frame.release();
                        }
                        Answer::Sound
                    }
                    Err(error) => Err::<(), _>(error).into(),
                }
            }
            5 => visit(consumer, choices, place, memory),
            6 => consumer
                .try_pop_each(|_, payload| place.check_payload(payload))
                .into(),
            _ => select(consumer.interest(), choices),
        }
    }
}

/// A batch of frames, and what it says once it has met something corrupt.
fn batch(
    producer: &mut Producer<[u8]>,
    payloads: &[&[u8]],
    choices: &mut Choices<'_>,
    place: &mut Place,
) -> Answer {
    let mut batch = producer.batch();
    let mut frames = 0;
    let mut corrupt = None;
    for payload in payloads {
        let claimed = batch.try_claim(payload.len()).map(|room| {
            room.copy_from_slice(payload);
            place.check_payload(room);
        });
        frames += usize::from(claimed.is_ok());
        match (claimed, corrupt) {
            (Err(ClaimError::Corrupt(found)), None) => corrupt = Some(found),
            (Err(ClaimError::TooLong { .. }), _) | (_, None) => {}
            (claimed, Some(corrupt)) => assert_eq!(claimed, Err(ClaimError::Corrupt(corrupt))),
        }
    }
    if choices.coin() {
        assert_eq!(batch.commit(), frames);
    }
    corrupt.map_or(Answer::Silent, Answer::Corrupt)
}

/// Some frames where they lie, and what they say once one is corrupt.
fn visit(
    consumer: &mut Consumer<[u8]>,
    choices: &mut Choices<'_>,
    place: &mut Place,
    memory: Option<&Memory>,
) -> Answer {
    let mut frames = match consumer.try_peek_many() {
        Ok(frames) => frames,
        Err(error) => return Err::<(), _>(error).into(),
    };
    let mut answer = Answer::Sound;
    for _ in 0..choices.below(6) {
        match frames.next_frame() {
            Ok(Some((_, payload))) => place.check_payload(payload),
            Ok(None) => break,
            Err(error) => {
                answer = Err::<(), _>(error).into();
                if let Some(memory) = memory {
                    memory.scribble(&Scribble::choose(choices, memory));
                }
                assert_eq!(frames.next_frame(), Err(error), "once corrupt, for ever");
            }
        }
    }
    if choices.coin() {
        frames.release();
    }
    answer
}

impl Place {
    /// Checks that a payload lies after a header in the data, or is carried.
    fn check_payload(&mut self, payload: &[u8]) {
        if !payload.is_empty()
            && let Some(offset) = self.check(payload)
        {
            assert!(offset >= HEADER && offset % HEADER == 0);
        }
    }
}
