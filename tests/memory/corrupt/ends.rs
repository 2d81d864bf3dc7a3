//! Every call of every kind of endpoint, and its result on a poisoned endpoint.

use std::fmt::Debug;
use std::fs;
use std::sync::mpsc;
use std::thread;

use quoit::{
    Claim, ClaimError, ClaimMany, Consumer, Corrupt, Deadline, FrameBatch, FrameClaim,
    FrameConsumer, FrameProducer, Frames, Peek, PeekMany, PopError, Popped, Producer, PushError,
};

use crate::common::PATIENCE;
use crate::common::names::RingName;

const NEVER: Deadline = Deadline::NEVER;

/// A call with its text. It commits or releases what it gets.
type Call<E> = (&'static str, fn(&mut E) -> Answer<E>);
type Answer<E> = Result<(), <E as End>::Error>;

/// One of the four endpoints.
pub(crate) trait End: Sized + Send + 'static {
    type Error: Copy + Debug + PartialEq + Send + 'static;
    const CORRUPT: Self::Error;
    /// Every call that can fail because there is no message or no room.
    const CALLS: &'static [Call<Self>];

    fn corruption(&self) -> Option<Corrupt>;
    fn close(&mut self);

    /// The calls with nothing to do, and what a failed call returns to its caller.
    fn idle(&mut self);
}

macro_rules! end {
    ($end:ty, $error:ident, |$name:ident| [$($call:expr),* $(,)?], $idle:expr) => {
        impl End for $end {
            type Error = $error;
            const CORRUPT: $error = $error::Corrupt;
            const CALLS: &'static [Call<Self>] = &[
                $((stringify!($call), |$name| $call.map(|_| ()))),*
            ];

            fn corruption(&self) -> Option<Corrupt> {
                <$end>::corruption(self)
            }

            fn close(&mut self) {
                <$end>::close(self);
            }

            fn idle(&mut self) {
                let idle: fn(&mut Self) = $idle;
                idle(self);
            }
        }
    };
}

end!(
    Producer<u64>,
    ClaimError,
    |end| [
        reason(end.try_push(7)),
        reason(end.push(7)),
        reason(end.push_timeout(7, NEVER)),
        end.try_push_slice(&[7]),
        end.push_slice(&[7]),
        end.push_slice_timeout(&[7], NEVER),
        end.push_all(&[7]),
        end.push_all_timeout(&[7], NEVER),
        end.try_extend(&mut [7].into_iter()),
        reason(end.extend([7])),
        end.try_claim().map(Claim::commit),
        end.claim().map(Claim::commit),
        end.claim_timeout(NEVER).map(Claim::commit),
        end.try_claim_many(2).map(ClaimMany::commit),
        end.try_claim_many(usize::MAX).map(ClaimMany::commit),
        end.claim_many(2).map(ClaimMany::commit),
        end.claim_many_timeout(2, NEVER).map(ClaimMany::commit),
    ],
    |end| {
        let mut values = [7; 4].into_iter();
        assert_eq!(end.try_extend(&mut values), Err(ClaimError::Corrupt));
        assert_eq!(values.len(), 4, "no value is lost");
        let claim = end.try_claim_many(0).expect("an empty claim");
        assert_eq!(claim.len(), 0);
        claim.commit();
        assert_eq!(end.push_all(&[]), Ok(()));
        assert_eq!(end.extend([]), Ok(0));
    }
);

end!(
    Consumer<u64>,
    PopError,
    |end| [
        end.try_pop(),
        end.pop(),
        end.pop_timeout(NEVER),
        untouched(|values| end.try_pop_slice(values)),
        untouched(|values| end.pop_slice(values)),
        untouched(|values| end.pop_slice_timeout(values, NEVER)),
        untouched(|values| end.pop_exact(values)),
        untouched(|values| end.pop_exact_timeout(values, NEVER)),
        end.try_peek().map(Peek::release),
        end.peek().map(Peek::release),
        end.peek_timeout(NEVER).map(Peek::release),
        end.try_peek_many().map(PeekMany::release),
        end.peek_many(2).map(PeekMany::release),
        end.peek_many_timeout(2, NEVER).map(PeekMany::release),
        end.skip(1),
        end.skip(usize::MAX),
        end.skip_to_latest(),
        // These return no error: `corruption` does.
        end.try_iter().next().ok_or(PopError::Corrupt),
        end.iter().next().ok_or(PopError::Corrupt),
        IntoIterator::into_iter(&mut *end)
            .next()
            .ok_or(PopError::Corrupt),
    ],
    |end| {
        assert_eq!(end.skip(0), Ok(0));
        assert_eq!(end.try_pop_slice(&mut []), Ok(0));
        assert_eq!(end.pop_exact(&mut []), Ok(()));
    }
);

end!(
    FrameProducer,
    ClaimError,
    |end| [
        end.try_push(b"7"),
        end.push(b"7"),
        end.push_timeout(b"7", NEVER),
        end.try_push_kind(1, b""),
        end.push_kind(1, b""),
        end.push_kind_timeout(1, b"", NEVER),
        end.try_push_parts(1, &[b"7", b"8"]),
        end.push_parts(1, &[b"7", b"8"]),
        end.push_parts_timeout(1, &[], NEVER),
        end.try_push_slice(1, &["7", ""]),
        end.push_slice(1, &["7", ""]),
        end.push_slice_timeout(1, &["7", ""], NEVER),
        end.push_all(1, &["7", ""]),
        end.push_all_timeout(1, &["7", ""], NEVER),
        end.try_claim(0).map(FrameClaim::commit),
        end.claim(9).map(FrameClaim::commit),
        end.claim_timeout(24, NEVER)
            .map(|claim| claim.commit_first(1)),
        in_batch(end, |batch| batch.try_push(1, b"7")),
        in_batch(end, |batch| batch.try_claim(1, 0).map(drop)),
        in_batch(end, |batch| batch.claim(1, 0).map(drop)),
        in_batch(end, |batch| batch.claim_timeout(1, 0, NEVER).map(drop)),
    ],
    |end| {
        assert_eq!(end.batch().commit(), 0);
        assert_eq!(end.push_all(1, &[""; 0]), Ok(()));
    }
);

end!(
    FrameConsumer,
    PopError,
    |end| [
        popped(|buffer| end.try_pop(buffer)),
        popped(|buffer| end.pop(buffer)),
        popped(|buffer| end.pop_timeout(buffer, NEVER)),
        popped_into(|bytes| end.try_pop_into(bytes)),
        popped_into(|bytes| end.pop_into(bytes)),
        popped_into(|bytes| end.pop_into_timeout(bytes, NEVER)),
        end.try_peek().map(|frame| frame.release()),
        end.peek().map(|frame| frame.release()),
        end.peek_timeout(NEVER).map(|frame| frame.release()),
        end.try_peek_many().and_then(first_of),
        end.peek_many().and_then(first_of),
        end.peek_many_timeout(NEVER).and_then(first_of),
        end.drain_with(|_| panic!("there is no frame")),
        end.skip(1),
        end.skip(usize::MAX),
        end.skip_to_latest(),
    ],
    |end| assert_eq!(end.skip(0), Ok(0))
);

/// A refused record is returned.
fn reason<R>(pushed: Result<R, PushError<u64>>) -> Result<R, ClaimError> {
    pushed.map_err(|error| match error {
        PushError::Corrupt(7) => ClaimError::Corrupt,
        other => panic!("the wrong error: {other:#?}"),
    })
}

fn in_batch(
    end: &mut FrameProducer,
    add: impl FnOnce(&mut FrameBatch<'_>) -> Result<(), ClaimError>,
) -> Result<(), ClaimError> {
    let mut batch = end.batch();
    let added = add(&mut batch);
    assert_eq!(batch.len(), usize::from(added.is_ok()));
    batch.commit();
    added
}

fn first_of(mut frames: Frames<'_>) -> Result<(), PopError> {
    let first = frames.next_frame().map(|_| ());
    frames.release();
    first
}

fn untouched<R>(pop: impl FnOnce(&mut [u64]) -> Result<R, PopError>) -> Result<R, PopError> {
    let mut values = [77; 4];
    let answer = pop(&mut values);
    assert_eq!(values, [77; 4]);
    answer
}

fn popped(pop: impl FnOnce(&mut [u8]) -> Result<Popped, PopError>) -> Result<Popped, PopError> {
    let mut buffer = [77; 128];
    let answer = pop(&mut buffer);
    assert_eq!(buffer, [77; 128]);
    answer
}

fn popped_into(pop: impl FnOnce(&mut Vec<u8>) -> Result<u32, PopError>) -> Result<u32, PopError> {
    let mut bytes = b"kept".to_vec();
    let answer = pop(&mut bytes);
    assert_eq!(bytes, b"kept");
    answer
}

/// Every call returns `Corrupt`, twice. None waits, and none changes a byte of the segment.
/// Returns the endpoint.
pub(crate) fn is_poisoned<E: End>(mut end: E, name: &RingName, found: Corrupt) -> E {
    for (text, call) in E::CALLS.iter().chain(E::CALLS) {
        end = refuses(end, name, found, text, *call);
    }
    let idle = |end: &mut E| {
        end.idle();
        Err(E::CORRUPT)
    };
    refuses(end, name, found, "an idle call", idle)
}

/// Every call that polls detects the corruption, stores nothing, and poisons the endpoint.
/// Each gets a new endpoint from `take`; `spoil` then writes an impossible value.
pub(crate) fn any_call_finds_it<E: End>(
    name: &RingName,
    found: Corrupt,
    take: impl Fn() -> E,
    spoil: impl Fn(),
) {
    for (text, call) in E::CALLS {
        let end = take();
        assert_eq!(end.corruption(), None);
        spoil();
        drop(refuses(end, name, found, text, *call));
    }
}

/// In a separate thread: a call that waits fails the test.
fn refuses<E: End>(
    mut end: E,
    name: &RingName,
    found: Corrupt,
    text: &str,
    call: fn(&mut E) -> Answer<E>,
) -> E {
    let segment = || fs::read(name.file()).expect("the segment exists");
    let before = segment();
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || sender.send((call(&mut end), end)));
    let (answer, end) = receiver.recv_timeout(PATIENCE).expect(text);
    assert_eq!(answer, Err(E::CORRUPT), "{text}");
    assert_eq!(end.corruption(), Some(found), "{text}");
    assert!(segment() == before, "a store by {text}");
    end
}
