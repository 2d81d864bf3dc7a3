//! Words on which no decision depends: counters, epochs, process ids.

use std::time::Duration;

use quoit::{Holder, Observer, RingOptions, Role};

use crate::common::clock::until;
use crate::common::refused::in_use;
use crate::common::rings::{ends, named, producer};
use crate::common::segment_file::{SegmentFile, TAIL};
use crate::common::sleep_state::SleepPage;
use crate::common::threads::while_waiting;

crate::common::suite::tests! {
    a_process_is_named_only_if_it_holds_the_lock,
    a_missed_wake_is_counted_for_any_pid_of_the_waker,
}

const PRODUCER: u64 = 4224;
const CONSUMER: u64 = 8320;
const PID: u64 = 8;
const RESCUES: u64 = 40;

/// The pid in the segment may belong to any process of this machine.
fn a_process_is_named_only_if_it_holds_the_lock() {
    let (ring, name) = named::<u64>("holder", &RingOptions::new(4));
    let file = SegmentFile::open(&name.file());
    let observer = Observer::open(&name).expect("it exists");
    let producer = producer(&ring);
    let here = Holder::Known(std::process::id());
    for pid in [0, 1, u32::MAX, std::process::id()] {
        file.write_half(PRODUCER + PID, pid);
        in_use(ring.producer(), Role::Producer);
        in_use(quoit::unlink(&name), Role::Producer);
        let seen = observer.holder(Role::Producer).expect("it can be asked");
        assert_eq!(seen, Some(here), "{pid}");
    }
    drop(producer);
    let seen = observer.holder(Role::Producer).expect("it can be asked");
    assert_eq!(seen, None);
}

/// After a sleep that ended by its deadline, an endpoint checks the waker's process. Here
/// the pid is of no process, and the counter is at its maximum.
fn a_missed_wake_is_counted_for_any_pid_of_the_waker() {
    for pid in [0, 1, u32::MAX] {
        let options = RingOptions::new(4).spin(Duration::ZERO);
        let (ring, name) = named::<u64>("rescue", &options);
        let file = SegmentFile::open(&name.file());
        let page = SleepPage::open(&name.file());
        let (_producer, mut consumer) = ends(&ring);
        file.write_half(PRODUCER + PID, pid);
        file.write(CONSUMER + RESCUES, u64::MAX);
        let mut tail = 0;
        // A tail that moves before the second poll needs no rescue.
        while file.read(CONSUMER + RESCUES) == u64::MAX {
            let wait = move || (consumer.pop(), consumer);
            let (popped, back) = while_waiting(wait, || {
                until("it sleeps", || page.consumer_is_parked());
                tail += 1;
                file.write(TAIL, tail); // and no wake
            });
            assert_eq!(popped, Ok(0));
            consumer = back;
        }
        assert_eq!(file.read(CONSUMER + RESCUES), 0);
    }
}
