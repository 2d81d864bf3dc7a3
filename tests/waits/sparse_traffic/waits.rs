//! Four kinds of wait for a message or for room.

use quoit::{Consumer, DoorbellKind, PopError, Producer, PushError, RingOptions, Select, Selected};

use crate::common::descriptors::becomes_readable;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Plain,
    /// Together with an idle ring.
    Select,
    #[cfg(feature = "futures")]
    Async,
    Pollable,
}

impl Way {
    /// Each with the doorbells that it can sleep on.
    pub(crate) const ALL: &[(Self, DoorbellKind)] = &[
        (Self::Plain, DoorbellKind::Futex),
        (Self::Plain, DoorbellKind::Semaphore),
        (Self::Select, DoorbellKind::Futex),
        #[cfg(feature = "futures")]
        (Self::Async, DoorbellKind::Futex),
        (Self::Pollable, DoorbellKind::Futex),
    ];

    /// A consumer's pop, which waits for a message.
    pub(crate) fn pops(self, mut consumer: Consumer<u64>) -> Box<dyn FnMut() -> u64> {
        match self {
            Self::Plain => Box::new(move || consumer.pop().expect("the producer is attached")),
            Self::Select => {
                let (silent, mut other) = RingOptions::new(1).heap::<u64>().expect("a ring");
                let mut select = Select::new();
                Box::new(move || {
                    let _ = &silent; // it is attached
                    let ends = &mut [other.interest(), consumer.interest()];
                    assert_eq!(select.wait(ends, None).expect("work"), Selected::Ready(1));
                    consumer.try_pop().expect("a message")
                })
            }
            #[cfg(feature = "futures")]
            Self::Async => {
                let mut consumer = consumer.into_async().expect("an async endpoint");
                Box::new(move || {
                    let popped = futures_executor::block_on(consumer.pop());
                    popped.expect("the producer is attached")
                })
            }
            Self::Pollable => {
                let mut consumer = consumer.into_pollable().expect("a pollable end");
                Box::new(move || {
                    loop {
                        becomes_readable(&consumer);
                        match consumer.get().try_pop() {
                            Err(PopError::Empty) => {}
                            popped => return popped.expect("the producer is attached"),
                        }
                    }
                })
            }
        }
    }

    /// A producer's push, which waits for room.
    pub(crate) fn pushes(self, mut producer: Producer<u64>) -> Box<dyn FnMut(u64)> {
        match self {
            Self::Plain => {
                Box::new(move |message| producer.push(message).expect("the consumer is attached"))
            }
            Self::Select => {
                let (silent, mut other) = RingOptions::new(1).heap::<u64>().expect("a ring");
                let mut select = Select::new();
                Box::new(move |message| {
                    let _ = &silent; // it is attached
                    let ends = &mut [other.interest(), producer.interest()];
                    assert_eq!(select.wait(ends, None).expect("work"), Selected::Ready(1));
                    producer.try_push(message).expect("there is room");
                })
            }
            #[cfg(feature = "futures")]
            Self::Async => {
                let mut producer = producer.into_async().expect("an async endpoint");
                Box::new(move |message| {
                    let pushed = futures_executor::block_on(producer.push(message));
                    pushed.expect("the consumer is attached");
                })
            }
            Self::Pollable => {
                let mut producer = producer.into_pollable().expect("a pollable end");
                Box::new(move |message| {
                    loop {
                        becomes_readable(&producer);
                        match producer.get().try_push(message) {
                            Err(PushError::Full(_)) => {}
                            pushed => return pushed.expect("the consumer is attached"),
                        }
                    }
                })
            }
        }
    }
}
