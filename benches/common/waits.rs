//! Endpoints that wait in the library, also on many rings at once, in async code, and in an event
//! loop.

use quoit::{PopError, Producer, RingOptions, Select, Selected};
use rustix::event::{PollFd, PollFlags, poll};

use super::link::{End, Link, Open, numbered};
use super::rings::{Pair, Rings};

/// Records, for which the receiver waits by `pop`.
fn end(mut producer: Producer<u64>, pop: impl FnMut() -> u64 + 'static) -> impl Link {
    End(
        #[inline(always)]
        move |message| producer.push(message).expect("the partner is attached"),
        pop,
    )
}

pub(crate) fn records(Pair(producer, mut consumer): Pair<u64>) -> impl Link {
    end(
        producer,
        #[inline(always)]
        move || consumer.pop().expect("the partner is attached"),
    )
}

pub(crate) fn frames<const SIZE: usize>(Pair(mut producer, mut consumer): Pair<[u8]>) -> impl Link {
    numbered::<SIZE>(
        #[inline(always)]
        move |message| producer.push(message).expect("the partner is attached"),
        #[inline(always)]
        move |message| {
            let popped = consumer.pop(message).expect("the partner is attached");
            assert_eq!(popped.len, message.len());
        },
    )
}

/// Waits for an eventfd by `poll`, as an event loop does.
pub(crate) fn pollable(Pair(producer, consumer): Pair<u64>) -> impl Link {
    let mut consumer = consumer.into_pollable().expect("a pollable endpoint");
    end(producer, move || {
        loop {
            let mut entries = [PollFd::new(&consumer, PollFlags::IN)];
            poll(&mut entries, None).expect("no signal arrives");
            match consumer.get().try_pop() {
                Err(PopError::Empty) => {}
                popped => return popped.expect("the partner is attached"),
            }
        }
    })
}

/// Waits in async code, on an executor for one task.
#[cfg(feature = "futures")]
pub(crate) fn tasks(Pair(producer, consumer): Pair<u64>) -> impl Link {
    let mut consumer = consumer.into_async().expect("an async endpoint");
    end(producer, move || {
        let popped = futures_executor::block_on(consumer.pop());
        popped.expect("the partner is attached")
    })
}

/// Many rings in each direction. Each message uses the next one, and its receiver waits for all.
pub(crate) fn select(rings: &Rings, count: usize, options: &RingOptions) -> Open<impl Link> {
    let link = |index| rings.link(&format!("select {count} {index}"), options);
    let links = (0..count).map(link);
    let mut links: Vec<Open<Pair<u64>>> = links.collect();
    Open::new(move |side| {
        let ends = links.iter_mut().map(|link| {
            let Pair(producer, consumer) = link.side(side);
            (producer, consumer)
        });
        let (mut producers, mut consumers): (Vec<_>, Vec<_>) = ends.unzip();
        let (mut select, mut next) = (Select::new(), 0);
        End(
            #[inline(always)]
            move |message| {
                let pushed = producers[next].push(message);
                pushed.expect("the partner is attached");
                next = (next + 1) % producers.len();
            },
            #[inline(always)]
            move || match select.wait(&mut consumers, None) {
                Ok(Selected::Ready(index)) => consumers[index].try_pop().expect("it is ready"),
                other => panic!("the partner is attached: {other:?}"),
            },
        )
    })
}
