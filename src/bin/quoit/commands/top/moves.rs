//! What moved in a ring between two looks at it.

use std::time::{Duration, Instant};

use quoit::observer::Positions;
use quoit::{Error, Role};

use crate::sight::{Peer, Sight};

/// A ring at a moment.
#[derive(Clone, Copy)]
pub(super) struct Look {
    at: Instant,
    pub(super) positions: Positions,
    pub(super) producer: Peer,
    pub(super) consumer: Peer,
}

/// In a second.
#[derive(Clone, Copy, Default)]
pub(super) struct Rates {
    /// Slots, or bytes of frames.
    pub(super) pushed: f64,
    pub(super) popped: f64,
    pub(super) parks: f64,
    pub(super) wakes: f64,
}

/// Somebody came or went.
pub(super) struct Change {
    pub(super) role: Role,
    pub(super) what: &'static str,
    pub(super) pid: u32,
}

impl Look {
    pub(super) fn at(sight: &Sight) -> Result<Self, Error> {
        Ok(Self {
            producer: sight.peer(Role::Producer)?,
            consumer: sight.peer(Role::Consumer)?,
            positions: sight.observer.positions(),
            at: Instant::now(),
        })
    }

    /// How often either end went to sleep so far.
    fn parks(&self) -> u64 {
        let [producer, consumer] = [self.producer, self.consumer].map(|peer| peer.state.parks);
        producer.wrapping_add(consumer)
    }

    /// Wake-ups that either end sent so far.
    fn wakes(&self) -> u64 {
        let [producer, consumer] = [self.producer, self.consumer].map(|peer| peer.state.wakes);
        producer.wrapping_add(consumer)
    }

    pub(super) fn rates_since(&self, before: &Self) -> Rates {
        let seconds = (self.at - before.at).as_secs_f64();
        let rate = |now: u64, then: u64| now.wrapping_sub(then) as f64 / seconds;
        Rates {
            pushed: rate(self.positions.tail, before.positions.tail),
            popped: rate(self.positions.head, before.positions.head),
            parks: rate(self.parks(), before.parks()),
            wakes: rate(self.wakes(), before.wakes()),
        }
    }

    /// How long the consumer has taken nothing of what was there, if it has not.
    pub(super) fn idle_since(&self, before: &Self) -> Option<Duration> {
        let taken = self.positions.head != before.positions.head;
        let idle = !taken && before.positions.fill() > 0 && self.consumer.is_alive;
        idle.then(|| self.at - before.at)
    }

    pub(super) fn changes_since(&self, before: &Self) -> impl Iterator<Item = Change> {
        let ends = [
            (Role::Producer, before.producer, self.producer),
            (Role::Consumer, before.consumer, self.consumer),
        ];
        ends.into_iter().filter_map(|(role, before, now)| {
            let what = match now {
                _ if (before.is_alive, before.state.epoch) == (now.is_alive, now.state.epoch) => {
                    return None;
                }
                _ if now.is_alive => "came",
                _ if now.state.is_closed => "left",
                _ => "died",
            };
            let pid = now.state.pid;
            Some(Change { role, what, pid })
        })
    }
}
