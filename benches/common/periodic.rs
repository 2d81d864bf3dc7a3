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

use super::exchange::Task;
use super::interleaved::{Plan, Variant, nanos, usage};
use super::rings::{Pair, Rings};
use super::spread::Spread;

/// How early the producer wakes before each message is due, so that timer inaccuracy does
/// not shift its messages.
const AWAKE: Duration = Duration::from_micros(100);

/// What each slice used: nanoseconds of a push, percent of the consumer's CPU, and how often the
/// consumer slept in a second.
type Uses = Rc<RefCell<Vec<[f64; 3]>>>;

/// One endpoint: the partner sends a message per period, which the lead takes.
struct Periodic {
    ends: Pair<[u64; 2]>,
    period: Duration,
    uses: Uses,
}

/// A variant, and what it will have used.
pub(crate) fn variant(
    name: &str,
    period: Duration,
    rings: &Rings,
    options: &RingOptions,
) -> (Box<dyn Variant>, Uses) {
    let uses = Uses::default();
    let shared = uses.clone();
    let link = rings.link(&format!("{name} {}", period.as_nanos()), options);
    let open = link.map(move |ends| Periodic {
        ends,
        period,
        uses: shared.clone(),
    });
    let task = Task {
        lead: take,
        follow: send,
    };
    (open.variant(name, task), uses)
}

/// The medians, without the slice that was dropped.
pub(crate) fn medians(uses: &Uses) -> [f64; 3] {
    let uses = uses.borrow();
    [0, 1, 2].map(|index| Spread::of(uses[1..].iter().map(|one| one[index])).median)
}

/// The number of messages of a slice.
fn messages(plan: &Plan, period: Duration) -> u128 {
    plan.slice.as_nanos() / period.as_nanos()
}

fn take(end: &mut Periodic, _: &mut u64, plan: &Plan) -> Histogram<u64> {
    let Pair(_, consumer) = &mut end.ends;
    let (mut late, mut pushes) = (nanos(), nanos());
    let (begin, before) = (Instant::now(), usage());
    for _ in 0..messages(plan, end.period) {
        let [pushed, cost] = consumer.pop().expect("the partner is attached");
        late.saturating_record(now() - pushed);
        pushes.saturating_record(cost);
    }
    let (seconds, after) = (begin.elapsed().as_secs_f64(), usage());
    let cpu = [&after, &before].map(|usage| usage.user_time() + usage.system_time());
    let sleeps = after.voluntary_context_switches() - before.voluntary_context_switches();
    end.uses.borrow_mut().push([
        pushes.value_at_quantile(0.5) as f64,
        (cpu[0] - cpu[1]).num_microseconds() as f64 / seconds / 1e4,
        sleeps as f64 / seconds,
    ]);
    late
}

fn send(end: &mut Periodic, _: &mut u64, plan: &Plan) {
    let Pair(producer, _) = &mut end.ends;
    let (mut due, mut cost) = (Instant::now(), 0);
    for _ in 0..messages(plan, end.period) {
        due += end.period;
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

/// Nanoseconds of the monotonic clock, which all processes share.
fn now() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
