//! A ring and its endpoints during an execution.

use std::rc::Rc;

use quoit::{Corrupt, Error, Ring};

use super::Tally;
use super::calls::Prey;
use super::choices::Choices;
use super::memory::{
    CONSUMER_STATE, DATA, EVERYTHING, Memory, PRODUCER_STATE, SUPERSEDED, StrayWrite,
};
use super::model::Model;
use super::oracle::{self, Scene, Watched, Writes};
use super::rings::{Set, on_the_heap};
use crate::common::calls::{Amount, Wait};
use crate::common::ends::End;

pub(crate) struct World<T: Prey + ?Sized> {
    /// `None` for a ring on the heap, whose roles are never taken again.
    set: Option<Rc<Set<T>>>,
    pub(crate) scene: Scene,
    /// The ring, opened again, perhaps with another capacity.
    other: Option<Ring<T>>,
    pub(crate) producer: Option<Watched<T::Producer>>,
    pub(crate) consumer: Option<Watched<T::Consumer>>,
    /// Every endpoint has the capacity of the new ring.
    true_to_size: bool,
    /// What the calls return, if nothing else writes to the segment.
    model: Option<Model<T>>,
}

impl<T: Prey + ?Sized> World<T> {
    pub(crate) fn new(set: &Rc<Set<T>>, writes: Writes, tally: &Tally) -> Self {
        Self::of(Some(Rc::clone(set)), set.memory, writes, tally)
    }

    pub(crate) fn on_the_heap(
        choices: &mut Choices,
        first: u64,
        writes: Writes,
        tally: &Tally,
    ) -> Self {
        let (producer, consumer, memory) = on_the_heap::<T>(choices, first);
        let base = Some(memory.start);
        Self {
            producer: Some(Watched::new(producer, base)),
            consumer: Some(Watched::new(consumer, base)),
            ..Self::of(None, memory, writes, tally)
        }
    }

    fn of(set: Option<Rc<Set<T>>>, memory: Memory, writes: Writes, tally: &Tally) -> Self {
        Self {
            set,
            scene: Scene {
                memory,
                writes,
                tally: tally.clone(),
            },
            other: None,
            producer: None,
            consumer: None,
            true_to_size: true,
            model: None,
        }
    }

    /// Performs steps until there are no more choices.
    pub(crate) fn live(mut self, choices: &mut Choices) {
        let is_modelled = self.scene.writes == Writes::Never;
        if is_modelled || !choices.coin() {
            self.take_producer(choices);
            self.take_consumer(choices);
        }
        if is_modelled {
            self.compare();
        }
        while !choices.are_over() && self.is_there() {
            self.step(choices);
        }
        let set = self.set.take().filter(|_| self.true_to_size);
        drop(self);
        let whole = set.is_none_or(|set| set.slack_is_whole());
        assert!(whole, "an endpoint wrote after the data");
    }

    /// From now on the ring is empty, and each call returns what it does for a queue.
    pub(crate) fn compare(&mut self) {
        let Watched { end, .. } = self.producer.as_ref().expect("both roles were taken");
        self.model = Some(Model::new(end.capacity(), end.position()));
    }

    /// Whether the memory still exists.
    fn is_there(&self) -> bool {
        self.set.is_some() || self.producer.is_some() || self.consumer.is_some()
    }

    pub(crate) fn step(&mut self, choices: &mut Choices) {
        match choices.below(32) {
            0..9 => self.write(choices),
            9..18 => self.read(choices),
            18..26 if self.scene.writes == Writes::Between => {
                let memory = self.scene.memory;
                memory.apply(&StrayWrite::choose(&EVERYTHING, 0, choices, &memory));
            }
            18 => self.catch_up(),
            19..26 => {}
            26 => self.ask(choices),
            // The roles of such a ring are never taken again.
            27..29 if self.set.is_none() && self.model.is_some() => {}
            27 => self.producer = None,
            28 => self.consumer = None,
            29 => self.take_producer(choices),
            30 => self.take_consumer(choices),
            _ => self.open(choices),
        }
        if let Some(model) = &mut self.model {
            model.are_open = [is_open(&self.producer), is_open(&self.consumer)];
            model.compare(
                self.producer.as_ref().map(|producer| &producer.end),
                self.consumer.as_ref().map(|consumer| &consumer.end),
            );
        }
    }

    /// Publishes messages by any call.
    pub(crate) fn write(&mut self, choices: &mut Choices) {
        if let Some(producer) = &self.producer {
            let wait = producer.wait(self.model.is_some(), choices);
            self.write_in(wait, choices);
        }
    }

    /// The same by any call in this form.
    pub(crate) fn write_in(&mut self, wait: Wait, choices: &mut Choices) {
        let Some(producer) = &mut self.producer else {
            return;
        };
        let way = choices.one_of(&T::writes(&[wait]));
        let count = match way.amount {
            Amount::One => 1,
            _ => choices.below(12).max(usize::from(self.model.is_some())),
        };
        let first = self.model.as_mut().map(|model| {
            model.number += 16; // frames of one kind
            model.number
        });
        let any = |index| {
            let number = first.map(|first| first + index as u64);
            T::any(choices, producer.end.capacity(), number)
        };
        let messages: Vec<_> = (0..count).map(any).collect();
        let (manner, scene) = (choices.byte().into(), &self.scene);
        let mut write =
            |messages: &[_]| oracle::write::<T>(producer, scene, &way, messages, manner, choices);
        match &mut self.model {
            Some(model) => model.write(&way, messages, manner, scene, write),
            None => drop(write(&messages)),
        }
    }

    /// Takes messages by any call.
    pub(crate) fn read(&mut self, choices: &mut Choices) {
        if let Some(consumer) = &self.consumer {
            let wait = consumer.wait(self.model.is_some(), choices);
            self.read_in(wait, choices);
        }
    }

    /// The same by any call in this form.
    pub(crate) fn read_in(&mut self, wait: Wait, choices: &mut Choices) {
        let Some(consumer) = &mut self.consumer else {
            return;
        };
        let way = choices.one_of(&T::reads(&[wait]));
        let all = ["skip", "peek_many", "drain"].map(|name| way.name().contains(name));
        let wanted = match way.amount {
            Amount::One => 1,
            _ if choices.below(8) == 7 && all.contains(&true) => usize::MAX,
            Amount::AtOnce => choices.below(12),
            _ => choices.below(12).max(usize::from(self.model.is_some())),
        };
        let manner = choices.byte().into();
        let mut read = || oracle::read::<T>(consumer, &self.scene, &way, wanted, manner, choices);
        match &mut self.model {
            Some(model) => model.read(&way, wanted, read),
            None => drop(read()),
        }
    }

    fn catch_up(&mut self) {
        if let (Some(model), Some(consumer)) = (&mut self.model, &mut self.consumer) {
            model.catch_up(&mut consumer.end);
        }
    }

    pub(crate) fn has_both(&self) -> bool {
        self.producer.is_some() && self.consumer.is_some()
    }

    pub(crate) fn is_poisoned(&self) -> bool {
        let producer = self.producer.as_ref().is_some_and(Watched::is_poisoned);
        producer || self.consumer.as_ref().is_some_and(Watched::is_poisoned)
    }

    /// The getters of both endpoints.
    fn ask(&mut self, choices: &mut Choices) {
        let producer = self.producer.as_ref().map(|producer| &producer.end);
        T::ask(
            producer,
            self.consumer.as_ref().map(|consumer| &consumer.end),
        );
        if let Some(producer) = &mut self.producer {
            producer.ask(&self.scene, choices);
        }
        if let Some(consumer) = &mut self.consumer {
            consumer.ask(&self.scene, choices);
        }
    }

    /// The ring as it was created, or as it was opened later, and its address.
    fn ring(&self, choices: &mut Choices) -> Option<(&Ring<T>, Option<usize>)> {
        let set = self.set.as_ref()?;
        Some(match &self.other {
            Some(other) if choices.coin() => (other, None),
            _ => (&set.ring, Some(set.base)),
        })
    }

    /// An endpoint that is closed and holds its role seems to be about to free it: because of that a
    /// call makes a hundred attempts.
    fn is_leaving(&self, state: usize) -> bool {
        let set = self.set.as_ref();
        set.is_some_and(|set| set.memory.word(state) & 1 == 1)
    }

    pub(crate) fn take_producer(&mut self, choices: &mut Choices) {
        let held = self.producer.is_some();
        let new = self.take(held, PRODUCER_STATE, Ring::producer, choices);
        self.producer = new.or(self.producer.take());
    }

    pub(crate) fn take_consumer(&mut self, choices: &mut Choices) {
        let held = self.consumer.is_some();
        let new = self.take(held, CONSUMER_STATE, Ring::consumer, choices);
        self.consumer = new.or(self.consumer.take());
    }

    /// The endpoint, if the role was free and the positions valid.
    fn take<E: End>(
        &self,
        held: bool,
        state: usize,
        role: fn(&Ring<T>) -> Result<E, Error>,
        choices: &mut Choices,
    ) -> Option<Watched<E>> {
        if held && self.is_leaving(state) && choices.below(32) != 31 {
            return None;
        }
        let (ring, base) = self.ring(choices)?;
        match role(ring) {
            Ok(end) => {
                assert!(!held, "two endpoints hold one role");
                Some(Watched::new(end, base))
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

    /// Opens the ring again, or supersedes it.
    fn open(&mut self, choices: &mut Choices) {
        let Some(set) = &self.set else { return };
        let memory = &self.scene.memory;
        let superseded = memory.word(SUPERSEDED) as u32 != 0;
        let leaving = self.producer.is_some() && self.is_leaving(PRODUCER_STATE)
            || self.consumer.is_some() && self.is_leaving(CONSUMER_STATE);
        if (superseded || leaving) && choices.below(32) != 31 {
            return;
        }
        if self.model.is_none() && choices.below(8) == 7 {
            if let Err(error) = quoit::unlink(&set.name) {
                self.refused(error);
            }
            return;
        }
        match set.options.open::<T>(&set.name) {
            Ok(ring) => {
                let bytes = ring.capacity() as usize * T::UNIT;
                assert!(DATA + bytes <= memory.length);
                self.true_to_size &= ring.capacity() == set.ring.capacity();
                self.other = Some(ring);
            }
            Err(error) => self.refused(error),
        }
    }

    fn refused(&self, error: Error) {
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
        self.scene.tally.count(name, true);
    }
}

/// Whether the endpoint exists, and is not closed.
fn is_open<E: End>(end: &Option<Watched<E>>) -> bool {
    end.as_ref().is_some_and(|end| !end.closed)
}
