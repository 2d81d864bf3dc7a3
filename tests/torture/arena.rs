//! Kills and restarts both endpoints of one ring.

use std::thread::sleep;
use std::time::{Duration, Instant};

use quoit::{DoorbellKind, Fences, Ring, RingOptions, Role};

use crate::common::PATIENCE;
use crate::common::child::state;
use crate::common::dice::Dice;
use crate::common::ends::End as _;
use crate::common::fork::{fork, kill, work_as_long_as_the_parent};
use crate::common::names::RingName;
use crate::common::segment_file::{HEAD, SegmentFile, TAIL};
use crate::common::sleep_state::SleepPage;
use crate::ledger::Ledger;
use crate::load::{Load, consume, produce, take};

/// Longer than any wait, except on a busy machine.
const STUCK: Duration = Duration::from_secs(2);

/// How an endpoint waits.
type How = fn(RingOptions, &mut Dice) -> RingOptions;

/// A ring, and its two endpoints.
struct Arena {
    how: How,
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
    process: libc::pid_t,
    /// The position that the peer passes only if this process works.
    goal: u64,
}

/// Kills, those during a sleep of the peer, and how long both took to continue.
#[derive(Debug, Default)]
struct Tally {
    producers: u64,
    consumers: u64,
    aimed: u64,
    stuck: u64,
    worst: Duration,
}

/// Kills and restarts both endpoints, this many times in total; then drains the ring. Returns
/// how many were killed while their peer slept.
pub(crate) fn torture<L: Load + ?Sized>(
    doorbell: DoorbellKind,
    how: How,
    kills: u64,
    seed: u64,
) -> u64 {
    print!("[seed {seed}] ");
    let name = RingName::new("torture");
    let options = RingOptions::new(L::CAPACITY).doorbell(doorbell);
    options.create::<L>(&name).expect("a ring");
    let end = |goal| End { process: 0, goal };
    let mut arena = Arena {
        how,
        capacity: L::CAPACITY,
        dice: Dice(seed),
        producer: end(0),
        consumer: end(L::CAPACITY),
        born: Instant::now(),
        segment: SegmentFile::open(&name.file()),
        page: SleepPage::open(&name.file()),
        ledger: name.and("-ledger"),
        name,
        tally: Tally::default(),
    };
    let both = [Role::Producer, Role::Consumer];
    both.iter().for_each(|&role| arena.start::<L>(role));
    while arena.tally.producers + arena.tally.consumers < kills {
        arena.wait_for_a_point();
        let victims = match arena.dice.roll(9) {
            0..=3 => &both[..1],
            4..=7 => &both[1..],
            _ => &both,
        };
        victims.iter().for_each(|&role| arena.kill(role));
        victims.iter().for_each(|&role| arena.start::<L>(role));
    }
    arena.settle();
    both.iter().for_each(|&role| arena.kill(role));
    let position = arena.drain_the_ring::<L>();
    let redelivered = Ledger::open(&arena.ledger.file()).redelivered();
    let tally = &arena.tally;
    print!("[{tally:?}, up to {position}, {redelivered} delivered again, no rescue] ");
    tally.aimed
}

impl Arena {
    /// Starts the endpoint with this role in a child.
    fn start<L: Load + ?Sized>(&mut self, role: Role) {
        let mut dice = Dice(self.dice.roll(u64::MAX) as u64);
        let process = fork().unwrap_or_else(|| {
            work_as_long_as_the_parent();
            let options = RingOptions::default().fences(match dice.roll(3) {
                0 => Fences::Symmetric,
                _ => Fences::Asymmetric,
            });
            let options = (self.how)(options, &mut dice);
            let ring = options.open::<L>(&self.name).expect("the ring");
            let ledger = Ledger::open(&self.ledger.file());
            match role {
                Role::Producer => produce::<L>(&ring, &ledger, dice),
                Role::Consumer => consume::<L>(&ring, &ledger, dice),
            }
        });
        self.end(role).process = process;
        self.born = Instant::now();
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
        kill(self.end(role).process);
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

    /// Waits until both endpoints have made progress with each other. A missing wake is
    /// allowed only if the waker was killed.
    fn settle(&mut self) {
        while self.segment.read(HEAD) <= self.producer.goal
            || self.segment.read(TAIL) <= self.consumer.goal
        {
            let processes = [self.producer.process, self.consumer.process];
            let ended = processes.iter().any(|&pid| state(pid as u32) == 'Z');
            assert!(!ended, "an endpoint has exited");
            assert!(self.born.elapsed() < PATIENCE, "a peer makes no progress");
            sleep(Duration::from_micros(50));
        }
        let elapsed = self.born.elapsed();
        self.tally.worst = self.tally.worst.max(elapsed);
        self.tally.stuck += u64::from(elapsed > STUCK);
        let state = self.page.read();
        let rescues = state.producer.rescues + state.consumer.rescues;
        assert_eq!(rescues, 0, "a wake was lost, its waker was not killed");
    }

    /// Drains the ring after both endpoints were killed; returns the last position.
    fn drain_the_ring<L: Load + ?Sized>(&self) -> u64 {
        let ledger = Ledger::open(&self.ledger.file());
        let ring = Ring::<L>::open(&self.name).expect("the ring");
        let producer = ring.producer().expect("its holder has died");
        ledger.producer_begins(producer.position());
        let mut consumer = ring.consumer().expect("its holder has died");
        ledger.consumer_begins(consumer.position());
        while consumer.position() < producer.position() {
            let taken = take::<L>(&mut consumer, usize::MAX, &ledger, &mut Dice(1));
            taken.expect("it is published");
        }
        assert_eq!(consumer.position(), producer.position());
        consumer.position()
    }
}
