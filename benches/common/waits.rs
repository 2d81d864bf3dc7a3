//! Links with other kinds of wait: on many rings at once, in async code, in an event loop.

use quoit::{Consumer, Pollable, PopError, Producer, RingOptions, Select, Selected};
use rustix::event::{PollFd, PollFlags, poll};

use super::exchange::Link;
use super::interleaved::Side;
use super::rings::{RingLink, Rings};

/// Many rings in each direction. Each message uses the next one, and its receiver waits for all.
pub(crate) struct Selecting {
    producers: Vec<Producer<u64>>,
    consumers: Vec<Consumer<u64>>,
    select: Select,
    sent: usize,
}

impl Selecting {
    /// The links of this many rings in each direction.
    pub(crate) fn names(count: usize) -> Vec<String> {
        let name = |index| format!("select {count} {index}");
        (0..count).map(name).collect()
    }

    /// This many rings, which the first open creates.
    pub(crate) fn open(
        rings: &Rings,
        count: usize,
        options: &RingOptions,
    ) -> impl FnMut(Side) -> Self + use<> {
        let (rings, options) = (rings.clone(), options.clone());
        move |side| {
            let ends = Self::names(count).into_iter().map(|name| {
                let RingLink { producer, consumer } = rings.link::<u64>(&name, &options)(side);
                (producer, consumer)
            });
            let (producers, consumers) = ends.unzip();
            Self {
                producers,
                consumers,
                select: Select::new(),
                sent: 0,
            }
        }
    }
}

impl Link for Selecting {
    #[inline(always)]
    fn send(&mut self, message: u64) {
        let producer = &mut self.producers[self.sent];
        producer.push(message).expect("the partner is attached");
        self.sent += 1;
        if self.sent == self.producers.len() {
            self.sent = 0;
        }
    }

    #[inline(always)]
    fn receive(&mut self) -> u64 {
        match self.select.wait(&mut self.consumers, None) {
            Ok(Selected::Ready(index)) => self.consumers[index].try_pop().expect("it is ready"),
            other => panic!("the partner is attached: {other:?}"),
        }
    }
}

/// A ring in each direction, whose consumer waits in another way.
pub(crate) struct Waiting<C> {
    producer: Producer<u64>,
    consumer: C,
}

/// A way to wait.
pub(crate) trait Pop {
    fn pop(&mut self) -> u64;
}

fn open<C, F: Fn(Consumer<u64>) -> C>(
    rings: &Rings,
    name: &str,
    options: &RingOptions,
    turn: F,
) -> impl FnMut(Side) -> Waiting<C> + use<C, F> {
    let mut link = rings.link::<u64>(name, options);
    move |side| {
        let RingLink { producer, consumer } = link(side);
        let consumer = turn(consumer);
        Waiting { producer, consumer }
    }
}

/// Waits for an eventfd by `poll`, as an event loop does.
pub(crate) fn pollable(
    rings: &Rings,
    options: &RingOptions,
) -> impl FnMut(Side) -> Waiting<Pollable<Consumer<u64>>> + use<> {
    let turn = |consumer: Consumer<u64>| consumer.into_pollable().expect("a pollable endpoint");
    open(rings, "pollable", options, turn)
}

/// Waits in async code, on an executor for one task.
#[cfg(feature = "futures")]
pub(crate) fn is_async(
    rings: &Rings,
    options: &RingOptions,
) -> impl FnMut(Side) -> Waiting<quoit::AsyncConsumer<u64>> + use<> {
    let turn = |consumer: Consumer<u64>| consumer.into_async().expect("an async endpoint");
    open(rings, "async", options, turn)
}

impl<C: Pop> Link for Waiting<C> {
    #[inline(always)]
    fn send(&mut self, message: u64) {
        let pushed = self.producer.push(message);
        pushed.expect("the partner is attached");
    }

    #[inline(always)]
    fn receive(&mut self) -> u64 {
        self.consumer.pop()
    }
}

impl Pop for Pollable<Consumer<u64>> {
    #[inline(always)]
    fn pop(&mut self) -> u64 {
        loop {
            let mut entries = [PollFd::new(self, PollFlags::IN)];
            poll(&mut entries, None).expect("no signal arrives");
            match self.get().try_pop() {
                Err(PopError::Empty) => {}
                popped => return popped.expect("the partner is attached"),
            }
        }
    }
}

#[cfg(feature = "futures")]
impl Pop for quoit::AsyncConsumer<u64> {
    #[inline(always)]
    fn pop(&mut self) -> u64 {
        let popped = futures_executor::block_on(quoit::AsyncConsumer::pop(self));
        popped.expect("the partner is attached")
    }
}
