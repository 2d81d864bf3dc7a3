//! States that a model was in. A pass in which the ring was never full says
//! nothing about a full ring, so each model names the states that it must have
//! reached in some execution.

use std::cell::Cell;

macro_rules! states {
    ($($(#[$doc:meta])* $state:ident = $name:literal,)*) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum State { $($(#[$doc])* $state,)* }

        const NAMES: &[&str] = &[$($name),*];
    };
}

states! {
    /// The producer found no room.
    Full = "full",
    /// The consumer found nothing.
    Empty = "empty",
    /// The producer wrote to a place that had been read.
    Reused = "reused",
    /// A position left the range of 64 or of 32 bits.
    Carried = "carried",
    /// A message was delivered while the producer was still at work.
    Concurrent = "concurrent",
    /// One publish made several messages visible.
    Published = "published together",
    /// One release gave several messages back.
    Released = "released together",
    /// A message was taken from the tail's line.
    Rode = "rode",
    /// A message with an inline copy was read from its slot.
    Walked = "walked",
    /// An inline copy was refused although only one message was unread.
    Refused = "refused",
    /// A part of a line was opened, after another look had brought no more of it.
    Scrap = "part of a line",
    /// Padding was skipped.
    Padded = "padded",
    /// An endpoint died.
    Died = "died",
    /// An endpoint slept until it was woken.
    Slept = "slept",
    /// The word had changed when a sleep was to begin.
    Unblocked = "not let sleep",
    /// A sleep ended without a wake.
    Interrupted = "interrupted",
    /// A deadline passed, and there was nothing to do.
    Expired = "expired",
    /// A deadline passed although there was something to do.
    Late = "late",
    /// An endpoint spared its peer the fence.
    Granted = "awake",
    /// The producer said goodbye, and everything was taken.
    Abandoned = "abandoned",
    /// A wait for a peer ended.
    Attached = "attached",
    /// An observer dropped a copy of a released message.
    Overtaken = "overtaken",
    /// An observer saw a message.
    Observed = "observed",
    /// A restarted peer continued behind messages of the previous holder.
    Inherited = "inherited",
    /// A wake found a sleeper.
    Woken = "woken",
    /// A position or a state was stored, and its wake, if any, is over.
    Moved = "moved",
    /// A position was stored.
    Stored = "stored",
    /// What was stored was not found.
    Missed = "missed",
}

/// The names of states.
pub(crate) fn names(states: &[State]) -> String {
    let names: Vec<_> = states.iter().map(|&state| NAMES[state as usize]).collect();
    names.join(", ")
}

thread_local! {
    static COUNTS: Cell<[u64; NAMES.len()]> = const { Cell::new([0; NAMES.len()]) };
}

/// Records that an execution has reached `state`.
pub(crate) fn reach(state: State) {
    let mut counts = COUNTS.get();
    counts[state as usize] += 1;
    COUNTS.set(counts);
}

/// How often each state was reached.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reached([u64; NAMES.len()]);

impl Reached {
    /// Takes the counts and begins again.
    pub(super) fn take() -> Self {
        Self(COUNTS.replace([0; NAMES.len()]))
    }

    /// The states among `wanted` that were never reached.
    pub(super) fn missing(&self, wanted: &[State]) -> Vec<&'static str> {
        let missing = wanted.iter().filter(|&&state| self.0[state as usize] == 0);
        missing.map(|&state| NAMES[state as usize]).collect()
    }

    /// `wanted`, with counts.
    pub(super) fn show(&self, wanted: &[State]) -> String {
        let shown = wanted.iter().map(|&state| {
            let count = super::report::thousands(self.0[state as usize]);
            format!("{} {count}", NAMES[state as usize])
        });
        shown.collect::<Vec<_>>().join(", ")
    }
}
