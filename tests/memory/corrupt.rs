//! An impossible value in the segment is an error: no panic, no read outside the published
//! range, no endless loop. The endpoint that finds it is poisoned: it stores nothing, and
//! never waits. To recover, drop it and take the role again, or replace the ring.
//!
//! `hostile` finds most of this by random writes. Here each write is given, where `hostile`
//! cannot know which call must find them.

pub(crate) mod advice;
pub(crate) mod semaphores;
pub(crate) mod values;

use quoit::{ClaimError, Corrupt, Deadline, DoorbellKind, PopError};

use crate::common::calls::{Wait, Way};
use crate::common::ends::End;
use crate::hostile::body::Tally;
use crate::hostile::body::calls::Prey;
use crate::hostile::body::choices::Choices;
use crate::hostile::body::memory::{HEAD, TAIL};
use crate::hostile::body::oracle::{self, Scene, Watched, Writes};
use crate::hostile::body::rings::Set;
use crate::hostile::while_it_continues;

/// Every form of a call; one that waits would wait forever.
const FORMS: [Wait; 3] = [Wait::Never, Wait::Forever, Wait::Until(Deadline::NEVER)];

fn corrupt(field: &'static str, found: u64) -> Corrupt {
    Corrupt { field, found }
}

/// A ring of this capacity, which no thread writes to during a call.
fn ring<T: Prey + ?Sized>(capacity: usize) -> (Set<T>, Scene) {
    let set = Set::<T>::new(capacity, DoorbellKind::Futex);
    let scene = Scene {
        memory: set.memory,
        writes: Writes::Between,
        tally: Tally::default(),
    };
    (set, scene)
}

/// A call of an endpoint: whether it is refused because of corruption.
type Call<E> = (String, Box<dyn Fn(&mut Watched<E>, &Scene) -> bool>);

fn calls<F: Copy + 'static, E: 'static>(
    ways: Vec<Way<F>>,
    is_refused: fn(&Way<F>, &mut Watched<E>, &Scene) -> bool,
) -> Vec<Call<E>> {
    let ways = ways.into_iter();
    let call = |way: Way<F>| -> Call<E> {
        let call = move |end: &mut Watched<E>, scene: &Scene| is_refused(&way, end, scene);
        (way.name(), Box::new(call))
    };
    let can_fail = |way: &Way<F>| !way.name().contains("select");
    ways.filter(can_fail).map(call).collect()
}

/// The calls in every form that can fail because there is no room.
fn writes<T: Prey + ?Sized>() -> Vec<Call<T::Producer>> {
    calls(T::writes(&FORMS), |way, end, scene| {
        let (messages, choices) = ([0, 1].map(T::message), &mut Choices::default());
        let written = oracle::write::<T>(end, scene, way, &messages, 0, choices);
        written == Err(ClaimError::Corrupt)
    })
}

/// Those that can fail because there is no message.
fn reads<T: Prey + ?Sized>() -> Vec<Call<T::Consumer>> {
    calls(T::reads(&FORMS), |way, end, scene| {
        let (read, _) = oracle::read::<T>(end, scene, way, 2, 0, &mut Choices::default());
        read == Err(PopError::Corrupt)
    })
}

/// Each call is the first one of a new endpoint: it finds this, and so do all later ones.
fn any_call_finds<E: End>(
    scene: &Scene,
    calls: &[Call<E>],
    found: Corrupt,
    mut new: impl FnMut() -> Watched<E>,
) {
    while_it_continues(|beat| {
        for (name, call) in calls {
            let mut end = new();
            let before = scene.memory.segment();
            assert!(call(&mut end, scene), "{name}");
            assert!(scene.memory.segment() == before, "a store by {name}");
            is_poisoned(end, scene, calls, found);
            beat();
        }
    });
}

/// Every call of this endpoint returns `Corrupt`, twice, also after it is closed. None waits or
/// stores anything (`oracle`). To close and drop it moves no position.
fn is_poisoned<E: End>(mut end: Watched<E>, scene: &Scene, calls: &[Call<E>], found: Corrupt) {
    let positions = || [HEAD, TAIL].map(|position| scene.memory.word(position));
    let before = positions();
    for _ in 0..2 {
        for (name, call) in calls.iter().chain(calls) {
            assert_eq!(end.end.corruption(), Some(found), "{name}");
            assert!(call(&mut end, scene), "{name}");
        }
        end.close();
    }
    drop(end);
    assert_eq!(positions(), before);
}
