//! What happened to a ring between two looks at it.

use std::time::Duration;

use quoit::Role;

use crate::sight::Look;

impl Look {
    /// How long the consumer has taken nothing of what was there, if it has not.
    pub(super) fn idle_since(&self, before: &Self) -> Option<Duration> {
        let (now, then) = (&self.sample, &before.sample);
        let taken = now.positions.head != then.positions.head;
        let is_alive = self.peer(Role::Consumer).is_alive;
        let idle = !taken && !then.positions.is_empty() && is_alive;
        idle.then(|| now.at - then.at)
    }

    /// Who came and who went.
    pub(super) fn events_since(&self, before: &Self) -> Vec<String> {
        let mut events = Vec::new();
        for role in [Role::Producer, Role::Consumer] {
            let (before, now) = (before.peer(role), self.peer(role));
            if (before.is_alive, before.state.epoch) == (now.is_alive, now.state.epoch) {
                continue;
            }
            let what = match now {
                _ if now.is_alive => "came",
                _ if now.state.is_closed => "left",
                _ => "died",
            };
            // Of one that is gone, the kernel shows nothing any more.
            let known = match before.state.epoch == now.state.epoch && !now.is_alive {
                true => before,
                false => now,
            };
            events.push(format!("the {role} ({}) {what}", known.named()));
        }
        events
    }
}
