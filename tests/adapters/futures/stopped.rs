//! A peer that stops between its position and its wake: no wake arrives, and the task still
//! gets the message or the room soon.

use std::cell::RefCell;
use std::rc::Rc;
use std::task::{Poll, RawWaker, RawWakerVTable, Waker};
use std::thread;
use std::time::{Duration, Instant};

use quoit::{RingOptions, Role};

use super::{Plain, bell, poll_with};
use crate::common::child::Child;
use crate::common::clock::once_within;
use crate::common::names::RingName;
use crate::common::positions::{ROLES, peer, start};
use crate::common::rings::{consumer, named, producer};
use crate::common::segment_file::{HEAD, SegmentFile, TAIL};
use crate::common::sleep_state::{SleepPage, assert_no_rescues};
use crate::common::tracer::Halted;

crate::common::suite::tests! {
    a_task_continues_soon_if_its_peer_stops_before_the_wake;
    parts: peer
}

const CAPACITY: u64 = 8;
/// Two liveness checks, and time for a wake that may be in progress.
const SOON: Duration = Duration::from_millis(250);
/// The time limit of an attempt.
const AGES: Duration = Duration::from_secs(2);

/// The other process, and its role.
struct Peer {
    child: Child,
    segment: SegmentFile,
    page: SleepPage,
    role: Role,
}

impl Peer {
    fn start(name: &RingName, role: Role) -> Self {
        Self {
            child: start(role, name, "on request"),
            segment: SegmentFile::open(&name.file()),
            page: SleepPage::open(&name.file()),
            role,
        }
    }

    /// Moves its position by one, and stops before its wake.
    fn moves_and_stops(&mut self) {
        let is_parked = match self.role {
            Role::Producer => self.page.consumer_is_parked(),
            Role::Consumer => self.page.producer_is_parked(),
        };
        assert!(is_parked, "the second poll is over");
        let halted = Halted::new(self.child.pid());
        self.child.tell("now");
        halted.stop_when(|| self.has_moved());
    }

    fn has_moved(&self) -> bool {
        let position = match self.role {
            Role::Producer => TAIL,
            Role::Consumer => HEAD,
        };
        self.segment.read(position) == 1
    }

    fn wakes(&self) -> u64 {
        let state = self.page.read();
        state.producer.wakes + state.consumer.wakes
    }
}

/// How long a task waits for a peer that stops before its wake: before the reactor has the goal
/// of the parked endpoint, or while the reactor sleeps for it.
fn wait_for(peer: Peer, is_asleep: bool, mut poll: impl FnMut(&Waker) -> Poll<()>) -> Duration {
    let (bell, rings) = bell();
    let wakes = peer.wakes();
    let peer = Rc::new(RefCell::new(peer));
    let hook = Rc::clone(&peer);
    // The reactor is given a clone.
    let waker = match is_asleep {
        true => bell,
        false => hooked(bell, move || hook.borrow_mut().moves_and_stops()),
    };
    assert!(poll(&waker).is_pending(), "{is_asleep}");
    if is_asleep {
        // The reactor begins to sleep at the same time.
        thread::sleep(Duration::from_millis(5));
        peer.borrow_mut().moves_and_stops();
    }
    assert!(peer.borrow().has_moved());
    let since = Instant::now();
    let rest = || AGES.saturating_sub(since.elapsed());
    while rings.recv_timeout(rest()).is_ok() {
        if poll(&waker).is_ready() {
            let time = since.elapsed();
            assert_eq!(peer.borrow().wakes(), wakes, "{is_asleep}: no wake");
            return time;
        }
    }
    AGES
}

fn a_task_continues_soon_if_its_peer_stops_before_the_wake() {
    for (role, is_asleep) in ROLES
        .into_iter()
        .flat_map(|role| [(role, false), (role, true)])
    {
        once_within(SOON, || {
            let (ring, name) = named::<u64>("stopped", &RingOptions::new(CAPACITY));
            let time = if role == Role::Producer {
                let mut consumer = consumer(&ring).asynchronous();
                wait_for(Peer::start(&name, role), is_asleep, |waker| {
                    poll_with(waker, consumer.pop()).map(|popped| assert_eq!(popped, Ok(0)))
                })
            } else {
                let mut producer = producer(&ring);
                let all: Vec<_> = (0..CAPACITY).collect();
                producer.push_all(&all).expect("there is room");
                let mut producer = producer.asynchronous();
                wait_for(Peer::start(&name, role), is_asleep, |waker| {
                    poll_with(waker, producer.push(7)).map(|pushed| assert_eq!(pushed, Ok(())))
                })
            };
            assert_no_rescues(&name);
            time
        });
    }
}

thread_local! {
    static AT_CLONE: RefCell<Option<Box<dyn FnOnce()>>> = const { RefCell::new(None) };
}

/// A waker that calls a function when this thread next clones it.
fn hooked(waker: Waker, at_clone: impl FnOnce() + 'static) -> Waker {
    AT_CLONE.set(Some(Box::new(at_clone)));
    // SAFETY: the table follows a waker's contract: its data is its own boxed waker.
    unsafe { Waker::from_raw(raw(waker)) }
}

fn raw(waker: Waker) -> RawWaker {
    RawWaker::new(Box::into_raw(Box::new(waker)).cast(), &HOOKED)
}

static HOOKED: RawWakerVTable = RawWakerVTable::new(
    |waker| {
        // SAFETY: a boxed waker, which no thread drops at the same time.
        let waker = unsafe { &*waker.cast::<Waker>() };
        if let Some(hook) = AT_CLONE.take() {
            hook();
        }
        raw(waker.clone())
    },
    // SAFETY: a boxed waker, which no thread uses after this.
    |waker| unsafe { Box::from_raw(waker.cast_mut().cast::<Waker>()) }.wake(),
    // SAFETY: a boxed waker, which no thread drops at the same time.
    |waker| unsafe { &*waker.cast::<Waker>() }.wake_by_ref(),
    // SAFETY: a boxed waker, which no thread uses after this.
    |waker| drop(unsafe { Box::from_raw(waker.cast_mut().cast::<Waker>()) }),
);
