//! What happened to a ring between two looks at it.

use crate::sight::{Look, ROLES};

impl Look {
    /// Who came and who went.
    pub(super) fn events_since(&self, before: &Self) -> Vec<String> {
        let mut events = Vec::new();
        for role in ROLES {
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
