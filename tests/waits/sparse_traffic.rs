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
use std::time::Instant;

use crate::common::child::{Child, hear, say};
use crate::common::clock::now;
use crate::common::names::RingName;
use crate::common::sleep_state::SleepPage;
use form::Form;
use pace::Pace;
use quoit::Role;
use waits::Stamped;

crate::common::suite::tests! {
    sleepers_are_woken_for_every_message;
    parts: producer, consumer
}

fn producer(words: &[String]) {
    let form = Form::parse(&words[1..]);
    form.prepare();
    let ring = form.options().open::<Stamped>(&words[0]);
    let producer = ring.expect("the ring").producer().expect("the role");
    if form.sleeper == Role::Producer {
        let mut push = form.way.pushes(producer);
        let count = begin();
        let mut time = now();
        for number in 0..count {
            push([number, time]);
            time = now();
        }
        hear();
        return;
    }
    let mut producer = producer;
    let mut pace = Pace::new(&words[0], &form, begin);
    for number in 0..pace.count {
        pace.pass();
        let pushed = producer.try_push([number, now()]);
        pushed.expect("the consumer has caught up");
    }
    say(pace.sleeping);
    // The close must not end the sleep for the last message.
    hear();
}

fn consumer(words: &[String]) {
    let form = Form::parse(&words[1..]);
    form.prepare();
    let ring = form.options().open::<Stamped>(&words[0]);
    let consumer = ring.expect("the ring").consumer().expect("the role");
    let mut worst = 0;
    if form.sleeper == Role::Consumer {
        let mut pop = form.way.pops(consumer);
        for number in 0..begin() {
            let [found, time] = pop();
            assert_eq!(found, number, "once, and in order");
            worst = worst.max(now() - time);
        }
        say(worst);
        hear();
        return;
    }
    let mut consumer = consumer;
    let mut pace = Pace::new(&words[0], &form, begin);
    let mut releases = [u64::MAX; 2];
    for number in 0..pace.count {
        // After the last message the producer does not wait for room.
        if number + 1 < pace.count {
            pace.pass();
        }
        let [found, time] = consumer.pop().expect("the producer is attached");
        assert_eq!(found, number, "once, and in order");
        // The previous push used the room of the release before the last one.
        worst = worst.max(time.saturating_sub(releases[0]));
        releases = [releases[1], now()];
    }
    say(pace.sleeping);
    say(worst);
    hear();
}

/// In a child: reports that it is ready; returns the number of messages.
fn begin() -> u64 {
    say("ready");
    hear().parse().expect("a count")
}

/// A running form.
struct Run {
    form: Form,
    name: RingName,
    sleeper: Child,
    waker: Child,
}

fn sleepers_are_woken_for_every_message() {
    let asked = env::var("QUOIT_SPARSE").ok();
    let count = asked
        .as_ref()
        .map_or(200, |count| count.parse().expect("a count"));
    let start = Instant::now();
    let mut runs: Vec<_> = Form::all().into_iter().map(Run::start).collect();
    for run in &mut runs {
        run.go(count);
    }
    if asked.is_some() {
        println!();
    }
    for run in runs {
        let line = run.finish(count);
        if asked.is_some() {
            println!("    {line}");
        }
    }
    print!("[{:.1} s] ", start.elapsed().as_secs_f64());
}

/// A child with an endpoint of the ring, ready to begin.
fn start(part: &str, name: &RingName, form: &Form) -> Child {
    let words = form.words();
    let mut arguments = vec![name.as_str()];
    arguments.extend(words.iter().map(String::as_str));
    let child = Child::start(part, &arguments);
    child.expect("ready");
    child
}

impl Run {
    fn start(form: Form) -> Self {
        let name = RingName::new("sparse");
        form.options().create::<Stamped>(&name).expect("a ring");
        let (sleeper, waker) = match form.sleeper {
            Role::Producer => ("producer", "consumer"),
            _ => ("consumer", "producer"),
        };
        Self {
            sleeper: start(sleeper, &name, &form),
            waker: start(waker, &name, &form),
            form,
            name,
        }
    }

    fn go(&mut self, count: u64) {
        self.sleeper.tell(&count.to_string());
        self.waker.tell(&count.to_string());
        self.waker.tell(&self.sleeper.pid().to_string());
    }

    fn finish(self, count: u64) -> String {
        let sleeping: u64 = self.waker.says_in_the_end().parse().expect("a count");
        let consumer = match self.form.sleeper {
            Role::Producer => &self.waker,
            _ => &self.sleeper,
        };
        let worst: f64 = consumer.says_in_the_end().parse().expect("nanoseconds");
        let [sleeper, waker] = self.form.counts(&SleepPage::open(&self.name.file()));
        let form = self.form.words().join(", ");
        let rescues = sleeper.rescues + waker.rescues;
        assert_eq!(rescues, 0, "{form}: a wake was lost");
        // The others were sent before the sleeper slept.
        assert!(
            sleeping > count / 2,
            "{form}: {sleeping} were sent during a sleep"
        );
        let parks = sleeper.parks;
        assert!(parks >= sleeping, "{form}: {parks} parks, {sleeping} seen");
        let wakes = waker.wakes;
        assert!(wakes > count / 2, "{form}: {wakes} wakes");
        let registered = sleeper.registered;
        assert_eq!(registered, self.form.has_barriers(), "{form}: membarrier");
        self.sleeper.succeeds();
        self.waker.succeeds();
        format!(
            "{form}: {count} messages, {sleeping} sent during a sleep, {parks} parks, {wakes} wakes, \
             {rescues} rescues, at worst {:.2} ms late",
            worst / 1e6
        )
    }
}
