//! Kills and restarts both endpoints of one ring.

use std::thread::sleep;
use std::time::{Duration, Instant};

use quoit::{DoorbellKind, Fences, Ring, RingOptions, Role, WaitStrategy};

use crate::common::PATIENCE;
use crate::common::child::state;
use crate::common::dice::Dice;
use crate::common::ends::End as _;
use crate::common::fork::{fork, kill, work_as_long_as_the_parent};
use crate::common::names::RingName;
use crate::common::positions::ROLES;
use crate::common::segment_file::{HEAD, SegmentFile, TAIL};
use crate::common::sleep_state::{SleepPage, assert_no_rescues};
use crate::ledger::Ledger;
use crate::load::{Load, consume, produce, take};

/// A ring, and its two endpoints.
struct Arena {
    sleeps: bool,
    capacity: u64,
    dice: Dice,
    /// By role: the current process.
    processes: [libc::pid_t; 2],
    /// By role: the position that the peer passes only if this process works.
    goals: [u64; 2],
    /// When the later of both was started.
    born: Instant,
    segment: SegmentFile,
    page: SleepPage,
    name: RingName,
    ledger: &'static Ledger,
    /// By role: how many were killed.
    kills: [u64; 2],
    /// How many were killed while their peer slept.
    aimed: u64,
}

/// Kills and restarts both endpoints, this many times in total; then drains the ring. Returns
/// how many were killed while their peer slept.
pub(crate) fn torture<L: Load + ?Sized>(
    doorbell: DoorbellKind,
    sleeps: bool,
    kills: u64,
    seed: u64,
) -> u64 {
    print!("[seed {seed}] ");
    let name = RingName::new("torture");
    let options = RingOptions::new(L::CAPACITY).doorbell(doorbell);
    options.create::<L>(&name).expect("a ring");
    let mut arena = Arena {
        sleeps,
        capacity: L::CAPACITY,
        dice: Dice(seed),
        processes: [0; 2],
        goals: [0, L::CAPACITY],
        born: Instant::now(),
        segment: SegmentFile::open(&name.file()),
        page: SleepPage::open(&name.file()),
        ledger: Ledger::new(),
        name,
        kills: [0; 2],
        aimed: 0,
    };
    ROLES.iter().for_each(|&role| arena.start::<L>(role));
    while arena.kills.iter().sum::<u64>() < kills {
        arena.wait_for_a_point();
        let victims = match arena.dice.roll(9) {
            0..=3 => &ROLES[..1],
            4..=7 => &ROLES[1..],
            _ => &ROLES,
        };
        victims.iter().for_each(|&role| arena.kill(role));
        victims.iter().for_each(|&role| arena.start::<L>(role));
    }
    arena.settle();
    ROLES.iter().for_each(|&role| arena.kill(role));
    let position = arena.drain_the_ring::<L>();
    let Arena { kills, aimed, .. } = arena;
    print!("[{kills:?} kills, {aimed} in a sleep, up to {position}] ");
    aimed
}

impl Arena {
    /// Starts the endpoint with this role in a child.
    fn start<L: Load + ?Sized>(&mut self, role: Role) {
        let mut dice = Dice(self.dice.roll(u64::MAX) as u64);
        self.processes[role as usize] = fork().unwrap_or_else(|| {
            work_as_long_as_the_parent();
            let options = RingOptions::default().fences(match dice.roll(3) {
                0 => Fences::Symmetric,
                _ => Fences::Asymmetric,
            });
            // Not always as the previous holder or the peer.
            let options = match (self.sleeps, dice.roll(3)) {
                (true, 0) => options,
                (true, _) => options.spin(Duration::ZERO),
                (false, 0) => options.wait_strategy(WaitStrategy::Yield),
                (false, _) => options.wait_strategy(WaitStrategy::Spin),
            };
            let ring = options.open::<L>(&self.name).expect("the ring");
            match role {
                Role::Producer => produce::<L>(&ring, self.ledger, dice),
                Role::Consumer => consume::<L>(&ring, self.ledger, dice),
            }
        });
        self.born = Instant::now();
    }

    /// Waits for a point of a kill: while an endpoint attaches, at work, and most often
    /// just when an endpoint has begun to sleep. Spinning endpoints do not sleep.
    fn wait_for_a_point(&mut self) {
        let (choice, micros) = (self.dice.roll(4), self.dice.roll(4000));
        if choice > 0 {
            self.settle();
        }
        if choice < 2 {
            return sleep(Duration::from_micros(micros as u64));
        }
        let mut polls = 0..20_000;
        let sleeps = |_| ROLES.iter().any(|&role| self.page.is_parked(role));
        self.aimed += u64::from(polls.any(sleeps));
        (0..micros % 100).for_each(|_| std::hint::spin_loop());
    }

    fn kill(&mut self, role: Role) {
        kill(self.processes[role as usize]);
        self.kills[role as usize] += 1;
        self.goals[role as usize] = match role {
            Role::Producer => self.segment.read(TAIL),
            Role::Consumer => self.segment.read(HEAD) + self.capacity,
        };
    }

    /// Waits until both endpoints have made progress with each other. A missing wake is
    /// allowed only if the waker was killed.
    fn settle(&mut self) {
        let [messages, room] = self.goals;
        while self.segment.read(HEAD) <= messages || self.segment.read(TAIL) <= room {
            let ended = self.processes.iter().any(|&pid| state(pid as u32) == 'Z');
            assert!(!ended, "an endpoint has exited");
            assert!(self.born.elapsed() < PATIENCE, "a peer makes no progress");
            sleep(Duration::from_micros(50));
        }
        assert_no_rescues(&self.name); // no wake was lost whose waker was not killed
    }

    /// Drains the ring after both endpoints were killed; returns the last position.
    fn drain_the_ring<L: Load + ?Sized>(&self) -> u64 {
        let ledger = self.ledger;
        let ring = Ring::<L>::open(&self.name).expect("the ring");
        let producer = ring.producer().expect("its holder has died");
        ledger.begins(Role::Producer, producer.position());
        let mut consumer = ring.consumer().expect("its holder has died");
        ledger.begins(Role::Consumer, consumer.position());
        while consumer.position() < producer.position() {
            let taken = take::<L>(&mut consumer, usize::MAX, ledger, &mut Dice(1));
            taken.expect("it is published");
        }
        assert_eq!(consumer.position(), producer.position());
        consumer.position()
    }
}
