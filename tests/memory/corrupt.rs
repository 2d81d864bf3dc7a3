//! An impossible value in the segment is an error: no panic, no read outside the published
//! range, no endless loop. The endpoint that finds it is poisoned: it stores nothing, and
//! never waits. To recover, drop it and take the role again, or replace the ring.
//!
//! `hostile` finds most of this by random writes. Here each write is given, where `hostile`
//! cannot know which call must find them.

pub(crate) mod advice;
pub(crate) mod frames;
pub(crate) mod positions;
pub(crate) mod semaphores;

use quoit::{ClaimError, Corrupt, Deadline, DoorbellKind, Error, PopError, Ring};

use crate::common::calls::{Wait, Way};
use crate::common::clock::until;
use crate::common::ends::End;
use crate::common::threads::while_repeating;
use crate::hostile::body::Tally;
use crate::hostile::body::calls::Prey;
use crate::hostile::body::choices::Choices;
use crate::hostile::body::memory::Memory;
use crate::hostile::body::oracle::{self, Scene, Watched};
use crate::hostile::body::rings::Set;
use crate::hostile::while_it_continues;

/// Every form of a call; one that waits would wait forever.
const FORMS: [Wait; 3] = [Wait::Never, Wait::Forever, Wait::Until(Deadline::NEVER)];

fn corrupt(field: &'static str, found: u64) -> Corrupt {
    Corrupt { field, found }
}

/// A ring of this capacity, which no thread writes to during a call.
fn ring<T: Prey + ?Sized>(capacity: usize) -> (Set<T>, Scene) {
    let set = Set::<T>::new(capacity * T::UNIT, DoorbellKind::Futex);
    let scene = Scene {
        memory: set.memory,
        quiet: true,
        tally: Tally::default(),
    };
    (set, scene)
}

/// A call that was refused, or not, because of corruption.
type Call<E> = (String, Box<dyn Fn(&mut Watched<E>, &Scene) -> bool>);

/// The endpoints with one role, and their calls.
trait Side<T: Prey + ?Sized> {
    type End: End;
    fn take(ring: &Ring<T>) -> Result<Self::End, Error>;
    /// Every call that can fail because there is no message or no room.
    fn calls() -> Vec<Call<Self::End>>;
}

struct Producing;
struct Consuming;

impl<T: Prey + ?Sized> Side<T> for Producing {
    type End = T::Producer;

    fn take(ring: &Ring<T>) -> Result<T::Producer, Error> {
        ring.producer()
    }

    fn calls() -> Vec<Call<T::Producer>> {
        let ways = T::writes(&FORMS).into_iter();
        let ways = ways.filter(|way| !way.name().contains("select"));
        let call = |way: Way<_>| -> Call<_> {
            let call = move |end: &mut Watched<_>, scene: &Scene| {
                let (messages, choices) = ([0, 1].map(T::message), &mut Choices::default());
                let written = oracle::write::<T>(end, scene, &way, &messages, choices);
                written == Err(ClaimError::Corrupt)
            };
            (way.name(), Box::new(call))
        };
        ways.map(call).collect()
    }
}

impl<T: Prey + ?Sized> Side<T> for Consuming {
    type End = T::Consumer;

    fn take(ring: &Ring<T>) -> Result<T::Consumer, Error> {
        ring.consumer()
    }

    fn calls() -> Vec<Call<T::Consumer>> {
        let ways = T::reads(&FORMS).into_iter();
        let ways = ways.filter(|way| !way.name().contains("select"));
        let call = |way: Way<_>| -> Call<_> {
            let call = move |end: &mut Watched<_>, scene: &Scene| {
                let read = oracle::read::<T>(end, scene, &way, 2, &mut Choices::default());
                read == Err(PopError::Corrupt)
            };
            (way.name(), Box::new(call))
        };
        ways.map(call).collect()
    }
}

/// Every call of a new endpoint finds this, and stores nothing: it takes its role where `spoil`
/// has not yet written the impossible value.
fn any_call_finds<T: Prey + ?Sized, S: Side<T>>(
    (set, scene): &(Set<T>, Scene),
    found: Corrupt,
    [head, tail]: [u64; 2],
    spoil: impl Fn(),
) {
    while_it_continues(|beat| {
        for (name, call) in S::calls() {
            set.publish(head, tail);
            let end = S::take(&set.ring).expect("the positions are valid");
            let mut end = Watched::new(end, Some(set.base));
            assert_eq!(end.end.corruption(), None);
            spoil();
            let before = scene.memory.segment();
            assert!(call(&mut end, scene), "{name}");
            assert_eq!(end.end.corruption(), Some(found), "{name}");
            assert!(scene.memory.segment() == before, "a store by {name}");
            beat();
        }
    });
}

/// Every call of this endpoint returns `Corrupt`, twice, also after it is closed. None waits or
/// stores anything (`oracle`).
fn is_poisoned<T: Prey + ?Sized, S: Side<T>>(
    end: &mut Watched<S::End>,
    scene: &Scene,
    found: Corrupt,
) {
    while_it_continues(|beat| {
        let calls = S::calls();
        for (name, call) in calls.iter().chain(&calls) {
            assert!(call(end, scene), "{name}");
            assert_eq!(end.end.corruption(), Some(found), "{name}");
            beat();
        }
    });
}

/// Another thread alternates the two words at that offset while `attempt` runs, at least
/// this many times and until it has seen enough of both. A second read would soon differ
/// from the first.
fn while_it_changes(
    memory: Memory,
    offset: usize,
    words: [u64; 2],
    attempts: u32,
    mut attempt: impl FnMut() -> bool,
) {
    let change = || words.iter().for_each(|&word| memory.put(offset, word));
    while_repeating(change, || {
        let mut left = attempts;
        until("both words are seen", || {
            left = left.saturating_sub(1);
            attempt() && left == 0
        });
    });
}
