//! Messages at random gaps of up to 2 ms, each awaited by an end that sleeps in
//! the kernel: every one arrives once and in order, and none of them arrives
//! only because a deadline ended the sleep.
//!
//! All forms at once: both doorbells, with and without `membarrier`, a consumer
//! that waits for messages and a producer that waits for room. `QUOIT_SOAK=1`
//! sends 10^6 messages in each form instead of 20,000, which takes about twenty
//! minutes, and prints the worst lateness of each.

mod common;

use std::env;
use std::thread::sleep;
use std::time::{Duration, Instant};

use common::child::{Child, hear, say};
use common::clock::now;
use common::forbid::forbid;
use common::names::RingName;
use common::sleep_state::SleepPage;
use quoit::{DoorbellKind, Fences, RingOptions};

common::suite::suite! {
    tests: [sleepers_are_woken_for_every_message],
    parts: [producer, consumer],
}

/// A message's number, and a time: when it was sent to a sleeping consumer, or
/// when a sleeping producer had returned from the push before it.
type Stamped = [u64; 2];

/// Who waits for whom.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sleeper {
    Consumer,
    Producer,
}

/// One way to sleep, by the words that a child is started with.
struct Form {
    sleeper: Sleeper,
    doorbell: DoorbellKind,
    fences: Fences,
    /// Whether the kernel has `membarrier`.
    membarrier: bool,
    count: u64,
}

impl Form {
    fn parse(words: &[String]) -> Self {
        Self {
            sleeper: match words[1].as_str() {
                "consumer" => Sleeper::Consumer,
                _ => Sleeper::Producer,
            },
            doorbell: match words[2].as_str() {
                "futex" => DoorbellKind::Futex,
                _ => DoorbellKind::Semaphore,
            },
            fences: match words[3].as_str() {
                "symmetric" => Fences::Symmetric,
                _ => Fences::Asymmetric,
            },
            membarrier: words[3] != "no-membarrier",
            count: words[4].parse().expect("a count"),
        }
    }

    /// Options under which every wait goes to sleep at once. A producer waits
    /// for room if the ring holds one message.
    fn options(&self) -> RingOptions {
        let capacity = match self.sleeper {
            Sleeper::Consumer => 64,
            Sleeper::Producer => 1,
        };
        RingOptions::new(capacity)
            .doorbell(self.doorbell)
            .fences(self.fences)
            .spin(Duration::ZERO)
    }

    fn prepare(&self) {
        if !self.membarrier {
            forbid(libc::SYS_membarrier);
        }
    }
}

fn producer(words: &[String]) {
    let form = Form::parse(words);
    form.prepare();
    let ring = form.options().open::<Stamped>(&words[0]).expect("the ring");
    let mut producer = ring.producer().expect("the role is free");
    say("ready");
    hear();
    let mut gaps = Gaps::new();
    let mut time = now();
    for number in 0..form.count {
        if form.sleeper == Sleeper::Consumer {
            gaps.pass();
            time = now();
        }
        producer.push([number, time]).expect("the consumer lives");
        time = now();
    }
    // The goodbye must not end the sleep for the last message.
    hear();
}

fn consumer(words: &[String]) {
    let form = Form::parse(words);
    form.prepare();
    let ring = form.options().open::<Stamped>(&words[0]).expect("the ring");
    let mut consumer = ring.consumer().expect("the role is free");
    say("ready");
    hear();
    let mut gaps = Gaps::new();
    let mut worst = 0;
    let mut releases = [u64::MAX; 2];
    for number in 0..form.count {
        if form.sleeper == Sleeper::Producer {
            gaps.pass();
        }
        let [found, time] = consumer.pop().expect("the producer lives");
        assert_eq!(found, number, "once, and in order");
        let late = match form.sleeper {
            Sleeper::Consumer => now() - time,
            // The push before this one went into the room of two releases ago.
            Sleeper::Producer => time.saturating_sub(releases[0]),
        };
        worst = worst.max(late);
        releases = [releases[1], now()];
    }
    say(worst);
    hear();
}

/// Random gaps of up to 2 ms.
struct Gaps(u64);

impl Gaps {
    fn new() -> Self {
        Self(0x2545_f491_4f6c_dd1d)
    }

    fn pass(&mut self) {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        sleep(Duration::from_nanos(self.0 % 2_000_000));
    }
}

/// A form that is under way.
struct Run {
    words: Vec<String>,
    name: RingName,
    ends: [Child; 2],
}

fn sleepers_are_woken_for_every_message() {
    let soak = env::var_os("QUOIT_SOAK").is_some();
    let count: u64 = if soak { 1_000_000 } else { 20_000 };
    let mut runs = Vec::new();
    for sleeper in ["consumer", "producer"] {
        for doorbell in ["futex", "semaphore"] {
            for fences in ["asymmetric", "symmetric", "no-membarrier"] {
                runs.push(Run::start(sleeper, doorbell, fences, count));
            }
        }
    }
    let start = Instant::now();
    for run in &mut runs {
        run.ends.iter_mut().for_each(|end| end.tell("go"));
    }
    println!();
    for run in runs {
        run.finish(count);
    }
    println!("    {:.1} s in all", start.elapsed().as_secs_f64());
}

impl Run {
    fn start(sleeper: &str, doorbell: &str, fences: &str, count: u64) -> Self {
        let name = RingName::new("sparse");
        let words =
            [name.as_str(), sleeper, doorbell, fences, &count.to_string()].map(str::to_owned);
        let form = Form::parse(&words);
        form.options().create::<Stamped>(&name).expect("a ring");
        let arguments: Vec<&str> = words.iter().map(String::as_str).collect();
        let ends = ["producer", "consumer"].map(|part| {
            let child = Child::start(part, &arguments);
            child.expect("ready");
            child
        });
        Self {
            words: words.to_vec(),
            name,
            ends,
        }
    }

    fn finish(self, count: u64) {
        let [producer, consumer] = self.ends;
        let worst: u64 = consumer.says_in_the_end().parse().expect("nanoseconds");
        let state = SleepPage::open(&self.name.file()).read();
        let form = self.words[1..4].join(", ");
        let (sleeper, waker) = match Form::parse(&self.words).sleeper {
            Sleeper::Consumer => (state.consumer, state.producer),
            Sleeper::Producer => (state.producer, state.consumer),
        };
        println!(
            "    {form}: {count} messages, {} parks, {} wakes, {} rescues, at worst {:.2} ms late",
            sleeper.parks,
            waker.wakes,
            sleeper.rescues,
            worst as f64 / 1e6,
        );
        assert_eq!(
            sleeper.rescues + waker.rescues,
            0,
            "{form}: a wake was lost"
        );
        assert!(sleeper.parks > count / 2, "{form}: the waiting end slept");
        assert!(waker.wakes > count / 2, "{form}: and was woken");
        let reached = form.contains("asymmetric");
        assert_eq!(sleeper.registered, reached, "{form}: membarrier");
        producer.succeeds();
        consumer.succeeds();
    }
}
