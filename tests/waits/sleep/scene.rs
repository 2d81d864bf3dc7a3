//! A ring whose one endpoint sleeps in a child, which reports what has ended each of its waits.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::process;
use std::time::Duration;

use quoit::{Ring, Role};

use super::form::Form;
use super::waiter::waiter;
use crate::common::PATIENCE;
use crate::common::child::state;
use crate::common::clock::until;
use crate::common::fork::{forked, pause, work_as_long_as_the_parent};
use crate::common::names::RingName;
use crate::common::naps::sleeps;
use crate::common::positions::{End, other};
use crate::common::program::{signal, stop};
use crate::common::rings::named;
use crate::common::segment_file::SegmentFile;
use crate::common::sleep_state::SleepPage;
use crate::common::threads::tasks;

pub(crate) struct Scene {
    pub(crate) form: Form,
    pub(crate) name: RingName,
    pub(crate) page: SleepPage,
    pub(crate) segment: SegmentFile,
    /// Its process.
    pub(crate) sleeper: u32,
    pub(crate) ring: Ring<u64>,
    reports: UnixDatagram,
}

impl Scene {
    /// Starts the sleeper, which makes its liveness checks at this interval. It waits for a peer
    /// first, or for work.
    pub(crate) fn new(form: Form, check: Duration, for_peer: bool) -> Self {
        Self::start(form, check, for_peer, || ())
    }

    /// The same for a sleeper that is stopped before its first wait.
    pub(crate) fn stopped(form: Form, check: Duration) -> Self {
        let scene = Self::start(form, check, false, || signal(process::id(), libc::SIGSTOP));
        until("it is stopped", || state(scene.sleeper) == 'T');
        scene
    }

    fn start(form: Form, check: Duration, mut for_peer: bool, begin: impl FnOnce()) -> Self {
        let options = form.options().peer_check(check);
        let (ring, name) = named("sleep", &options);
        let (reports, tell) = UnixDatagram::pair().expect("a pair of sockets");
        let sleeper = forked(|| {
            work_as_long_as_the_parent();
            form.prepare(true);
            let ring = options.open(&name).expect("the ring");
            let mut wait = waiter(&form, End::of(&ring, form.sleeper));
            begin();
            loop {
                let answer = wait(for_peer);
                tell.send(answer.as_bytes()).expect("the test listens");
                for_peer = answer == "abandoned";
                if answer == "superseded" && form.can_wait_for_peer() {
                    pause();
                }
            }
        });
        let timeout = reports.set_read_timeout(Some(PATIENCE));
        timeout.expect("a socket has a timeout");
        Self {
            page: SleepPage::open(&name.file()),
            segment: SegmentFile::open(&name.file()),
            form,
            name,
            sleeper: sleeper as u32,
            ring,
            reports,
        }
    }

    /// The role of the other endpoint.
    pub(crate) fn other(&self) -> Role {
        other(self.form.sleeper)
    }

    /// The other endpoint.
    pub(crate) fn attaches(&self) -> End {
        End::of(&self.ring, self.other())
    }

    pub(crate) fn is_parked(&self) -> bool {
        self.page.is_parked(self.form.sleeper)
    }

    pub(crate) fn parks(&self) -> u64 {
        self.page.of(self.form.sleeper).parks
    }

    /// How often the other endpoint has woken it.
    pub(crate) fn wakes(&self) -> u64 {
        self.page.of(self.other()).wakes
    }

    pub(crate) fn rescues(&self) -> u64 {
        self.page.of(self.form.sleeper).rescues
    }

    /// The sleeper's next report.
    pub(crate) fn report(&self) -> String {
        let mut word = [0; 16];
        let len = self.reports.recv(&mut word);
        let len = len.unwrap_or_else(|error| panic!("{:?}: no report: {error}", self.form));
        String::from_utf8_lossy(&word[..len]).into_owned()
    }

    /// Waits for the sleeper's next reports.
    #[track_caller]
    pub(crate) fn hears(&self, expected: &str) {
        for expected in expected.split_whitespace() {
            assert_eq!(self.report(), expected, "{:?}", self.form);
        }
    }

    /// Waits until the sleeper sleeps in the kernel, and has reported nothing else.
    #[track_caller]
    pub(crate) fn sleeps(&self) {
        until(&format!("{:?} sleeps", self.form), || {
            self.is_parked() && is_sleeping(self.sleeper)
        });
        self.reports.set_nonblocking(true).expect("a socket");
        let more = self.reports.recv(&mut [0; 16]);
        assert!(more.is_err(), "{:?}: {}", self.form, self.report());
        self.reports.set_nonblocking(false).expect("a socket");
    }

    /// Waits for these reports, and until the sleeper sleeps again.
    #[track_caller]
    pub(crate) fn hears_and_sleeps(&self, expected: &str) {
        self.hears(expected);
        self.sleeps();
    }

    /// Waits until the sleeper has made several liveness checks, and reported nothing.
    #[track_caller]
    pub(crate) fn checks(&self) {
        let before = sleeps(self.sleeper);
        until(&format!("{:?} checks", self.form), || {
            sleeps(self.sleeper) > before + 3
        });
        self.sleeps();
    }

    /// Acts while the sleeper is stopped, and so sees all of it at once.
    pub(crate) fn at_once<R>(&self, act: impl FnOnce() -> R) -> R {
        stop(self.sleeper);
        let result = act();
        signal(self.sleeper, libc::SIGCONT);
        result
    }
}

/// Whether each thread of a process waits in the kernel.
fn is_sleeping(pid: u32) -> bool {
    tasks(pid).into_iter().all(|task| {
        // A thread that has ended does not run either.
        let stat = fs::read_to_string(task.join("stat")).unwrap_or_default();
        let state = stat.rsplit_once(") ").map(|(_, state)| state);
        state.is_none_or(|state| state.starts_with('S'))
    })
}
