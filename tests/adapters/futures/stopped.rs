//! A peer that stops between its position and its wake: no wake arrives, and the task still
//! gets the message or the room soon.

use std::cell::RefCell;
use std::rc::Rc;
use std::task::{Poll, RawWaker, RawWakerVTable, Waker};
use std::thread;
use std::time::{Duration, Instant};

use quoit::{RingOptions, Role};

use super::assert_no_rescues;
use super::reactor::{bell, poll_with};
use crate::common::child::Child;
use crate::common::clock::once_within;
use crate::common::names::RingName;
use crate::common::positions::{peer, start};
use crate::common::segment_file::{HEAD, SegmentFile, TAIL};
use crate::common::sleep_state::SleepPage;
use crate::common::tracer::Halted;

crate::common::suite::tests! {
    a_record_arrives_soon_if_the_producer_stops_before_the_wake,
    room_is_found_soon_if_the_consumer_stops_before_the_wake;
    parts: peer
}

const CAPACITY: u64 = 8;
/// Two liveness checks, and time for a wake that may be in progress.
const SOON: Duration = Duration::from_millis(250);
/// The time limit of an attempt.
const AGES: Duration = Duration::from_secs(2);

/// When the peer moves its position, and stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    /// The endpoint is parked, and the reactor does not have its goal yet.
    BeforeTheReactorKnows,
    /// The reactor sleeps for the endpoint.
    Asleep,
}

const MOMENTS: [Moment; 2] = [Moment::BeforeTheReactorKnows, Moment::Asleep];

/// The other process, and the offset of its position.
struct Peer {
    child: Child,
    segment: SegmentFile,
    page: SleepPage,
    position: u64,
}

impl Peer {
    fn start(name: &RingName, role: Role, position: u64) -> Self {
        Self {
            child: start(role, name, "on request"),
            segment: SegmentFile::open(&name.file()),
            page: SleepPage::open(&name.file()),
            position,
        }
    }

    /// Moves its position by one, and stops before its wake.
    fn moves_and_stops(&mut self) {
        let is_parked = match self.position {
            TAIL => self.page.consumer_is_parked(),
            _ => self.page.producer_is_parked(),
        };
        assert!(is_parked, "the second poll is over");
        let halted = Halted::new(self.child.pid());
        self.child.tell("now");
        halted.stop_when(|| self.segment.read(self.position) == 1);
    }

    fn wakes(&self) -> u64 {
        let state = self.page.read();
        state.producer.wakes + state.consumer.wakes
    }
}

/// How long a task waits for a peer that stops before its wake.
fn wait_for(peer: Peer, moment: Moment, mut poll: impl FnMut(&Waker) -> Poll<()>) -> Duration {
    let (bell, rings) = bell();
    let wakes = peer.wakes();
    let peer = Rc::new(RefCell::new(peer));
    let waker = match moment {
        Moment::BeforeTheReactorKnows => {
            let peer = Rc::clone(&peer);
            // The reactor is given a clone.
            hooked(bell, move || peer.borrow_mut().moves_and_stops())
        }
        Moment::Asleep => bell,
    };
    assert!(poll(&waker).is_pending(), "{moment:?}");
    if moment == Moment::Asleep {
        // The reactor begins to sleep at the same time.
        thread::sleep(Duration::from_millis(5));
        peer.borrow_mut().moves_and_stops();
    }
    assert_eq!(peer.borrow().segment.read(peer.borrow().position), 1);
    let since = Instant::now();
    while rings
        .recv_timeout(AGES.saturating_sub(since.elapsed()))
        .is_ok()
    {
        if poll(&waker).is_ready() {
            let time = since.elapsed();
            assert_eq!(peer.borrow().wakes(), wakes, "{moment:?}: no wake");
            return time;
        }
    }
    AGES
}

fn a_record_arrives_soon_if_the_producer_stops_before_the_wake() {
    for moment in MOMENTS {
        once_within(SOON, || {
            let name = RingName::new("stopped-in");
            let ring = RingOptions::new(CAPACITY).create::<u64>(&name);
            let consumer = ring.and_then(|ring| ring.consumer()).expect("a ring");
            let peer = Peer::start(&name, Role::Producer, TAIL);
            let mut consumer = consumer.into_async().expect("an async endpoint");
            let time = wait_for(peer, moment, |waker| {
                poll_with(waker, consumer.pop()).map(|popped| assert_eq!(popped, Ok(0)))
            });
            assert_no_rescues(&name);
            time
        });
    }
}

fn room_is_found_soon_if_the_consumer_stops_before_the_wake() {
    for moment in MOMENTS {
        once_within(SOON, || {
            let name = RingName::new("stopped-out");
            let ring = RingOptions::new(CAPACITY).create::<u64>(&name);
            let producer = ring.and_then(|ring| ring.producer());
            let mut producer = producer.expect("a ring");
            for position in 0..CAPACITY {
                producer.push(position).expect("there is room");
            }
            let peer = Peer::start(&name, Role::Consumer, HEAD);
            let mut producer = producer.into_async().expect("an async endpoint");
            let time = wait_for(peer, moment, |waker| {
                poll_with(waker, producer.push(CAPACITY)).map(|pushed| assert_eq!(pushed, Ok(())))
            });
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
