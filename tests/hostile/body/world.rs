//! A ring whose ends live through an execution.

use std::fmt::Debug;
use std::ptr;

use quoit::{Consumer, Corrupt, Error, Producer, Ring};

use super::Tally;
use super::choices::Choices;
use super::memory::{DATA, SUPERSEDED, Scribble};
use super::prey::{Answer, Place, Prey};
use super::rings::Set;

pub(crate) struct World<'a, T: Prey + ?Sized> {
    set: &'a Set<T>,
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
    /// From then on it says this, at this position.
    poison: Option<(Corrupt, u64)>,
}

impl<'a, T: Prey + ?Sized> World<'a, T> {
    pub(crate) fn new(set: &'a Set<T>, quiet: bool, tally: &'a mut Tally) -> Self {
        Self {
            set,
            quiet,
            other: None,
            producer: None,
            consumer: None,
            true_to_size: true,
            tally,
        }
    }

    /// Takes steps until the choices are over.
    pub(crate) fn live(mut self, choices: &mut Choices<'_>) {
        if !choices.coin() || !self.quiet {
            self.take_producer(choices);
            self.take_consumer(choices);
        }
        while !choices.are_over() {
            self.step(choices);
        }
        let (set, true_to_size) = (self.set, self.true_to_size);
        drop(self);
        let whole = !true_to_size || set.memory.slack_is_whole();
        assert!(whole, "an end wrote behind the data");
    }

    fn step(&mut self, choices: &mut Choices<'_>) {
        match choices.below(32) {
            0..9 => self.write(choices),
            9..18 => self.read(choices),
            18..26 if self.quiet => {
                let memory = &self.set.memory;
                memory.scribble(&Scribble::choose(choices, memory));
            }
            18..26 => {}
            26 => self.ask(),
            27 => self.producer = None,
            28 => self.consumer = None,
            29 => self.take_producer(choices),
            30 => self.take_consumer(choices),
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
        let memory = self.quiet.then_some(&self.set.memory);
        let answer = T::read(&mut consumer.end, choices, &mut place, memory);
        consumer.base = place.base;
        let after = consumer.end.position();
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

    fn take_producer(&mut self, choices: &mut Choices<'_>) {
        let held = self.producer.is_some();
        let (ring, base) = self.ring(choices);
        if let Some(end) = taken(ring.producer(), held) {
            self.producer = Some(Watched::new(end, base));
        }
    }

    fn take_consumer(&mut self, choices: &mut Choices<'_>) {
        let held = self.consumer.is_some();
        let (ring, base) = self.ring(choices);
        if let Some(end) = taken(ring.consumer(), held) {
            self.consumer = Some(Watched::new(end, base));
        }
    }

    /// The ring, or the other one, and where it is mapped if that is known.
    fn ring(&self, choices: &mut Choices<'_>) -> (&Ring<T>, Option<usize>) {
        match &self.other {
            Some(other) if choices.coin() => (other, None),
            _ => (&self.set.ring, Some(self.set.base)),
        }
    }

    /// Opens the ring once more, or ends its life.
    fn open(&mut self, choices: &mut Choices<'_>) {
        let superseded = self.set.memory.word(SUPERSEDED) as u32 != 0;
        if superseded && choices.below(8) != 7 {
            return; // that takes a hundred attempts
        }
        if choices.below(8) == 7 {
            if let Err(error) = quoit::unlink(&self.set.name) {
                self.refused(error);
            }
            return;
        }
        match self.set.options.open::<T>(&self.set.name) {
            Ok(ring) => {
                let bytes = ring.capacity() as usize * T::UNIT;
                assert!(DATA + bytes <= self.set.memory.length());
                self.true_to_size &= ring.capacity() == self.set.ring.capacity();
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
