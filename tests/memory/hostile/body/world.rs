//! A ring and its endpoints during an execution.

use std::fmt::Debug;
use std::ops::Range;
use std::ptr;
use std::time::Duration;

use quoit::{Corrupt, Error, Ring, Role};

use super::Tally;
use super::choices::Choices;
use super::memory::{
    CONSUMER_STATE, DATA, HEAD, Memory, OWN, PRODUCER_STATE, SUPERSEDED, StrayWrite, TAIL,
};
use super::prey::{self, Answer, Place, Prey};
use super::rings::{Set, on_the_heap};
use crate::common::ends::End;

pub(crate) struct World<'a, T: Prey + ?Sized> {
    /// `None` for a ring on the heap, whose roles are never taken again.
    set: Option<&'a Set<T>>,
    memory: Memory,
    /// The segment is overwritten only between calls, so that results can be compared.
    quiet: bool,
    /// The ring, opened again, perhaps with another capacity.
    other: Option<Ring<T>>,
    producer: Option<Watched<T::Producer>>,
    consumer: Option<Watched<T::Consumer>>,
    /// Every endpoint has the capacity of the new ring.
    true_to_size: bool,
    tally: &'a mut Tally,
}

/// An endpoint, and its earlier results.
struct Watched<E> {
    end: E,
    base: Option<usize>,
    /// A consumer has polled here, and may have the inline copy since.
    lingers: Option<u64>,
    /// The poison that it must return from now on, at this position.
    poison: Option<(Corrupt, u64)>,
    closed: bool,
}

impl<'a, T: Prey + ?Sized> World<'a, T> {
    pub(crate) fn new(set: &'a Set<T>, quiet: bool, tally: &'a mut Tally) -> Self {
        Self {
            set: Some(set),
            memory: set.memory,
            quiet,
            other: None,
            producer: None,
            consumer: None,
            true_to_size: true,
            tally,
        }
    }

    pub(crate) fn on_the_heap(choices: &mut Choices<'_>, first: u64, tally: &'a mut Tally) -> Self {
        let (producer, consumer, memory) = on_the_heap::<T>(choices, first);
        Self {
            set: None,
            memory,
            quiet: true,
            other: None,
            producer: Some(Watched::new(producer, Some(memory.start))),
            consumer: Some(Watched::new(consumer, Some(memory.start))),
            true_to_size: true,
            tally,
        }
    }

    /// Performs steps until there are no more choices.
    pub(crate) fn live(mut self, choices: &mut Choices<'_>) {
        if !choices.coin() || !self.quiet {
            self.take(Role::Producer, choices);
            self.take(Role::Consumer, choices);
        }
        while !choices.are_over() && self.is_there() {
            self.step(choices);
        }
        let set = self.set.filter(|_| self.true_to_size);
        drop(self);
        let whole = set.is_none_or(Set::slack_is_whole);
        assert!(whole, "an endpoint wrote after the data");
    }

    /// Whether the memory still exists.
    fn is_there(&self) -> bool {
        self.set.is_some() || self.producer.is_some() || self.consumer.is_some()
    }

    fn step(&mut self, choices: &mut Choices<'_>) {
        match choices.below(32) {
            0..9 => self.write(choices),
            9..18 => self.read(choices),
            18..26 if self.quiet => {
                let stray_write = StrayWrite::choose(choices, &self.memory);
                self.memory.apply(&stray_write);
            }
            18..26 => {}
            26 => self.ask(choices),
            27 => self.producer = None,
            28 => self.consumer = None,
            29 => self.take(Role::Producer, choices),
            30 => self.take(Role::Consumer, choices),
            _ => self.open(choices),
        }
    }

    fn write(&mut self, choices: &mut Choices<'_>) {
        let memory = self.quiet.then_some(self.memory);
        if let Some(producer) = &mut self.producer {
            let step = |end: &mut T::Producer, place: &mut Place| T::write(end, choices, place);
            let moved = producer.step(T::UNIT, memory, step, &["head"], self.tally);
            self.tally.count("published", moved);
        }
    }

    fn read(&mut self, choices: &mut Choices<'_>) {
        let memory = self.quiet.then_some(self.memory);
        if let Some(consumer) = &mut self.consumer {
            let fields = ["tail", "frame length", "padding"];
            let step = |end: &mut T::Consumer, place: &mut Place| T::read(end, choices, place);
            let moved = consumer.step(T::UNIT, memory, step, &fields, self.tally);
            self.tally.count("delivered", moved);
        }
    }

    /// The getters of an endpoint.
    fn ask(&mut self, choices: &mut Choices<'_>) {
        let memory = self.quiet.then_some(self.memory);
        let timeout = choices.timeout();
        let closes = choices.below(4) == 3;
        let producer = self.producer.as_ref().map(|producer| &producer.end);
        T::ask(
            producer,
            self.consumer.as_ref().map(|consumer| &consumer.end),
        );
        if let Some(producer) = &mut self.producer {
            producer.ask(T::UNIT, memory, timeout, closes, self.tally);
        }
        if let Some(consumer) = &mut self.consumer {
            consumer.ask(T::UNIT, memory, timeout, closes, self.tally);
        }
    }

    /// Takes a role, from the ring as it was created or as it was opened later.
    fn take(&mut self, role: Role, choices: &mut Choices<'_>) {
        let Some(set) = self.set else { return };
        let (ring, base) = match &self.other {
            Some(other) if choices.coin() => (other, None),
            _ => (&set.ring, Some(set.base)),
        };
        match role {
            Role::Producer => {
                if let Some(end) = taken(ring.producer(), self.producer.is_some()) {
                    self.producer = Some(Watched::new(end, base));
                }
            }
            Role::Consumer => {
                if let Some(end) = taken(ring.consumer(), self.consumer.is_some()) {
                    self.consumer = Some(Watched::new(end, base));
                }
            }
        }
    }

    /// Opens the ring again, or supersedes it.
    fn open(&mut self, choices: &mut Choices<'_>) {
        let Some(set) = self.set else { return };
        let superseded = self.memory.word(SUPERSEDED) as u32 != 0;
        // An endpoint that is closed and holds its role seems to be about to exit.
        let closed = |state| self.memory.word(state) & 1 == 1;
        let leaving = self.producer.is_some() && closed(PRODUCER_STATE)
            || self.consumer.is_some() && closed(CONSUMER_STATE);
        if (superseded || leaving) && choices.below(32) != 31 {
            return; // because of that it makes a hundred attempts
        }
        if choices.below(8) == 7 {
            if let Err(error) = quoit::unlink(&set.name) {
                self.refused(error);
            }
            return;
        }
        match set.options.open::<T>(&set.name) {
            Ok(ring) => {
                let bytes = ring.capacity() as usize * T::UNIT;
                assert!(DATA + bytes <= self.memory.length);
                self.true_to_size &= ring.capacity() == set.ring.capacity();
                self.other = Some(ring);
            }
            Err(error) => self.refused(error),
        }
    }

    fn refused(&mut self, error: Error) {
        let name = match error {
            Error::NotFound { .. } => "NotFound",
            Error::InUse { .. } => "InUse",
            Error::NotARing { .. } => "NotARing",
            Error::VersionMismatch { .. } => "VersionMismatch",
            Error::ShapeMismatch { .. } => "ShapeMismatch",
            Error::SchemaMismatch { .. } => "SchemaMismatch",
            Error::DoorbellMismatch { .. } => "DoorbellMismatch",
            Error::Superseded { .. } => "Superseded",
            Error::Corrupt(Corrupt { field, .. }) => field,
            error => panic!("{error}"),
        };
        self.tally.count(name, true);
    }
}

/// The endpoint, if the role was free and the positions valid.
fn taken<E: Debug>(result: Result<E, Error>, held: bool) -> Option<E> {
    match result {
        Ok(end) => {
            assert!(!held, "two endpoints hold one role");
            Some(end)
        }
        Err(Error::InUse { .. }) if held => None,
        Err(Error::Superseded { .. }) => None,
        Err(Error::Corrupt(corrupt)) => {
            assert!(["tail", "head"].contains(&corrupt.field), "{corrupt}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

impl<E: End> Watched<E> {
    fn new(end: E, base: Option<usize>) -> Self {
        Self {
            end,
            base,
            lingers: None,
            poison: None,
            closed: false,
        }
    }

    fn place(&self, unit: usize, memory: Option<Memory>) -> Place {
        let own = ptr::from_ref(&self.end).addr();
        let poisoned = self.poison.is_some();
        Place {
            base: self.base,
            data: unit * self.end.capacity() as usize,
            private: own..own + size_of::<E>(),
            memory,
            lingers: self.lingers == Some(self.end.position()),
            poisoned,
            never_waits: self.closed || poisoned,
            laps: 1,
            looks_on: false,
            expected: |_| true,
            seen: 0,
            wrong: 0,
        }
    }

    /// A call, with all checks; these fields may poison it. Returns whether it has moved.
    fn step(
        &mut self,
        unit: usize,
        memory: Option<Memory>,
        call: impl FnOnce(&mut E, &mut Place) -> Answer,
        fields: &[&str],
        tally: &mut Tally,
    ) -> bool {
        let mut place = self.place(unit, memory);
        let untouched = self.untouched(&place);
        let before = self.end.position();
        let answer = call(&mut self.end, &mut place);
        self.base = place.base;
        let after = self.end.position();
        self.lingers = (after == before || place.looks_on).then_some(after);
        let moved = after.wrapping_sub(before);
        assert!(moved <= place.laps * self.end.capacity());
        self.stayed(untouched, 0..usize::MAX, &place, tally);
        self.judge(answer, fields, tally);
        moved != 0
    }

    /// All getters of an endpoint, and perhaps `close`.
    fn ask(
        &mut self,
        unit: usize,
        memory: Option<Memory>,
        timeout: Duration,
        closes: bool,
        tally: &mut Tally,
    ) {
        let place = self.place(unit, memory);
        let untouched = self.untouched(&place);
        prey::ask(&mut self.end, timeout);
        if closes {
            self.end.close();
            self.closed = true;
            tally.count("closed", true);
        }
        // It may count, sleep and close, but store nothing that a message consists of.
        for position in [TAIL, HEAD] {
            self.stayed(untouched.clone(), position..position + OWN, &place, tally);
        }
        self.stayed(untouched, DATA..usize::MAX, &place, tally);
        self.judge(Answer::Silent, &[], tally);
    }

    /// The content of the segment, if this endpoint must not store there any more.
    fn untouched(&self, place: &Place) -> Option<Vec<u8>> {
        self.poison.and_then(|_| place.segment())
    }

    /// Whether that content is unchanged.
    fn stayed(
        &self,
        untouched: Option<Vec<u8>>,
        range: Range<usize>,
        place: &Place,
        tally: &mut Tally,
    ) {
        if let (Some(before), Some(after)) = (untouched, place.segment()) {
            let end = range.end.min(before.len());
            let (before, after) = (&before[range.start..end], &after[range.start..end]);
            assert!(before == after, "a poisoned endpoint has stored");
            tally.count("stored nothing", true);
        }
    }

    fn judge(&mut self, answer: Answer, fields: &[&str], tally: &mut Tally) {
        let position = self.end.position();
        let now = self.end.corruption().map(|corrupt| (corrupt, position));
        match (self.poison, answer, now) {
            (Some(poison), Answer::Corrupt | Answer::Silent, now) => assert_eq!(now, Some(poison)),
            (Some((poison, _)), Answer::Sound, _) => panic!("valid again after {poison}"),
            (None, Answer::Corrupt, None) => panic!("`Corrupt` without a corruption"),
            (None, Answer::Sound, Some((corrupt, _))) => {
                panic!("poisoned by {corrupt} without an error")
            }
            (None, _, Some((corrupt, _))) => {
                assert!(fields.contains(&corrupt.field), "{corrupt}");
                tally.count(corrupt.field, true);
                self.poison = now;
            }
            (None, _, None) => {}
        }
    }
}
