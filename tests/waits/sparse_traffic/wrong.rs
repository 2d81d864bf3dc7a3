//! A waker that follows the layout except for its wakes, as a faulty client in another
//! language might. It writes to the segment while the sleeper's peer is idle, and wakes no one.
//!
//! Each of its messages arrives, at the deadline of a sleep. Only the counter of rescues
//! shows that the wakes fail, for each kind of wait. `tests/foreign` has clients that wake
//! correctly, and cause none.

use std::sync::atomic::{Ordering, fence};
use std::thread;

use quoit::Role;

use super::form::Form;
use super::{sleeps, start};
use crate::common::clock::until;
use crate::common::names::RingName;
use crate::common::rings::named;
use crate::common::segment_file::{DATA, HEAD, SegmentFile, TAIL};
use crate::common::sleep_state::SleepPage;

crate::common::suite::tests! {
    a_waker_that_does_not_wake_is_counted_as_rescues,
}

/// This many consecutive missing wakes are not a rescue yet: each may still arrive.
const UNDER_WAY: u64 = 7;
/// The most messages until the first rescue.
const MOST: u64 = 40;

/// Sends until a rescue is counted.
fn send_until_a_rescue(form: &Form, name: &RingName) {
    let segment = SegmentFile::open(&name.file());
    let page = SleepPage::open(&name.file());
    let mut rescues = 0;
    for sent in 1..MOST {
        until("the sleeper is ready", || page.is_parked(form.sleeper));
        // A released message, or a published one; the position that says that it was taken; and
        // the sleep word.
        let (position, taken, word) = match form.sleeper {
            Role::Producer => {
                segment.write(HEAD, sent);
                (TAIL, sent + 1, 12416)
            }
            Role::Consumer => {
                segment.write(DATA + (sent - 1) * 8, sent - 1);
                segment.write(TAIL, sent);
                (HEAD, sent, 12288)
            }
        };
        fence(Ordering::SeqCst);
        if page.is_parked(form.sleeper) {
            // Only the sleeper changes it at the same time, and only at a deadline.
            segment.write_half(word, 0);
        }
        until("it is taken", || segment.read(position) == taken);
        rescues = page.of(form.sleeper).rescues;
        assert!(rescues == 0 || sent > UNDER_WAY, "{form:?}: after {sent}");
        if rescues > 0 {
            break;
        }
    }
    assert!(rescues > 0, "{form:?}: no rescue");
}

/// In parallel, because each message waits for a deadline. The children end with this process.
fn a_waker_that_does_not_wake_is_counted_as_rescues() {
    let runs = Form::usual().into_iter().map(|form| {
        let (_, name) = named::<u64>("wrong", &form.options());
        start(&form, &name, |ring| sleeps(&form, &ring, 1000));
        (form, name)
    });
    let runs: Vec<_> = runs.collect();
    print!("[{} wakers] ", runs.len());
    thread::scope(|scope| {
        for (form, name) in &runs {
            scope.spawn(|| send_until_a_rescue(form, name));
        }
    });
}
