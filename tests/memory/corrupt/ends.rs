//! Every call of every kind of endpoint, and its result on a poisoned endpoint.

use std::fmt::Debug;
use std::fs;
use std::sync::{Arc, mpsc};
use std::thread;

use quoit::{
    ClaimError, Consumer, Corrupt, Deadline, FrameConsumer, FrameProducer, PopError, Producer,
};

use crate::common::PATIENCE;
use crate::common::calls::{Calls, Wait, ways};
use crate::common::ends::End;
use crate::common::names::RingName;

/// Every form of a call; one that waits would wait forever.
pub(crate) const FORMS: [Wait; 3] = [Wait::Never, Wait::Forever, Wait::Until(Deadline::NEVER)];

/// A call with its text.
type Call<E> = (
    String,
    Arc<dyn Fn(&mut E) -> Result<(), <E as Poisoned>::Error> + Send + Sync>,
);

/// One of the four endpoints.
pub(crate) trait Poisoned: End {
    type Error: Copy + Debug + PartialEq + Send + 'static;
    const CORRUPT: Self::Error;

    /// Every call that can fail because there is no message or no room.
    fn calls() -> Vec<Call<Self>>
    where
        Self: Sized;

    /// The calls with nothing to do.
    fn idle(&mut self);
}

/// Every call of the table, for two messages if it takes several.
fn writes<T: Calls + ?Sized>() -> Vec<Call<T::Producer>>
where
    T::Producer: Poisoned<Error = ClaimError>,
{
    let calls = ways(T::WRITES, &FORMS).into_iter();
    let calls = calls.map(|write| -> Call<T::Producer> {
        let call = move |end: &mut T::Producer| {
            let messages = [0, 1].map(T::message);
            (write.call)(end, &messages, write.wait, 0).map(drop)
        };
        (write.name(), Arc::new(call))
    });
    calls.collect()
}

fn reads<T: Calls + ?Sized>() -> Vec<Call<T::Consumer>>
where
    T::Consumer: Poisoned<Error = PopError>,
{
    let calls = ways(T::READS, &FORMS).into_iter();
    let calls = calls.map(|read| -> Call<T::Consumer> {
        let call = move |end: &mut T::Consumer| {
            let taken = &mut |message| panic!("there is {message:?}");
            (read.call)(end, 2, read.wait, 0, taken).map(drop)
        };
        (read.name(), Arc::new(call))
    });
    calls.collect()
}

macro_rules! poisoned {
    ($end:ty, $error:ident, $table:expr, [$($more:expr),*], $idle:expr) => {
        impl Poisoned for $end {
            type Error = $error;
            const CORRUPT: $error = $error::Corrupt;

            fn calls() -> Vec<Call<Self>> {
                type More = fn(&mut $end) -> Result<usize, $error>;
                let more: &[(&str, More)] = &[$((stringify!($more), $more)),*];
                let more = more.iter().map(|&(text, call)| -> Call<Self> {
                    (text.to_owned(), Arc::new(move |end| call(end).map(drop)))
                });
                let mut calls = $table;
                calls.extend(more);
                calls
            }

            fn idle(&mut self) {
                let idle: fn(&mut Self) = $idle;
                idle(self);
            }
        }
    };
}

poisoned!(
    Producer<u64>,
    ClaimError,
    writes::<u64>(),
    [|end| end.try_claim_many(usize::MAX).map(|claim| claim.len())],
    |end| {
        let claim = end.try_claim_many(0).expect("an empty claim");
        assert_eq!(claim.len(), 0);
        claim.commit();
        assert_eq!(end.push_all(&[]), Ok(()));
        assert_eq!(end.extend([]), Ok(0));
    }
);

poisoned!(
    Consumer<u64>,
    PopError,
    reads::<u64>(),
    [
        |end| end.skip(1),
        |end| end.skip(usize::MAX),
        |end| end.skip_to_latest()
    ],
    |end| {
        assert_eq!(end.skip(0), Ok(0));
        assert_eq!(end.try_pop_slice(&mut []), Ok(0));
        assert_eq!(end.pop_exact(&mut []), Ok(()));
    }
);

poisoned!(
    FrameProducer,
    ClaimError,
    writes::<[u8]>(),
    [|end| end.push_parts_timeout(1, &[], Deadline::NEVER).map(|()| 0)],
    |end| {
        assert_eq!(end.batch().commit(), 0);
        assert_eq!(end.push_all(1, &[""; 0]), Ok(()));
    }
);

poisoned!(
    FrameConsumer,
    PopError,
    reads::<[u8]>(),
    [
        |end| end.skip(1),
        |end| end.skip(usize::MAX),
        |end| end.skip_to_latest()
    ],
    |end| assert_eq!(end.skip(0), Ok(0))
);

/// Every call returns `Corrupt`, twice. None waits, and none changes a byte of the segment.
/// Returns the endpoint.
pub(crate) fn is_poisoned<E: Poisoned>(mut end: E, name: &RingName, found: Corrupt) -> E {
    let calls = E::calls();
    for call in calls.iter().chain(&calls) {
        end = refuses(end, name, found, call);
    }
    let idle = |end: &mut E| {
        end.idle();
        Err(E::CORRUPT)
    };
    refuses(
        end,
        name,
        found,
        &("an idle call".to_owned(), Arc::new(idle)),
    )
}

/// Every call that polls detects the corruption, stores nothing, and poisons the endpoint.
/// Each gets a new endpoint from `take`; `spoil` then writes an impossible value.
pub(crate) fn any_call_finds_it<E: Poisoned>(
    name: &RingName,
    found: Corrupt,
    take: impl Fn() -> E,
    spoil: impl Fn(),
) {
    for call in &E::calls() {
        let end = take();
        assert_eq!(end.corruption(), None);
        spoil();
        drop(refuses(end, name, found, call));
    }
}

/// In a separate thread: a call that waits fails the test.
fn refuses<E: Poisoned>(mut end: E, name: &RingName, found: Corrupt, call: &Call<E>) -> E {
    let segment = || fs::read(name.file()).expect("the segment exists");
    let before = segment();
    let (text, call) = (&call.0, Arc::clone(&call.1));
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || sender.send((call(&mut end), end)));
    let (answer, end) = receiver.recv_timeout(PATIENCE).expect(text);
    assert_eq!(answer, Err(E::CORRUPT), "{text}");
    assert_eq!(end.corruption(), Some(found), "{text}");
    assert!(segment() == before, "a store by {text}");
    end
}
