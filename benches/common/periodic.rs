//! Messages at a fixed interval, as audio blocks and control loops send them: how late each
//! is taken, how much CPU time the consumer's wait uses, and what a push costs.

use std::cell::RefCell;
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use nix::sys::time::TimeValLike;
use quoit::RingOptions;
use rustix::time::{ClockId, clock_gettime};

use super::interleaved::{Plan, Variant, nanos, usage};
use super::link::{Open, Side};
use super::rings::{Pair, Rings};
use super::spread::Spread;

/// How early the producer wakes before each message is due, so that timer inaccuracy does
/// not shift its messages.
const AWAKE: Duration = Duration::from_micros(100);

/// A ring whose lead takes a message of the partner once per period.
pub(crate) struct Periodic {
    name: String,
    period: Duration,
    open: Open<Pair<[u64; 2]>>,
    ends: Option<Pair<[u64; 2]>>,
    uses: Uses,
}

/// What each slice used: nanoseconds of a push, percent of the consumer's CPU, and how often the
/// consumer slept in a second.
#[derive(Debug, Clone, Default)]
pub(crate) struct Uses(Rc<RefCell<Vec<[f64; 3]>>>);

impl Uses {
    /// The medians, without the slice that was dropped.
    pub(crate) fn medians(&self) -> [f64; 3] {
        let uses = self.0.borrow();
        [0, 1, 2].map(|index| Spread::of(uses[1..].iter().map(|one| one[index])).median)
    }
}

impl Periodic {
    pub(crate) fn new(name: &str, period: Duration, rings: &Rings, options: &RingOptions) -> Self {
        Self {
            name: name.to_owned(),
            period,
            open: rings.link(&format!("{name} {}", period.as_nanos()), options),
            ends: None,
            uses: Uses::default(),
        }
    }

    pub(crate) fn uses(&self) -> Uses {
        self.uses.clone()
    }

    /// The number of messages of a slice.
    fn messages(&self, plan: &Plan) -> u128 {
        plan.slice.as_nanos() / self.period.as_nanos()
    }
}

impl Variant for Periodic {
    fn name(&self) -> &str {
        &self.name
    }

    fn open(&mut self, side: Side) {
        self.ends = Some(self.open.side(side));
    }

    fn lead(&mut self, plan: &Plan) -> Histogram<u64> {
        let messages = self.messages(plan);
        let Pair(_, consumer) = self.ends.as_mut().expect("opened before");
        let (mut late, mut pushes) = (nanos(), nanos());
        let (begin, before) = (Instant::now(), usage());
        for _ in 0..messages {
            let [pushed, cost] = consumer.pop().expect("the partner is attached");
            late.saturating_record(now() - pushed);
            pushes.saturating_record(cost);
        }
        let (seconds, after) = (begin.elapsed().as_secs_f64(), usage());
        let cpu =
            after.user_time() + after.system_time() - before.user_time() - before.system_time();
        let sleeps = after.voluntary_context_switches() - before.voluntary_context_switches();
        self.uses.0.borrow_mut().push([
            pushes.value_at_quantile(0.5) as f64,
            cpu.num_microseconds() as f64 / seconds / 1e4,
            sleeps as f64 / seconds,
        ]);
        late
    }

    fn follow(&mut self, plan: &Plan) {
        let messages = self.messages(plan);
        let Pair(producer, _) = self.ends.as_mut().expect("opened before");
        let (mut due, mut cost) = (Instant::now(), 0);
        for _ in 0..messages {
            due += self.period;
            thread::sleep(due.saturating_duration_since(Instant::now() + AWAKE));
            while Instant::now() < due {
                std::hint::spin_loop();
            }
            let pushed = now();
            // With the time of the push before.
            let sent = producer.push([pushed, cost]);
            sent.expect("the partner is attached");
            cost = now() - pushed;
        }
    }
}

/// Nanoseconds of the monotonic clock, which all processes share.
fn now() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
