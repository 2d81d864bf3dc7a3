//! Messages at a fixed interval, as audio blocks and control loops send them: how late each
//! is taken.

use std::thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use rustix::time::{ClockId, clock_gettime};

use super::exchange::Task;
use super::interleaved::{Plan, nanos};
use super::rings::Pair;

/// How early the producer wakes before each message is due, so that timer inaccuracy does
/// not shift its messages.
const AWAKE: Duration = Duration::from_micros(100);

/// The partner sends the time once per rest of the plan, and the lead takes it.
pub(crate) const TASK: Task<Pair<u64>> = Task(take, send);

/// The number of messages of a slice.
fn messages(plan: &Plan) -> u128 {
    plan.slice.as_nanos() / plan.rest.as_nanos()
}

fn take(Pair(_, consumer): &mut Pair<u64>, _: &mut u64, plan: &Plan) -> Histogram<u64> {
    let mut late = nanos();
    for _ in 0..messages(plan) {
        let pushed = consumer.pop().expect("the partner is attached");
        late.saturating_record(now() - pushed);
    }
    late
}

fn send(Pair(producer, _): &mut Pair<u64>, _: &mut u64, plan: &Plan) {
    let mut due = Instant::now();
    for _ in 0..messages(plan) {
        due += plan.rest;
        thread::sleep(due.saturating_duration_since(Instant::now() + AWAKE));
        while Instant::now() < due {
            std::hint::spin_loop();
        }
        producer.push(now()).expect("the partner is attached");
    }
}

/// Nanoseconds of the monotonic clock, which all processes share.
fn now() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
