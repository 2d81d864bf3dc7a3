//! Single messages, for each of which an endpoint sleeps in the kernel.
//!
//! The forms combine: the four kinds of wait (a plain endpoint, `Select`, an async
//! endpoint, a pollable one), both doorbells where both are possible, with and without
//! `membarrier`, and a consumer that waits for messages or a producer that waits for room.
//! Every message arrives once and in order, and no deadline is needed to end a sleep. If
//! the waker wakes wrongly, the counter of rescues shows it.
//!
//! `QUOIT_SPARSE=20000` sends this many messages in each form instead of 200, and prints
//! the counters of each form.
//!
//! The async endpoints need the feature `futures`.

mod form;
mod pace;
mod waits;
pub(crate) mod wrong;

use std::env;

use crate::common::child::state;
use crate::common::clock::until;
use crate::common::fork::{done, ending, fork, work_as_long_as_the_parent};
use crate::common::names::RingName;
use crate::common::positions::other;
use crate::common::rings::{consumer, named, producer};
use crate::common::sleep_state::SleepPage;
use form::Form;
use pace::Pace;
use quoit::{Ring, Role};

crate::common::suite::tests! {
    sleepers_are_woken_for_every_message,
}

/// Starts a child with the kernel that the form needs.
fn start(form: &Form, name: &RingName, work: impl FnOnce(Ring<u64>)) -> libc::pid_t {
    fork().unwrap_or_else(|| {
        work_as_long_as_the_parent();
        form.prepare();
        work(form.options().open(name).expect("the ring"));
        done()
    })
}

/// In a child: sleeps for each of these messages, or for room for it.
fn sleeps(form: &Form, ring: &Ring<u64>, count: u64) {
    match form.sleeper {
        Role::Producer => (0..count).for_each(form.way.pushes(producer(ring))),
        Role::Consumer => {
            let pop = form.way.pops(consumer(ring));
            let popped = std::iter::repeat_with(pop).take(count as usize);
            assert!(popped.eq(0..count), "once, and in order");
        }
    }
}

/// In a child: sends or takes each of these messages while its peer sleeps; returns how often
/// the peer slept in the kernel. A close must not end the sleep for the last message.
fn wakes(form: &Form, ring: &Ring<u64>, count: u64, mut pace: Pace) -> u64 {
    let sleeper = pace.sleeper;
    let has_ended = || until("the sleeper ends", || state(sleeper) == 'Z');
    match form.sleeper {
        Role::Consumer => {
            let mut producer = producer(ring);
            for number in 0..count {
                pace.pass();
                let pushed = producer.try_push(number);
                pushed.expect("the consumer has caught up");
            }
            has_ended();
        }
        Role::Producer => {
            let mut consumer = consumer(ring);
            for number in 0..count {
                // After the last message the producer does not wait for room.
                if number + 1 < count {
                    pace.pass();
                }
                assert_eq!(consumer.pop(), Ok(number), "once, and in order");
            }
            has_ended();
        }
    }
    pace.sleeping
}

/// Checks the counters; returns them as text.
fn judge(form: &Form, page: &SleepPage, count: u64, sleeping: u64) -> String {
    let [sleeper, waker] = [form.sleeper, other(form.sleeper)].map(|role| page.of(role));
    let rescues = sleeper.rescues + waker.rescues;
    assert_eq!(rescues, 0, "{form:?}: a wake was lost");
    // The others were sent before the sleeper slept.
    assert!(sleeping > count / 2, "{form:?}: {sleeping} during a sleep");
    let (parks, wakes) = (sleeper.parks, waker.wakes);
    assert!(parks >= sleeping, "{form:?}: {parks} of {sleeping} parks");
    assert!(wakes > count / 2, "{form:?}: {wakes} wakes");
    let registered = sleeper.registered;
    assert_eq!(registered, form.has_barriers(), "{form:?}: membarrier");
    format!(
        "{form:?}: {count} messages, {sleeping} sent during a sleep, {parks} parks, {wakes} wakes"
    )
}

fn sleepers_are_woken_for_every_message() {
    let asked = env::var("QUOIT_SPARSE").ok();
    let count = asked.as_ref().map(|count| count.parse().expect("a count"));
    let count = count.unwrap_or(200);
    let start_both = |form: Form| {
        let (_, name) = named::<u64>("sparse", &form.options());
        let sleeper = start(&form, &name, |ring| sleeps(&form, &ring, count));
        let waker = start(&form, &name, |ring| {
            let page = SleepPage::open(&name.file());
            let pace = Pace::new(&form, &name, sleeper as u32);
            let line = judge(&form, &page, count, wakes(&form, &ring, count, pace));
            if asked.is_some() {
                println!("    {line}");
            }
        });
        (name, [waker, sleeper])
    };
    let runs: Vec<_> = Form::all().into_iter().map(start_both).collect();
    for (_name, children) in runs {
        assert_eq!(children.map(ending), [0; 2], "the waker, and the sleeper");
    }
}
