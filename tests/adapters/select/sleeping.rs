//! A `Select` that sleeps, and the events that wake it.

use std::fs;
use std::time::Duration;

use quoit::{Producer, Role, Select, SelectError, Selected};

use super::{event, options};
use crate::common::child::{Child, hear, hold, say};
use crate::common::clock::until;
use crate::common::deep_sleep::DeepSleeper;
use crate::common::forbid::forbid;
use crate::common::names::RingName;
use crate::common::positions::start;
use crate::common::refused::is;
use crate::common::rings::{consumer, named, producer};
use crate::common::sleep_state::SleepPage;
use crate::common::tracer::meddle;

crate::common::suite::tests! {
    a_sleeping_select_is_woken_from_another_process,
    a_batch_wakes_a_sleeping_select_once,
    a_close_and_a_new_peer_wake_a_sleeping_select,
    a_peer_that_attaches_before_the_sleep_is_seen,
    a_peer_that_is_killed_during_the_sleep_and_restarted_is_reported,
    a_sleep_that_no_barrier_protects_is_short,
    an_idle_select_wakes_at_most_eleven_times_a_second;
    parts: echoing, selecting
}

/// Sends each message back, on the ring on which it arrived.
fn echoing(words: &[String]) {
    let open = |name: &String| options().open::<u64>(name).expect("the ring");
    let mut consumer = consumer(&open(&words[0]));
    let mut producers = [1, 2].map(|index| producer(&open(&words[index])));
    say("ready");
    while let Ok(number) = consumer.pop() {
        let producer = &mut producers[number as usize % 2];
        producer.push(number).expect("the parent is attached");
    }
    hear();
}

fn a_sleeping_select_is_woken_from_another_process() {
    let [(out, out_name), (even, even_name), (odd, odd_name)] =
        ["out", "even", "odd"].map(|test| named::<u64>(test, &options()));
    let mut to_echo = producer(&out);
    let mut consumers = [consumer(&even), consumer(&odd)];
    let words = [&out_name, &even_name, &odd_name].map(RingName::as_str);
    let child = Child::start("echoing", &words);
    child.expect("ready");
    let pages = [even_name, odd_name].map(|name| (SleepPage::open(&name.file()), name));
    let parks = || pages.each_ref().map(|(page, _)| page.read().consumer.parks);
    let mut select = Select::new();
    // How often it sleeps depends on the machine.
    let is_few = |number: &u64| *number < 5000 || parks().iter().any(|&parks| parks <= 100);
    for number in (0..).take_while(is_few) {
        to_echo.push(number).expect("the child is attached");
        let index = number as usize % 2;
        assert_eq!(event(&mut select, &mut consumers), Selected::Ready(index));
        assert_eq!(consumers[index].try_pop(), Ok(number));
    }
    for (page, _) in &pages {
        let state = page.read().consumer;
        print!("[{} parks, {} rescues] ", state.parks, state.rescues);
        assert_eq!(state.rescues, 0, "and was woken");
    }
    drop(to_echo);
    child.succeeds();
}

const KERNELS: [&str; 2] = ["with barriers", "without barriers"];
/// Makes a child wait until it is traced, and sleep until it is woken.
const PATIENT: &str = "with barriers, and patient";

/// Waits for two rings until it is killed. Reports which ring has lost its producer, after
/// how many records of both, and which ring has a new producer.
fn selecting(words: &[String]) {
    if words[2] == "without barriers" {
        forbid(libc::SYS_membarrier);
    }
    let is_patient = words[2] == PATIENT;
    let peer_check = Duration::from_millis(if is_patient { u64::MAX } else { 100 });
    let mut consumers = [&words[0], &words[1]].map(|name| {
        let options = options().peer_check(peer_check);
        consumer(&options.open::<u64>(name).expect("the ring"))
    });
    hold();
    until("a tracer has attached", || !is_patient || is_traced());
    let mut select = Select::new();
    let mut count = 0;
    loop {
        match select.wait(&mut consumers, None).expect("an event") {
            Selected::Ready(index) => count += consumers[index].try_iter().count(),
            Selected::Abandoned(index) => say(format!("{count}, and {index} has closed")),
            Selected::Attached(index) => say(format!("{index} is back")),
        }
    }
}

/// Whether a tracer has attached to this process.
fn is_traced() -> bool {
    let status = fs::read_to_string("/proc/self/status").expect("this process's status");
    !status.contains("TracerPid:\t0\n")
}

/// Two rings whose consumers are in a child that will wait for both.
struct Two {
    names: [RingName; 2],
    child: Child,
}

impl Two {
    fn new(kernel: &str) -> Self {
        let names = ["left", "right"].map(|test| named::<u64>(test, &options()).1);
        let child = Child::start("selecting", &[names[0].as_str(), names[1].as_str(), kernel]);
        child.expect("ready");
        Self { names, child }
    }

    fn producer(&self, index: usize) -> Producer<u64> {
        Producer::open(&self.names[index]).expect("the role is free")
    }

    /// Starts the child, which then waits and sleeps until it is woken.
    fn sleeper(&mut self) -> DeepSleeper {
        let sleeper = DeepSleeper::new(self.child.pid());
        self.child.tell("go");
        sleeper
    }

    fn page(&self, index: usize) -> SleepPage {
        SleepPage::open(&self.names[index].file())
    }

    /// Waits for the child's report.
    fn has_closed(&self, count: usize, index: usize) {
        self.child
            .expect(&format!("{count}, and {index} has closed"));
    }

    fn is_back(&self, index: usize) {
        self.child.expect(&format!("{index} is back"));
    }

    fn no_rescue(&self, kernel: &str) {
        for index in [0, 1] {
            let consumer = self.page(index).read().consumer;
            assert_eq!(consumer.rescues, 0, "{kernel}");
            assert_eq!(consumer.registered, kernel == KERNELS[0], "{kernel}");
        }
    }
}

fn a_batch_wakes_a_sleeping_select_once() {
    for kernel in KERNELS {
        let mut rings = Two::new(kernel);
        let mut producers = [rings.producer(0), rings.producer(1)];
        let wakes = |rings: &Two| [0, 1].map(|index| rings.page(index).read().producer.wakes);
        let mut expected = wakes(&rings);
        let mut child = rings.sleeper();
        for round in 0..100 {
            let index = round / 3 % 2;
            child.runs_into_sleep();
            let pushed = producers[index].try_push_slice(&[7; 5]);
            assert_eq!(pushed, Ok(5), "{kernel}");
            assert_eq!(child.woken(), Some(index as i64), "{kernel}: this ring's");
            expected[index] += 1;
            assert_eq!(wakes(&rings), expected, "{kernel}: one wake, on one ring");
        }
        drop(child);
        drop(producers);
        let said = rings.child.says();
        assert!(said.starts_with("500, and "), "{kernel}: {said}");
        rings.no_rescue(kernel);
    }
}

fn a_close_and_a_new_peer_wake_a_sleeping_select() {
    for kernel in KERNELS {
        for closed in [0, 1] {
            let mut rings = Two::new(kernel);
            let mut producers = [0, 1].map(|index| Some(rings.producer(index)));
            let mut child = rings.sleeper();
            child.runs_into_sleep();
            for _ in 0..5 {
                producers[closed] = None;
                assert_eq!(child.woken(), Some(closed as i64), "{kernel}: a close");
                child.runs_into_sleep();
                let successor = producers[closed].insert(rings.producer(closed));
                assert_eq!(child.woken(), Some(closed as i64), "{kernel}: a new peer");
                child.runs_into_sleep();
                successor.try_push(7).expect("there is room");
                assert_eq!(child.woken(), Some(closed as i64), "{kernel}: its record");
                child.runs_into_sleep();
            }
            drop(child);
            for count in 0..5 {
                rings.has_closed(count, closed);
                rings.is_back(closed);
            }
            rings.no_rescue(kernel);
        }
    }
}

/// The second poll also checks for later holders.
fn a_peer_that_attaches_before_the_sleep_is_seen() {
    let mut rings = Two::new(PATIENT);
    drop(rings.producer(0));
    rings.child.tell("go");
    let mut successor = None;
    // The barrier of the first sleep: after the first poll, and before the word is parked.
    meddle(rings.child.pid(), libc::SYS_membarrier, 1, |_| {
        rings.has_closed(0, 0);
        successor = Some(rings.producer(0));
    });
    rings.is_back(0);
}

fn a_peer_that_is_killed_during_the_sleep_and_restarted_is_reported() {
    for kernel in KERNELS {
        for victim in [0, 1] {
            let mut rings = Two::new(kernel);
            let _other = rings.producer(1 - victim);
            rings.child.tell("go");
            let pages = [0, 1].map(|index| rings.page(index));
            for round in 1..=3 {
                let mut peer = start(Role::Producer, &rings.names[victim], "5");
                if round > 1 {
                    rings.is_back(victim);
                }
                until("it sleeps", || {
                    pages.iter().all(SleepPage::consumer_is_parked)
                });
                peer.kill();
                rings.has_closed(5 * round, victim);
            }
            rings.no_rescue(kernel);
        }
    }
}

fn a_sleep_that_no_barrier_protects_is_short() {
    for _ in 0..5 {
        let mut rings = Two::new("without barriers");
        let mut child = rings.sleeper();
        let left = child.runs_into_sleep();
        // The timeout counts from before the sleep.
        assert!(left <= Duration::from_millis(1), "{left:?}");
    }
}

fn an_idle_select_wakes_at_most_eleven_times_a_second() {
    let rings = ["left", "right"].map(|test| named::<u64>(test, &options()));
    let _producers = rings.each_ref().map(|(ring, _)| producer(ring));
    let mut consumers = rings.each_ref().map(|(ring, _)| consumer(ring));
    let selected = Select::new().wait(&mut consumers, Duration::from_secs(2));
    is!(selected => Err(SelectError::TimedOut));
    for (_, name) in &rings {
        let parks = SleepPage::open(&name.file()).read().consumer.parks;
        assert!((1..=22).contains(&parks), "{parks} in two seconds");
    }
}
