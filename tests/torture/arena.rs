//! Kills and restarts both endpoints of one ring.

use std::fmt;
use std::thread::sleep;
use std::time::{Duration, Instant};

use quoit::{DoorbellKind, Ring, RingOptions, Role};

use crate::common::PATIENCE;
use crate::common::child::Child;
use crate::common::dice::Dice;
use crate::common::ends::End as _;
use crate::common::names::RingName;
use crate::common::segment_file::{HEAD, SegmentFile, TAIL};
use crate::common::sleep_state::SleepPage;
use crate::ledger::Ledger;
use crate::load::{Load, take};

/// Longer than any wait, except on a busy machine.
const STUCK: Duration = Duration::from_secs(2);

/// The messages of both endpoints, and how they wait.
pub(crate) struct Form {
    pub(crate) producer: &'static str,
    pub(crate) consumer: &'static str,
    pub(crate) doorbell: DoorbellKind,
    pub(crate) strategy: &'static str,
}

/// A ring, and its two endpoints.
struct Arena {
    form: Form,
    capacity: u64,
    dice: Dice,
    producer: End,
    consumer: End,
    /// When the later of both was started.
    born: Instant,
    segment: SegmentFile,
    page: SleepPage,
    name: RingName,
    ledger: RingName,
    tally: Tally,
}

/// One endpoint, in its current process.
struct End {
    process: Child,
    /// The position that the peer passes only if this process works.
    goal: u64,
}

#[derive(Default)]
struct Tally {
    producers: u64,
    consumers: u64,
    aimed: u64,
    stuck: u64,
    worst: Duration,
}

/// Kills and restarts both endpoints in this form, this many times in total; then drains
/// the ring.
pub(crate) fn torture<L: Load + ?Sized>(form: Form, kills: u64, seed: u64) {
    print!("[seed {seed}] ");
    let name = RingName::new("torture");
    let options = RingOptions::new(L::CAPACITY).doorbell(form.doorbell);
    options.create::<L>(&name).expect("a ring");
    let mut arena = Arena::new(form, name, L::CAPACITY, seed);
    while arena.tally.producers + arena.tally.consumers < kills {
        arena.wait_for_a_point();
        let victims = match arena.dice.roll(9) {
            0..=3 => &[Role::Producer][..],
            4..=7 => &[Role::Consumer],
            _ => &[Role::Producer, Role::Consumer],
        };
        victims.iter().for_each(|&role| arena.kill(role));
        victims.iter().for_each(|&role| arena.restart(role));
    }
    arena.settle();
    arena.kill(Role::Producer);
    arena.kill(Role::Consumer);
    let messages = arena.drain_the_ring::<L>();
    arena.report(messages);
}

impl Arena {
    fn new(form: Form, name: RingName, capacity: u64, seed: u64) -> Self {
        let mut dice = Dice(seed);
        let ledger = name.and("-ledger");
        let segment = SegmentFile::open(&name.file());
        let page = SleepPage::open(&name.file());
        let mut end = |part, goal| End {
            process: start(&form, part, &name, &ledger, &mut dice),
            goal,
        };
        Self {
            producer: end(form.producer, 0),
            consumer: end(form.consumer, capacity),
            born: Instant::now(),
            form,
            capacity,
            dice,
            segment,
            page,
            name,
            ledger,
            tally: Tally::default(),
        }
    }

    /// Waits for a point of a kill: while an endpoint attaches, at work, and most often
    /// just when an endpoint has begun to sleep.
    fn wait_for_a_point(&mut self) {
        match self.dice.roll(4) {
            0 => sleep(Duration::from_micros(self.dice.roll(4000) as u64)),
            1 => {
                self.settle();
                sleep(Duration::from_micros(self.dice.roll(2000) as u64));
            }
            _ => {
                self.settle();
                self.wait_for_a_sleeper();
            }
        }
    }

    /// Spinning endpoints do not sleep: then it returns at any time.
    fn wait_for_a_sleeper(&mut self) {
        for _ in 0..20_000 {
            if self.page.consumer_is_parked() || self.page.producer_is_parked() {
                self.tally.aimed += 1;
                break;
            }
        }
        for _ in 0..self.dice.roll(100) {
            std::hint::spin_loop();
        }
    }

    fn end(&mut self, role: Role) -> &mut End {
        match role {
            Role::Producer => &mut self.producer,
            Role::Consumer => &mut self.consumer,
        }
    }

    fn kill(&mut self, role: Role) {
        self.end(role).process.kill();
        let goal = match role {
            Role::Producer => self.segment.read(TAIL),
            Role::Consumer => self.segment.read(HEAD) + self.capacity,
        };
        let kills = match role {
            Role::Producer => &mut self.tally.producers,
            Role::Consumer => &mut self.tally.consumers,
        };
        *kills += 1;
        self.end(role).goal = goal;
    }

    fn restart(&mut self, role: Role) {
        let part = match role {
            Role::Producer => self.form.producer,
            Role::Consumer => self.form.consumer,
        };
        let process = start(&self.form, part, &self.name, &self.ledger, &mut self.dice);
        self.end(role).process = process;
        self.born = Instant::now();
    }

    /// Waits until both endpoints have made progress with each other. A missing wake is
    /// allowed only if the waker was killed.
    fn settle(&mut self) {
        while self.segment.read(HEAD) <= self.producer.goal
            || self.segment.read(TAIL) <= self.consumer.goal
        {
            let ended = self.producer.process.has_ended() || self.consumer.process.has_ended();
            assert!(!ended, "an endpoint has exited");
            assert!(self.born.elapsed() < PATIENCE, "a peer makes no progress");
            sleep(Duration::from_micros(50));
        }
        let elapsed = self.born.elapsed();
        self.tally.worst = self.tally.worst.max(elapsed);
        self.tally.stuck += u64::from(elapsed > STUCK);
        let state = self.page.read();
        let rescues = state.producer.rescues + state.consumer.rescues;
        assert_eq!(
            rescues, 0,
            "a wake was lost, although its waker was not killed"
        );
    }

    /// Drains the ring after both endpoints were killed; returns the number of all
    /// messages.
    fn drain_the_ring<L: Load + ?Sized>(&self) -> u64 {
        let ledger = Ledger::open(&self.ledger.file());
        let ring = Ring::<L>::open(&self.name).expect("the ring");
        let producer = ring.producer().expect("its holder has died");
        let messages = L::number(producer.position());
        ledger.producer_begins(messages);
        let mut consumer = ring.consumer().expect("its holder has died");
        ledger.consumer_begins(L::number(consumer.position()));
        while consumer.position() < producer.position() {
            let taken = take::<L>(&mut consumer, usize::MAX, &ledger, &mut Dice(1));
            taken.expect("it is published");
        }
        assert_eq!(consumer.position(), producer.position());
        messages
    }

    fn report(&self, messages: u64) {
        let redelivered = Ledger::open(&self.ledger.file()).redelivered();
        print!(
            "[{}, {messages} messages, {redelivered} delivered again, no rescue] ",
            self.tally
        );
        if self.form.strategy == "parked" {
            assert!(
                self.tally.aimed > 0,
                "no endpoint was killed while its peer slept"
            );
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} producers and {} consumers killed, {} during a sleep, {} stuck, at worst {} ms",
            self.producers,
            self.consumers,
            self.aimed,
            self.stuck,
            self.worst.as_millis()
        )
    }
}

fn start(form: &Form, part: &str, name: &RingName, ledger: &RingName, dice: &mut Dice) -> Child {
    let file = ledger.file();
    let ledger = file.to_str().expect("a path in UTF-8");
    let seed = dice.roll(u64::MAX).to_string();
    Child::start(part, &[name.as_str(), ledger, form.strategy, &seed])
}
