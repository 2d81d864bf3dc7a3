//! States that a model has reached. A pass in which the ring was never full proves nothing
//! about a full ring. So each model names the states that it must reach in some execution.

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
    /// A position wrapped at 64 or at 32 bits.
    Carried = "carried",
    /// A message was delivered while the producer was still at work.
    Concurrent = "concurrent",
    /// One publish covered several messages.
    Published = "published together",
    /// One release covered several messages.
    Released = "released together",
    /// A message was taken from the inline copy.
    Rode = "inline copy",
    /// A message with an inline copy was read from its slot.
    Walked = "from its slot",
    /// An inline copy was refused although only one message was unread.
    Refused = "refused",
    /// The unread part of a line was opened, because a second poll found no more of it.
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
    /// A deadline passed without work.
    Expired = "expired",
    /// A deadline passed with work.
    Late = "late",
    /// An endpoint let its peer omit the fence.
    Granted = "fence omitted",
    /// The producer closed, and everything was taken.
    Abandoned = "abandoned",
    /// A wait for a peer ended.
    Attached = "attached",
    /// An observer dropped a copy of a released message.
    Overtaken = "overtaken",
    /// An observer saw a message.
    Observed = "observed",
    /// A restarted peer continued after messages of the previous holder.
    Inherited = "inherited",
    /// A wake found a sleeper.
    Woken = "woken",
    /// A position or a state was stored, and its wake, if any, has finished.
    Moved = "moved",
    /// A position was stored.
    Stored = "stored",
    /// A stored position was not found.
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
