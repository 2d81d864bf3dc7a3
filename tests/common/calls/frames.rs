//! The calls on frames. A message is a kind and a payload.

use std::hint::black_box;
use std::ops::ControlFlow;

use quoit::{ClaimError, FrameBatch, FrameProducer, FrameView, Frames, PopError};

use super::Amount::{All, One, UpTo};
use super::watch::Moment::{Holds, Refused};
use super::watch::{is_alone, tell};
use super::{ANY, Calls, Read, Row, TIMED, TRY, WAIT, Wait, Write, call};
use crate::common::sample::{bytes, mix};

type Frame = (u32, Vec<u8>);

/// The longest payload of `varied`. The shorter ones may be copied inline.
const LONGEST: u64 = 89;
/// As many consecutive messages of `varied` have one kind: a call may give all its frames
/// the same.
const ALIKE: u64 = 16;

/// The content of a buffer before the call.
const UNTOUCHED: u8 = 0xee;

impl Calls for [u8] {
    type Message = Frame;
    const SMALL: u64 = 64;

    const WRITES: &'static [Row<Write<[u8]>>] = &[
        Row::new("push", ANY, [One; 2], |end, frames, wait, manner| {
            let (kind, payload) = (frames[0].0, &frames[0].1);
            let pushed = match kind {
                0 if manner % 2 == 0 => call!(wait, end.try_push | push | push_timeout(payload)),
                _ => call!(
                    wait,
                    end.try_push_kind | push_kind | push_kind_timeout(kind, payload)
                ),
            };
            pushed.map(|()| 1)
        }),
        Row::new("push_kind", ANY, [One; 2], |end, frames, wait, _| {
            let (kind, payload) = (frames[0].0, &frames[0].1);
            let pushed = call!(
                wait,
                end.try_push_kind | push_kind | push_kind_timeout(kind, payload)
            );
            pushed.map(|()| 1)
        }),
        Row::new("push_parts", ANY, [One; 2], |end, frames, wait, manner| {
            let (kind, payload) = (frames[0].0, &frames[0].1);
            let (front, back) = payload.split_at(manner % (payload.len() + 1));
            let parts: [&[u8]; 3] = [front, &[], back];
            let count = if payload.is_empty() && manner % 4 == 0 {
                0
            } else {
                3
            };
            let parts = &parts[..count];
            let pushed = call!(
                wait,
                end.try_push_parts | push_parts | push_parts_timeout(kind, parts)
            );
            pushed.map(|()| 1)
        }),
        Row::new("push_slice", ANY, [UpTo; 2], |end, frames, wait, _| {
            let (kind, payloads) = alike(frames);
            let payloads = &payloads[..];
            call!(
                wait,
                end.try_push_slice | push_slice | push_slice_timeout(kind, payloads)
            )
        }),
        Row::new(
            "push_all",
            WAIT | TIMED,
            [All; 2],
            |end, frames, wait, _| {
                let (kind, payloads) = alike(frames);
                let pushed = call!(wait, end.push_all | push_all_timeout(kind, &payloads));
                pushed.map(|()| payloads.len())
            },
        ),
        Row::new("claim", ANY, [One; 2], |end, frames, wait, manner| {
            let (kind, payload) = (frames[0].0, &frames[0].1);
            // More than the message needs, of which a part is committed.
            let len = payload.len() + if manner % 2 == 0 { 0 } else { manner % 17 };
            let mut claim = call!(wait, end.try_claim | claim | claim_timeout(len))?;
            tell(Holds(claim.as_mut_ptr(), len));
            match manner % 3 {
                0 => claim.write_at(0, payload),
                1 if is_alone() => {
                    // SAFETY: no other process accesses unpublished bytes.
                    let room = unsafe { claim.as_mut_bytes() };
                    room[..payload.len()].copy_from_slice(payload);
                }
                _ if len == payload.len() => claim.copy_from_slice(payload),
                _ => {
                    let (front, back) = payload.split_at(payload.len() / 3);
                    claim.write_at(front.len(), back);
                    claim.write_at(0, front);
                }
            }
            claim.set_kind(kind);
            tell(Holds(claim.as_mut_ptr(), len));
            match len == payload.len() {
                true => claim.commit(),
                false => claim.commit_first(payload.len()),
            }
            Ok(1)
        }),
        Row::new(
            "FrameBatch::claim",
            ANY,
            [UpTo; 2],
            |end, frames, wait, manner| {
                in_batch(end, frames, manner, |batch, (kind, payload)| {
                    let len = payload.len();
                    let frame = call!(wait, batch.try_claim | claim | claim_timeout(*kind, len));
                    let mut frame = frame?;
                    if is_alone() {
                        // SAFETY: no other process accesses unpublished bytes.
                        let room = unsafe { frame.as_mut_bytes() };
                        tell(Holds(room.as_ptr(), room.len()));
                    }
                    let (front, back) = payload.split_at(manner / 4 % (len + 1));
                    frame.write_at(front.len(), back);
                    frame.write_at(0, front);
                    if back.is_empty() {
                        frame.copy_from_slice(payload);
                    }
                    Ok(())
                })
            },
        ),
        Row::new(
            "FrameBatch::push",
            TRY,
            [UpTo; 2],
            |end, frames, _, manner| {
                in_batch(end, frames, manner, |batch, (kind, payload)| {
                    batch.try_push(*kind, payload)
                })
            },
        ),
    ];

    const READS: &'static [Row<Read<[u8]>>] = &[
        Row::new("pop", ANY, [One; 2], |end, _, wait, manner, take| {
            let mut buffer = vec![UNTOUCHED; if manner % 4 == 3 { 0 } else { 64 }];
            loop {
                let room = &mut buffer[..];
                let popped = call!(wait, end.try_pop | pop | pop_timeout(room));
                let len = popped.map_or(0, |popped| popped.len);
                assert!(room[len..].iter().all(|byte| *byte == UNTOUCHED));
                match popped {
                    Err(PopError::TooShort { needed }) => {
                        assert!((room.len() + 1..end.capacity() as usize).contains(&needed));
                        buffer = vec![UNTOUCHED; needed - 1];
                        assert!(!is_alone() || end.try_pop(&mut buffer) == popped);
                        buffer.push(UNTOUCHED);
                    }
                    _ => {
                        buffer.truncate(len);
                        take((popped?.kind, buffer));
                        return Ok(1);
                    }
                }
            }
        }),
        Row::new("pop_into", ANY, [One; 2], |end, _, wait, manner, take| {
            let mut bytes = vec![UNTOUCHED; manner % 100];
            let kind = call!(
                wait,
                end.try_pop_into | pop_into | pop_into_timeout(&mut bytes)
            );
            let kind = kind.inspect_err(|_| assert_eq!(bytes, vec![UNTOUCHED; manner % 100]))?;
            take((kind, bytes));
            Ok(1)
        }),
        Row::new("peek", ANY, [One; 2], |end, _, wait, manner, take| {
            if manner % 4 == 3 {
                drop(end.try_peek()); // releases nothing
            }
            let frame = call!(wait, end.try_peek | peek | peek_timeout())?;
            take(copy(frame.view(), manner));
            if manner % 4 == 1 && is_alone() {
                // A frame says what its view says.
                let (view, len) = (frame.view(), frame.len());
                let said = (frame.kind(), len, frame.is_empty(), frame.as_ptr());
                let shown = (view.kind(), view.len(), view.is_empty(), view.as_ptr());
                assert_eq!(said, shown);
                let mut copied = vec![UNTOUCHED; len];
                assert_eq!(frame.copy_to(&mut copied), len);
                // SAFETY: no other process accesses unreleased bytes.
                let in_place = unsafe { frame.as_bytes() };
                assert_eq!((&*copied, in_place), (in_place, &*view.to_vec()));
            }
            frame.release();
            Ok(1)
        }),
        Row::new(
            "peek_many",
            ANY,
            [UpTo; 2],
            |end, wanted, wait, manner, take| {
                if manner % 8 == 7 {
                    drop(end.try_peek_many()); // releases nothing
                }
                let (before, mut bytes) = (end.position(), 0);
                let frames = call!(wait, end.try_peek_many | peek_many | peek_many_timeout())?;
                let visited = visit(frames, wanted, manner, &mut bytes, take)?;
                let released = end.position().wrapping_sub(before);
                assert!(released == bytes || manner % 2 == 1);
                Ok(visited)
            },
        ),
        Row::new("drain", TRY, [UpTo; 2], |end, wanted, _, manner, take| {
            let (mut left, mut is_over) = (wanted, false);
            end.drain_with(|frame| {
                assert!(!is_over, "called again after a break");
                // The first one too many is not released.
                if left == 0 {
                    is_over = true;
                    return ControlFlow::Break(());
                }
                left -= 1;
                take(copy(frame, manner));
                ControlFlow::Continue(())
            })
        }),
    ];

    /// Two of 24 bytes fill a ring of 64.
    fn message(number: u64) -> Frame {
        (0, bytes(number, 24))
    }

    fn varied(number: u64) -> Frame {
        let kind = match number / ALIKE % 2 {
            0 => 0,
            _ => mix(number / ALIKE) as u32,
        };
        (kind, bytes(number, (mix(number) % (LONGEST + 1)) as usize))
    }
}

/// The first payloads of the same kind.
fn alike(frames: &[Frame]) -> (u32, Vec<&[u8]>) {
    let kind = frames.first().map_or(0, |(kind, _)| *kind);
    let alike = frames.iter().take_while(|(other, _)| *other == kind);
    (kind, alike.map(|(_, payload)| &payload[..]).collect())
}

/// Adds frames to a batch up to the first error, and commits or drops it.
fn in_batch(
    end: &mut FrameProducer,
    frames: &[Frame],
    manner: usize,
    mut add: impl FnMut(&mut FrameBatch<'_>, &Frame) -> Result<(), ClaimError>,
) -> Result<usize, ClaimError> {
    let mut batch = end.batch();
    let mut rest = frames.iter();
    let refused = rest.find_map(|frame| add(&mut batch, frame).err());
    let added = match refused {
        Some(ClaimError::Corrupt) => 0, // the batch drops its frames
        _ => frames.len() - rest.len() - usize::from(refused.is_some()),
    };
    if refused == Some(ClaimError::Corrupt) {
        tell(Refused);
        assert_eq!(add(&mut batch, &frames[0]), Err(ClaimError::Corrupt));
    }
    assert_eq!((batch.len(), batch.is_empty()), (added, added == 0));
    match refused {
        Some(error) if batch.is_empty() => {
            assert!(manner % 2 == 1 || batch.commit() == 0);
            Err(error)
        }
        _ if manner % 4 == 3 => Ok(0), // a dropped batch publishes nothing
        _ => Ok(batch.commit()),
    }
}

/// Takes the first of some frames.
fn visit(
    mut frames: Frames<'_>,
    wanted: usize,
    manner: usize,
    bytes: &mut u64,
    take: &mut dyn FnMut(Frame),
) -> Result<usize, PopError> {
    let mut visited = 0;
    while visited < wanted {
        match frames.next_frame() {
            Ok(Some(frame)) => take(copy(frame, manner)),
            Ok(None) => break,
            Err(error) => {
                tell(Refused);
                assert_eq!(frames.next_frame().map(drop), Err(error));
                match manner % 3 {
                    0 => frames.release(),
                    1 => frames.release_first(visited),
                    _ => {}
                }
                return Err(error);
            }
        }
        visited += 1;
    }
    *bytes = frames.visited();
    if manner % 2 == 0 {
        frames.release();
    } else {
        frames.next_frame()?; // one more, which is not released
        frames.release_first(visited);
    }
    Ok(visited)
}

/// A frame's kind and payload, copied once or in every way.
fn copy(frame: FrameView<'_>, manner: usize) -> Frame {
    let (kind, len) = (frame.kind(), frame.len());
    black_box(frame.to_vec()); // each copy loads again
    tell(Holds(frame.as_ptr(), len));
    let payload = frame.to_vec();
    assert_eq!((frame.kind(), frame.len(), payload.len()), (kind, len, len));
    if manner % 4 != 1 {
        return (kind, payload);
    }
    let is_same = |part: &[u8], expected: &[u8]| part == expected || !is_alone();
    assert_eq!(frame.is_empty(), len == 0);
    let mut buffer = vec![UNTOUCHED; len + 1];
    assert_eq!(frame.copy_to(&mut buffer), len);
    assert!(is_same(&buffer[..len], &payload) && buffer[len] == UNTOUCHED);
    for (offset, end) in [(0, len), (len / 3, len / 2), (len, len)] {
        let mut part = vec![UNTOUCHED; end - offset];
        frame.read_at(offset, &mut part);
        assert!(is_same(&part, &payload[offset..end]));
    }
    let mut appended = vec![UNTOUCHED];
    frame.append_to(&mut appended);
    assert!(appended[0] == UNTOUCHED && appended.len() == 1 + len);
    assert!(is_same(&appended[1..], &payload));
    if is_alone() {
        // SAFETY: no other process accesses unreleased bytes.
        assert_eq!(unsafe { frame.as_bytes() }, payload);
    }
    (kind, payload)
}
