//! Four kinds of wait, with the same answers.

use std::time::Duration;

#[cfg(feature = "futures")]
use futures_executor::block_on;
use quoit::{Deadline, PeerError, Pollable, PopError, Select, Selected};

use super::form::{Form, Way};
use crate::common::descriptors::becomes_readable;
use crate::common::ends;
use crate::common::positions::{End, popped, pushed};

/// Waits for a message or for room, and moves one record; or waits for a peer, if that is asked
/// for. Returns what has ended the wait: the endpoint has `moved` a record, it was `abandoned`,
/// another peer has `attached`, or none can, because the ring is `superseded`.
type Waiter = Box<dyn FnMut(bool) -> &'static str>;

pub(crate) fn waiter(form: &Form, mut end: End) -> Waiter {
    match form.way {
        Way::Plain => Box::new(move |for_peer| match for_peer {
            true => met(end.wait_for_peer()),
            false => moved(end.moves(Deadline::NEVER)),
        }),
        Way::Select => {
            let idle = form.options().peer_check(Duration::MAX);
            let (silent, mut idle) = idle.heap::<u64>().expect("a ring");
            let mut select = Select::new();
            let index = form.sleeper as usize; // one and the other
            Box::new(move |_| {
                let _ = &silent; // it is attached
                let mut ends = [end.interest(), idle.interest()];
                ends.rotate_left(index);
                let selected = select.wait(&mut ends, None).expect("it can wait");
                let (found, answer) = match selected {
                    Selected::Ready(found) => (found, moved(end.moves(Duration::ZERO))),
                    Selected::Attached(found) => (found, "attached"),
                    Selected::Abandoned(found) if end.is_superseded() => (found, "superseded"),
                    Selected::Abandoned(found) => (found, "abandoned"),
                };
                assert_eq!(found, index);
                answer
            })
        }
        #[cfg(feature = "futures")]
        Way::Async => match end {
            End::Producer(end) => {
                let mut end = end.into_async().expect("an async endpoint");
                Box::new(move |for_peer| {
                    if for_peer {
                        return met(block_on(end.wait_for_peer()));
                    }
                    let position = end.get_ref().position();
                    moved(pushed(position, block_on(end.push(position))))
                })
            }
            End::Consumer(end) => {
                let mut end = end.into_async().expect("an async endpoint");
                Box::new(move |for_peer| {
                    if for_peer {
                        return met(block_on(end.wait_for_peer()));
                    }
                    let position = end.get_ref().position();
                    moved(popped(position, block_on(end.pop())))
                })
            }
        },
        Way::Pollable => match end {
            End::Producer(end) => pollable(end.into_pollable().expect("a descriptor"), |end| {
                let position = end.position();
                pushed(position, end.try_push(position))
            }),
            End::Consumer(end) => pollable(end.into_pollable().expect("a descriptor"), |end| {
                popped(end.position(), end.try_pop())
            }),
        },
    }
}

fn pollable<E: ends::End>(
    mut end: Pollable<E>,
    moves: impl Fn(&mut E) -> Result<(), PopError> + 'static,
) -> Waiter {
    // The epoch of the peer that was reported as closed or crashed.
    let mut departed = None;
    Box::new(move |_| {
        loop {
            becomes_readable(&end);
            let mut end = end.get();
            let epoch = end.peer_epoch();
            match departed {
                None => {}
                Some(old) if old == epoch => return "abandoned", // again: too often
                Some(_) => {
                    departed = None;
                    return "attached";
                }
            }
            match moved(moves(&mut end)) {
                "moved" => return "moved",
                _ if end.is_superseded() => return "superseded",
                _ if end.is_abandoned() => {
                    departed = Some(epoch);
                    return "abandoned";
                }
                // It may be readable once without work.
                _ => {}
            }
        }
    })
}

fn moved(result: Result<(), PopError>) -> &'static str {
    match result {
        Ok(()) => "moved",
        Err(PopError::Abandoned) => "abandoned",
        Err(PopError::Superseded) => "superseded",
        Err(PopError::TimedOut | PopError::Empty) => "nothing",
        Err(other) => panic!("{other}"),
    }
}

fn met(result: Result<(), PeerError>) -> &'static str {
    match result {
        Ok(()) => "attached",
        Err(PeerError::Superseded) => "superseded",
        Err(other) => panic!("{other}"),
    }
}
