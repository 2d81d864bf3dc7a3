//! A ring whose ends live through an execution.

use std::fmt::Debug;
use std::ptr;

use quoit::{Consumer, Corrupt, Error, Producer, Ring, Role};

use super::Tally;
use super::choices::Choices;
use super::memory::{DATA, Memory, SUPERSEDED, Scribble};
use super::prey::{Answer, Place, Prey};
use super::rings::{Set, on_the_heap};

pub(crate) struct World<'a, T: Prey + ?Sized> {
    /// `None` for a ring on the heap, whose roles are never taken again.
    set: Option<&'a Set<T>>,
    memory: Memory,
    /// Scribbles come between calls, so that what is read can be compared.
    quiet: bool,
    /// The ring, opened once more: perhaps with another capacity.
    other: Option<Ring<T>>,
    producer: Option<Watched<Producer<T>>>,
    consumer: Option<Watched<Consumer<T>>>,
    /// Everybody sees the capacity that the ring was made with.
    true_to_size: bool,
    tally: &'a mut Tally,
}

/// An end, and what it has said.
struct Watched<E> {
    end: E,
    base: Option<usize>,
    /// A consumer has looked here, and may carry the message since.
    lingers: Option<u64>,
    /// From then on it says this, at this position.
    poison: Option<(Corrupt, u64)>,
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
        let (producer, consumer, memory) = on_the_heap(choices, first);
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

    /// Takes steps until the choices are over.
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
        assert!(whole, "an end wrote behind the data");
    }

    /// Whether the memory is.
    fn is_there(&self) -> bool {
        self.set.is_some() || self.producer.is_some() || self.consumer.is_some()
    }

    fn step(&mut self, choices: &mut Choices<'_>) {
        match choices.below(32) {
            0..9 => self.write(choices),
            9..18 => self.read(choices),
            18..26 if self.quiet => {
                let scribble = Scribble::choose(choices, &self.memory);
                self.memory.scribble(&scribble);
            }
            18..26 => {}
            26 => self.ask(),
            27 => self.producer = None,
            28 => self.consumer = None,
            29 => self.take(Role::Producer, choices),
            30 => self.take(Role::Consumer, choices),
            _ => self.open(choices),
        }
    }

    fn write(&mut self, choices: &mut Choices<'_>) {
        let Some(producer) = &mut self.producer else {
            return;
        };
        let mut place = producer.place(T::UNIT, producer.end.capacity());
        let before = producer.end.position();
        let answer = T::write(&mut producer.end, choices, &mut place);
        producer.base = place.base;
        let after = producer.end.position();
        assert!(after.wrapping_sub(before) <= producer.end.capacity());
        self.tally.count("published", after != before);
        producer.judge(answer, after, &["head"], self.tally);
    }

    fn read(&mut self, choices: &mut Choices<'_>) {
        let Some(consumer) = &mut self.consumer else {
            return;
        };
        let mut place = consumer.place(T::UNIT, consumer.end.capacity());
        let before = consumer.end.position();
        let lingers = consumer.lingers == Some(before);
        let memory = (self.quiet && !lingers).then_some(&self.memory);
        let answer = T::read(&mut consumer.end, choices, &mut place, memory);
        consumer.base = place.base;
        let after = consumer.end.position();
        consumer.lingers = (after == before).then_some(before);
        assert!(after.wrapping_sub(before) <= consumer.end.capacity());
        self.tally.count("delivered", after != before);
        let fields = ["tail", "frame length", "padding"];
        consumer.judge(answer, after, &fields, self.tally);
    }

    /// What an end says of itself and of its peer.
    fn ask(&mut self) {
        if let Some(Watched { end, .. }) = &self.producer {
            assert!(end.fill() <= end.capacity());
            std::hint::black_box((end.is_abandoned(), format!("{end:?}")));
        }
        if let Some(Watched { end, .. }) = &self.consumer {
            assert!(end.fill() <= end.capacity());
            std::hint::black_box((end.is_abandoned(), format!("{end:?}")));
        }
    }

    /// Takes a role, from the ring as it was made or as it was opened since.
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

    /// Opens the ring once more, or ends its life.
    fn open(&mut self, choices: &mut Choices<'_>) {
        let Some(set) = self.set else { return };
        let superseded = self.memory.word(SUPERSEDED) as u32 != 0;
        if superseded && choices.below(8) != 7 {
            return; // that takes a hundred attempts
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

/// The end, if the role was free and the positions sound.
fn taken<E: Debug>(result: Result<E, Error>, held: bool) -> Option<E> {
    match result {
        Ok(end) => {
            assert!(!held, "two ends have one role");
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

impl<E> Watched<E> {
    fn new(end: E, base: Option<usize>) -> Self {
        Self {
            end,
            base,
            lingers: None,
            poison: None,
        }
    }

    fn place(&self, unit: usize, capacity: u64) -> Place {
        let own = ptr::from_ref(&self.end).addr();
        Place {
            base: self.base,
            data: unit * capacity as usize,
            private: own..own + size_of::<E>(),
        }
    }

    fn judge(&mut self, answer: Answer, position: u64, fields: &[&str], tally: &mut Tally) {
        match (self.poison, answer) {
            (Some(poison), Answer::Corrupt(corrupt)) => assert_eq!((corrupt, position), poison),
            (Some((_, stays)), Answer::Silent) => assert_eq!(position, stays),
            (Some((poison, _)), Answer::Sound) => panic!("sound after all, after {poison}"),
            (None, Answer::Corrupt(corrupt)) => {
                assert!(fields.contains(&corrupt.field), "{corrupt}");
                tally.count(corrupt.field, true);
                self.poison = Some((corrupt, position));
            }
            (None, _) => {}
        }
    }
}
