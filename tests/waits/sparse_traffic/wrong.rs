//! A waker that follows the layout except for its wakes, as a faulty client in another
//! language might. It writes to the segment while the sleeper's peer is idle.
//!
//! Each of its messages arrives, at the deadline of a sleep. Only the counter of rescues
//! shows that the wakes fail.

use std::fs::File;
use std::sync::atomic::{Ordering, fence};
use std::thread;

use memmap2::MmapRaw;
use quoit::{DoorbellKind, Role};

use super::form::Form;
use super::start;
use super::waits::Stamped;
use crate::common::child::Child;
use crate::common::clock::until;
use crate::common::names::RingName;
use crate::common::segment_file::{DATA, HEAD, SegmentFile, TAIL};
use crate::common::sleep_state::SleepPage;

crate::common::suite::tests! {
    a_waker_that_wakes_wrongly_is_counted_as_rescues,
    a_foreign_waker_that_wakes_correctly_causes_no_rescue,
}

/// This many consecutive missing wakes are not a rescue yet: each may still arrive.
const UNDER_WAY: u64 = 7;
/// The most messages until the first rescue.
const MOST: u64 = 40;
/// The offsets of each endpoint's sleep word and semaphore.
const WORDS: [(u64, u64); 2] = [(12288, 12544), (12416, 12672)];

/// How the sleeper is woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wake {
    Rightly,
    /// `FUTEX_WAKE` with the flag for the waker's own process.
    Privately,
    /// The futex, although the sleeper uses a semaphore.
    ByFutex,
    /// The semaphore of its own endpoint.
    ByOwnSemaphore,
    /// The semaphore, although the sleeper uses a futex.
    BySemaphore,
}

impl Wake {
    fn wrong_ones(doorbell: DoorbellKind) -> [Self; 2] {
        match doorbell {
            DoorbellKind::Semaphore => [Self::ByFutex, Self::ByOwnSemaphore],
            _ => [Self::Privately, Self::BySemaphore],
        }
    }
}

/// A sleeper, and the waker's mapping of the segment.
struct Waker {
    form: Form,
    wake: Wake,
    segment: SegmentFile,
    page: SleepPage,
    map: MmapRaw,
    sent: u64,
    /// Dropped last: the name, and the child, which the drop kills.
    _child: Child,
    _name: RingName,
}

impl Waker {
    fn new(form: Form, wake: Wake) -> Self {
        let name = RingName::new("wrong");
        form.options().create::<Stamped>(&name).expect("a ring");
        let part = match form.sleeper {
            Role::Producer => "producer",
            _ => "consumer",
        };
        let mut child = start(part, &name, &form);
        child.tell("1000");
        let file = File::options().read(true).write(true).open(name.file());
        Self {
            segment: SegmentFile::open(&name.file()),
            page: SleepPage::open(&name.file()),
            map: MmapRaw::map_raw(&file.expect("the segment")).expect("a mapping"),
            sent: 0,
            _child: child,
            _name: name,
            form,
            wake,
        }
    }

    fn rescues(&self) -> u64 {
        self.form.counts(&self.page)[0].rescues
    }

    /// Waits until the sleeper sleeps, and publishes a message or releases one.
    fn send(&mut self) {
        until("the sleeper is ready", || self.form.is_parked(&self.page));
        if self.form.sleeper == Role::Producer {
            self.sent += 1;
            self.segment.write(HEAD, self.sent);
        } else {
            let slot = DATA + self.sent % 64 * 16;
            self.segment.write(slot, self.sent);
            self.segment.write(slot + 8, 0);
            self.sent += 1;
            self.segment.write(TAIL, self.sent);
        }
        fence(Ordering::SeqCst);
        let is_producer = usize::from(self.form.sleeper == Role::Producer);
        let (word, semaphore) = WORDS[is_producer];
        if self.form.is_parked(&self.page) {
            // Only the sleeper changes it at the same time, and only at a deadline.
            self.segment.write_half(word, 0);
            match self.wake {
                Wake::Rightly if self.form.doorbell == DoorbellKind::Semaphore => {
                    self.post(semaphore);
                }
                Wake::Rightly | Wake::ByFutex => self.futex(word, libc::FUTEX_WAKE),
                Wake::Privately => {
                    self.futex(word, libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG);
                }
                Wake::ByOwnSemaphore => self.post(WORDS[1 - is_producer].1),
                Wake::BySemaphore => self.post(semaphore),
            }
        }
    }

    fn futex(&self, word: u64, call: libc::c_int) {
        // SAFETY: the word is in the mapping, which outlives the call.
        unsafe { libc::syscall(libc::SYS_futex, self.at(word), call, 1) };
    }

    fn post(&self, semaphore: u64) {
        // SAFETY: there is room for a semaphore, in the mapping, which outlives the call.
        unsafe { libc::sem_post(self.at(semaphore).cast()) };
    }

    fn at(&self, offset: u64) -> *mut u8 {
        self.map.as_mut_ptr().wrapping_add(offset as usize)
    }

    /// Sends until a rescue is counted; returns the count.
    fn send_until_a_rescue(&mut self) -> u64 {
        while self.rescues() == 0 && self.sent < MOST {
            self.send();
            if self.sent <= UNDER_WAY {
                self.is_taken();
                assert_eq!(self.rescues(), 0, "{self:?}: after {} messages", self.sent);
            }
        }
        self.is_taken();
        self.rescues()
    }

    /// Waits until the sleeper has taken what was sent, and sleeps again.
    fn is_taken(&self) {
        let position = match self.form.sleeper {
            Role::Producer => TAIL,
            _ => HEAD,
        };
        let ahead = u64::from(self.form.sleeper == Role::Producer);
        until("the sleeper is ready", || {
            self.segment.read(position) == self.sent + ahead
        });
    }
}

impl std::fmt::Debug for Waker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let form = self.form.words().join(", ");
        write!(f, "{form}, woken {:?}", self.wake)
    }
}

/// In parallel, because each message waits for a deadline.
fn each(wakes: impl Fn(&Form) -> Vec<Wake>, test: fn(Waker)) {
    let forms = Form::usual().into_iter();
    let wakers: Vec<_> = forms
        .flat_map(|form| {
            let wakes = wakes(&form);
            wakes.into_iter().map(move |wake| (form.clone(), wake))
        })
        .map(|(form, wake)| Waker::new(form, wake))
        .collect();
    print!("[{} wakers] ", wakers.len());
    thread::scope(|scope| {
        for waker in wakers {
            scope.spawn(|| test(waker));
        }
    });
}

fn a_waker_that_wakes_wrongly_is_counted_as_rescues() {
    let wrong = |form: &Form| Wake::wrong_ones(form.doorbell).to_vec();
    each(wrong, |mut waker| {
        assert!(waker.send_until_a_rescue() > 0, "{waker:?}: no rescue");
    });
}

fn a_foreign_waker_that_wakes_correctly_causes_no_rescue() {
    each(
        |_| vec![Wake::Rightly],
        |mut waker| {
            assert_eq!(waker.send_until_a_rescue(), 0, "{waker:?}");
            assert_eq!(waker.sent, MOST, "{waker:?}");
        },
    );
}
