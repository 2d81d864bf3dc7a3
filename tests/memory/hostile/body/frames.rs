//! Frames, written and read by every call.

use std::io::{self, BufRead, ErrorKind, IoSlice, Read, Write};
use std::ops::ControlFlow;
use std::time::Duration;

use quoit::{ClaimError, FrameConsumer, FrameProducer, FrameView, PopError};

use super::choices::Choices;
use super::memory::StrayWrite;
use super::prey::{Answer, Place, Prey, either, select};

/// Bytes of a frame's header.
const HEADER: usize = 8;

impl Prey for [u8] {
    const UNIT: usize = 1;

    fn first_position(near: u64) -> u64 {
        near & !7
    }

    fn address_of_data(producer: &mut FrameProducer) -> usize {
        let next = (producer.position() % producer.capacity()) as usize;
        let mut claim = producer.try_claim(0).expect("there is room");
        claim.as_mut_ptr().expose_provenance() - HEADER - next
    }

    fn write(producer: &mut FrameProducer, choices: &mut Choices<'_>, place: &mut Place) -> Answer {
        // Sometimes longer than the longest frame.
        let len = usize::from(choices.half()) % (producer.max_frame_len() + 8);
        let len = if choices.coin() { len } else { len % 48 };
        let payload = vec![choices.byte(); len];
        let many: Vec<_> = (0..choices.below(4))
            .map(|part| &payload[..len >> part])
            .collect();
        match choices.below(12) {
            0 => either!(choices, place, producer.try_push | push_timeout(&payload)).into(),
            1 => either!(
                choices,
                place,
                producer.try_push_kind | push_kind_timeout(7, &payload)
            )
            .into(),
            2 | 3 => {
                let pushed = either!(
                    choices,
                    place,
                    producer.try_push_slice | push_slice_timeout(7, &many)
                );
                Answer::from(pushed).unless(many.is_empty())
            }
            4 | 5 => claim(producer, &payload, choices, place),
            6 | 7 => batch(producer, &many, choices, place),
            8 => {
                place.laps = many.len() as u64;
                let pushed = producer.push_all_timeout(7, &many, place.deadline(choices));
                Answer::from(pushed).unless(many.is_empty())
            }
            9 => either!(
                choices,
                place,
                producer.try_push_parts | push_parts_timeout(7, &many)
            )
            .into(),
            10 => write_stream(producer, &many, choices),
            _ => select(producer.interest(len), choices),
        }
    }

    fn read(consumer: &mut FrameConsumer, choices: &mut Choices<'_>, place: &mut Place) -> Answer {
        let next = (consumer.position() % consumer.capacity()) as usize;
        let mut buffer = vec![0; usize::from(choices.half()) % place.data];
        let witness = place.witness();
        let is_there = |payload: &[u8]| {
            let there = witness.is_none_or(|it| {
                it.data_at(next + HEADER, payload)
                    || it.data_at(HEADER, payload)
                    || it.inline_at(HEADER, payload)
            });
            assert!(there, "a frame that was not published");
        };
        match choices.below(14) {
            0 | 1 => {
                let popped = either!(choices, place, consumer.try_pop | pop_timeout(&mut buffer));
                if let Err(PopError::TooShort { needed }) = popped {
                    assert!((buffer.len() + 1..place.data).contains(&needed));
                }
                let (payload, rest) = buffer.split_at(popped.map_or(0, |popped| popped.len));
                assert!(
                    rest.iter().all(|byte| *byte == 0),
                    "written beyond the frame"
                );
                if popped.is_ok() {
                    is_there(payload);
                    place.saw(payload);
                }
                popped.into()
            }
            2 => {
                let popped = either!(
                    choices,
                    place,
                    consumer.try_pop_into | pop_into_timeout(&mut buffer)
                );
                if popped.is_ok() {
                    is_there(&buffer);
                    place.saw(&buffer);
                }
                popped.into()
            }
            3..=5 => {
                let peek = either!(choices, place, consumer.try_peek | peek_timeout());
                match peek {
                    Ok(frame) => {
                        place.check_view(frame.view(), choices);
                        if choices.coin() {
                            frame.release();
                        }
                        Answer::Sound
                    }
                    Err(error) => Err::<(), _>(error).into(),
                }
            }
            6 | 7 => visit(consumer, choices, place),
            8 | 9 => drain(consumer, choices, place),
            10 => {
                let wanted = choices.one_of(&[0, 1, 2, usize::MAX]);
                let skipped = consumer.skip(wanted);
                if let Ok(count) = skipped {
                    assert!((wanted.min(1)..=wanted).contains(&count));
                }
                Answer::from(skipped).unless(wanted == 0)
            }
            11 => {
                let skipped = consumer.skip_to_latest();
                assert!(skipped.is_err() || place.witness().is_none() || !consumer.is_empty());
                skipped.into()
            }
            12 => read_stream(consumer, choices, place),
            _ => select(consumer.interest(), choices),
        }
    }

    fn ask(producer: Option<&FrameProducer>, _: Option<&FrameConsumer>) {
        if let Some(producer) = producer {
            assert!(
                producer
                    .vacant()
                    .is_none_or(|len| len <= producer.max_frame_len())
            );
        }
    }
}

/// One frame, filled in place.
fn claim(
    producer: &mut FrameProducer,
    payload: &[u8],
    choices: &mut Choices<'_>,
    place: &mut Place,
) -> Answer {
    let len = payload.len();
    let claim = either!(choices, place, producer.try_claim | claim_timeout(len));
    let mut claim = match claim {
        Ok(claim) => claim,
        Err(error) => return Err::<(), _>(error).into(),
    };
    assert_eq!(claim.len(), len);
    place.check_payload(claim.as_mut_ptr(), len);
    claim.set_kind(7);
    match choices.below(3) {
        0 => claim.copy_from_slice(payload),
        1 => {
            let (front, back) = payload.split_at(choices.below(len + 1));
            claim.write_at(front.len(), back);
            claim.write_at(0, front);
        }
        _ if place.is_quiet() => {
            // SAFETY: no other thread writes to the ring.
            unsafe { claim.as_mut_bytes() }.copy_from_slice(payload);
        }
        _ => {}
    }
    place.attack(choices);
    match choices.below(3) {
        0 => claim.commit(),
        1 => claim.commit_first(choices.below(len + 1)),
        _ => drop(claim),
    }
    Answer::Sound
}

/// A batch of frames while another thread overwrites the segment. After it has found
/// corruption it returns and stores nothing.
fn batch(
    producer: &mut FrameProducer,
    payloads: &[&[u8]],
    choices: &mut Choices<'_>,
    place: &mut Place,
) -> Answer {
    let before = producer.position();
    let mut batch = producer.batch();
    let mut frames = 0;
    // The content of the ring when the batch is poisoned.
    let mut poisoned = None;
    for payload in payloads {
        let claimed = match choices.below(3) {
            0 => batch.try_push(7, payload),
            way => {
                let frame = match way {
                    1 => batch.try_claim(7, payload.len()),
                    _ => batch.claim_timeout(7, payload.len(), Duration::ZERO),
                };
                frame.map(|mut frame| {
                    if place.is_quiet() {
                        // SAFETY: no other thread writes to the ring.
                        let bytes = unsafe { frame.as_mut_bytes() };
                        assert_eq!(bytes.len(), payload.len());
                        place.check_payload(bytes.as_ptr(), bytes.len());
                    }
                    let (front, back) = payload.split_at(payload.len() / 2);
                    frame.write_at(front.len(), back);
                    frame.write_at(0, front);
                    frame.copy_from_slice(payload);
                })
            }
        };
        frames += usize::from(claimed.is_ok());
        match (claimed, &poisoned) {
            (Err(ClaimError::Corrupt), None) => {
                frames = 0;
                poisoned = Some(place.segment());
            }
            (_, None) => place.attack(choices),
            (Err(ClaimError::TooLong { .. }), Some(_)) => {}
            (claimed, Some(_)) => assert_eq!(claimed, Err(ClaimError::Corrupt)),
        }
        assert_eq!((batch.len(), batch.is_empty()), (frames, frames == 0));
    }
    let commits = choices.coin();
    if commits {
        assert_eq!(batch.commit(), frames);
    }
    let moved = producer.position() != before;
    assert_eq!(moved, commits && frames > 0);
    let Some(segment) = poisoned else {
        return Answer::Silent;
    };
    assert!(segment == place.segment(), "a poisoned batch has stored");
    Answer::Corrupt
}

/// The frames of a batch as a stream of bytes.
fn write_stream(
    producer: &mut FrameProducer,
    parts: &[&[u8]],
    choices: &mut Choices<'_>,
) -> Answer {
    let max = (producer.capacity() / 4) as usize - HEADER;
    let mut writer = producer.writer();
    writer.set_timeout(Some(choices.timeout()));
    let len: usize;
    let written = match choices.coin() {
        true => {
            let part = parts.first().copied().unwrap_or_default();
            len = part.len();
            writer.write(part)
        }
        false => {
            let parts: Vec<_> = parts.iter().map(|part| IoSlice::new(part)).collect();
            len = parts.iter().map(|part| part.len()).sum();
            writer.write_vectored(&parts)
        }
    };
    match written {
        Ok(written) => {
            assert_eq!(written, len.min(max));
            Answer::Sound.unless(len == 0)
        }
        Err(error) => {
            let found = error
                .get_ref()
                .and_then(|error| error.downcast_ref::<ClaimError>());
            let found = *found.expect("an error of the ring");
            let kinds = [ErrorKind::BrokenPipe, ErrorKind::TimedOut];
            assert!(
                kinds.contains(&error.kind()) || is_corrupt(&error),
                "{error}"
            );
            Err::<(), _>(found).into()
        }
    }
}

/// Some frames in place. After one is corrupt, the others return and store nothing.
fn visit(consumer: &mut FrameConsumer, choices: &mut Choices<'_>, place: &mut Place) -> Answer {
    let before = consumer.position();
    let frames = match choices.below(3) {
        0 => consumer.try_peek_many(),
        1 => consumer.peek_many_timeout(Duration::ZERO),
        _ => consumer.peek_many_timeout(place.deadline(choices)),
    };
    let mut frames = match frames {
        Ok(frames) => frames,
        Err(error) => return Err::<(), _>(error).into(),
    };
    let mut answer = Answer::Sound;
    let mut visited = 0;
    for _ in 0..choices.below(6) {
        match frames.next_frame() {
            Ok(Some(view)) => {
                visited += 1;
                place.check_view(view, choices);
            }
            Ok(None) => break,
            Err(error) => {
                answer = Err::<(), _>(error).into();
                if let Some(memory) = &place.memory {
                    memory.apply(&StrayWrite::choose(choices, memory));
                }
                assert_eq!(
                    frames.next_frame().map(drop),
                    Err(error),
                    "corrupt stays corrupt"
                );
            }
        }
    }
    let segment = place.segment();
    let way = choices.below(4);
    match way {
        0 | 1 => frames.release(),
        // The release reads the headers again.
        2 => frames.release_first(choices.below(visited + 1)),
        _ => drop(frames),
    }
    let sure = way != 2;
    let poisoned = consumer.corruption().is_some();
    if poisoned {
        assert_eq!(consumer.position(), before, "a poisoned endpoint has moved");
        assert!(segment == place.segment(), "a poisoned endpoint has stored");
    }
    assert!(!sure || poisoned == matches!(answer, Answer::Corrupt));
    match (answer, sure) {
        (Answer::Sound, false) => Answer::Silent,
        (answer, _) => answer,
    }
}

/// Frames passed to a function, which may stop before any of them.
fn drain(consumer: &mut FrameConsumer, choices: &mut Choices<'_>, place: &mut Place) -> Answer {
    let before = consumer.position();
    let most = choices.one_of(&[0, 1, 2, usize::MAX]);
    let mut visited = 0;
    let mut broken = false;
    let drained = consumer.drain_with(|view| {
        assert!(!broken, "called again after a break");
        place.check_view(view, choices);
        if visited == most {
            broken = true;
            return ControlFlow::Break(());
        }
        visited += 1;
        ControlFlow::Continue(())
    });
    match drained {
        Ok(count) => assert_eq!(count, visited),
        Err(_) => assert!(!broken),
    }
    let moved = consumer.position().wrapping_sub(before);
    assert_eq!(moved == 0, visited == 0, "released if and only if visited");
    assert!(moved >= (visited * HEADER) as u64);
    drained.into()
}

/// Frames as a stream of bytes, in pieces of any size, while another thread overwrites the segment.
fn read_stream(
    consumer: &mut FrameConsumer,
    choices: &mut Choices<'_>,
    place: &mut Place,
) -> Answer {
    place.laps = 32;
    place.looks_on = true;
    let data = place.data;
    let mut reader = consumer.reader();
    reader.set_timeout(Some(choices.timeout()));
    let mut failure = None;
    for _ in 0..choices.below(8) {
        let result = match choices.below(3) {
            0 => {
                let mut buffer = vec![0xa5; choices.below(64)];
                reader.read(&mut buffer).map(|count| {
                    assert!(buffer[count..].iter().all(|byte| *byte == 0xa5));
                })
            }
            _ => reader.fill_buf().map(<[u8]>::to_vec).map(|bytes| {
                assert!(bytes.len() < data);
                place.saw(&bytes);
                place.attack(choices);
                let again = reader.fill_buf();
                // The end of a stream is reported again.
                if !bytes.is_empty() {
                    assert_eq!(again.expect("a copy"), bytes, "a copy has changed");
                    let half = choices.below(bytes.len() + 1);
                    reader.consume(half);
                    if half < bytes.len() {
                        assert_eq!(reader.fill_buf().expect("a copy"), &bytes[half..]);
                    }
                }
            }),
        };
        if let Err(error) = result {
            failure = Some(error);
            break;
        }
        place.attack(choices);
    }
    reader.into_inner();
    match failure {
        // It may be poisoned during the read, and report that at the next call.
        None => Answer::Silent,
        Some(error) => {
            let found = error
                .get_ref()
                .and_then(|error| error.downcast_ref::<PopError>());
            let found = *found.expect("an error of the ring");
            assert!(
                error.kind() == ErrorKind::TimedOut || is_corrupt(&error),
                "{error}"
            );
            match found {
                PopError::Corrupt => Answer::Corrupt,
                _ => Answer::Silent,
            }
        }
    }
}

fn is_corrupt(error: &io::Error) -> bool {
    error.kind() == ErrorKind::InvalidData
}

impl Place {
    /// Checks that a payload is in the data after a header, or in the endpoint's copy;
    /// returns its offset in the data.
    fn check_payload(&mut self, address: *const u8, len: usize) -> Option<usize> {
        if len == 0 {
            return None;
        }
        let offset = self.check(address, len)?;
        assert!(offset >= HEADER && offset % HEADER == 0);
        Some(offset)
    }

    /// Reads a frame by every method, also after another thread may have written to it. Its
    /// length and kind do not change, and its bytes are the current ones, or the copy.
    fn check_view(&mut self, view: FrameView<'_>, choices: &mut Choices<'_>) {
        let (kind, len) = (view.kind(), view.len());
        assert_eq!(view.is_empty(), len == 0);
        assert!(len + HEADER <= self.data);
        let offset = self.check_payload(view.as_ptr(), len);
        let first = view.to_vec();
        if self.is_quiet() {
            // SAFETY: no thread writes to the ring at the same time.
            assert_eq!(unsafe { view.as_bytes() }, first);
        }
        self.attack(choices);

        assert_eq!((view.kind(), view.len()), (kind, len));
        let bytes = view.to_vec();
        self.saw(&bytes);
        let mut copy = vec![0xa5; len + 9];
        assert_eq!(view.copy_to(&mut copy), len);
        assert_eq!(copy[len..], [0xa5; 9], "written beyond the frame");
        let mut appended = vec![0xa5; 9];
        view.append_to(&mut appended);
        assert_eq!(appended[..9], [0xa5; 9]);
        assert_eq!(appended.len(), 9 + len);
        let from = choices.below(len + 1);
        let mut part = vec![0; choices.below(len - from + 1)];
        view.read_at(from, &mut part);
        assert_eq!(bytes.len(), len);
        if offset.is_none() {
            assert_eq!(bytes, first, "a copy has changed");
        }
        if let Some(memory) = &self.memory {
            assert!(offset.is_none_or(|offset| memory.data_at(offset, &bytes)));
        }
        if offset.is_none() || self.is_quiet() {
            assert_eq!(copy[..len], bytes);
            assert_eq!(appended[9..], bytes);
            assert_eq!(part, bytes[from..from + part.len()]);
        }
    }
}
