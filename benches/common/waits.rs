//! Links with other kinds of wait: on many rings at once, in async code, in an event loop.

use std::os::fd::AsRawFd;

use quoit::{Consumer, Pollable, PopError, Producer, RingOptions, Select, Selected};

use super::interleaved::Side;
use super::link::Link;
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
        (0..count)
            .map(|index| format!("select {count} {index}"))
            .collect()
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

/// A ring in each direction, whose consumer waits for an eventfd by `poll`, as an event loop does.
pub(crate) struct Polling {
    producer: Producer<u64>,
    consumer: Pollable<Consumer<u64>>,
}

impl Polling {
    pub(crate) fn open(
        rings: &Rings,
        name: &str,
        options: &RingOptions,
    ) -> impl FnMut(Side) -> Self + use<> {
        let mut link = rings.link::<u64>(name, options);
        move |side| {
            let RingLink { producer, consumer } = link(side);
            let consumer = consumer.into_pollable().expect("a pollable end");
            Self { producer, consumer }
        }
    }
}

impl Link for Polling {
    #[inline(always)]
    fn send(&mut self, message: u64) {
        self.producer
            .push(message)
            .expect("the partner is attached");
    }

    #[inline(always)]
    fn receive(&mut self) -> u64 {
        loop {
            let mut entry = libc::pollfd {
                fd: self.consumer.as_raw_fd(),
                events: libc::POLLIN,
                revents: 0,
            };
            // SAFETY: the entry outlives the call.
            unsafe { libc::poll(&raw mut entry, 1, -1) };
            match self.consumer.get().try_pop() {
                Err(PopError::Empty) => {}
                popped => return popped.expect("the partner is attached"),
            }
        }
    }
}

/// A ring in each direction, whose consumer is async, on an executor for one task.
#[cfg(feature = "futures")]
pub(crate) struct Async {
    producer: Producer<u64>,
    consumer: quoit::AsyncConsumer<u64>,
}

#[cfg(feature = "futures")]
impl Async {
    pub(crate) fn open(
        rings: &Rings,
        name: &str,
        options: &RingOptions,
    ) -> impl FnMut(Side) -> Self + use<> {
        let mut link = rings.link::<u64>(name, options);
        move |side| {
            let RingLink { producer, consumer } = link(side);
            let consumer = consumer.into_async().expect("an async endpoint");
            Self { producer, consumer }
        }
    }
}

#[cfg(feature = "futures")]
impl Link for Async {
    #[inline(always)]
    fn send(&mut self, message: u64) {
        self.producer
            .push(message)
            .expect("the partner is attached");
    }

    #[inline(always)]
    fn receive(&mut self) -> u64 {
        let popped = futures_executor::block_on(self.consumer.pop());
        popped.expect("the partner is attached")
    }
}
