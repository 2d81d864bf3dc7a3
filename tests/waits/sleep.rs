//! A sleeping endpoint is woken immediately when its peer closes or attaches, or by a batch,
//! and once. `idle` checks that it uses almost no CPU time.

use std::time::Duration;

use crate::common::child::{Child, hear, hold, say};
use crate::common::clock::until;
use crate::common::deep_sleep::DeepSleeper;
use crate::common::forbid::forbid;
use crate::common::names::RingName;
use crate::common::positions::{End, ROLES, other, role_of};
use crate::common::sleep_state::SleepPage;
use quoit::{Deadline, DoorbellKind, Fences, Ring, RingOptions, Role};

crate::common::suite::tests! {
    a_close_wakes_a_sleeper,
    a_sleeper_takes_the_messages_published_before_the_close,
    a_peer_that_attaches_wakes_a_sleeper,
    wait_for_peer_sleeps_until_a_peer_attaches,
    a_batch_wakes_a_sleeper_once,
    a_sleeper_that_is_killed_costs_one_wake;
    parts: moving, meeting
}

/// Every form of sleep.
const FORMS: [&str; 6] = [
    "futex",
    "symmetric futex",
    "futex without barriers",
    "semaphore",
    "symmetric semaphore",
    "semaphore without barriers",
];

/// Sleeps in this form, without spinning.
fn options(form: &str) -> RingOptions {
    let bell = match form.contains("semaphore") {
        true => DoorbellKind::Semaphore,
        false => DoorbellKind::Futex,
    };
    let fences = match form.starts_with("symmetric") {
        true => Fences::Symmetric,
        false => Fences::Asymmetric,
    };
    let options = RingOptions::new(2).doorbell(bell).fences(fences);
    options.spin(Duration::ZERO)
}

/// In a child: takes the role, in a form that may need a kernel without barriers.
fn take(words: &[String]) -> End {
    if words[1].ends_with("without barriers") {
        forbid(libc::SYS_membarrier);
    }
    let ring = options(&words[1]).open(&words[0]).expect("the ring");
    End::of(&ring, role_of(&words[2]))
}

/// Moves records until the peer has closed or crashed; reports their number.
fn moving(words: &[String]) {
    let mut end = take(words);
    hold();
    while end.moves(Deadline::NEVER).is_ok() {}
    assert!(end.is_abandoned());
    say(end.position());
    hear();
}

/// Waits for a peer, and for each later one.
fn meeting(words: &[String]) {
    let mut end = take(words);
    loop {
        hold();
        say(format!("{:?}", end.wait_for_peer()));
    }
}

/// A ring whose one endpoint is in a child.
struct Pair {
    name: RingName,
    page: SleepPage,
    child: Child,
    form: &'static str,
    /// The child's role.
    role: Role,
}

impl Pair {
    /// The child runs `part` when it gets a line.
    fn new(form: &'static str, role: Role, part: &str) -> Self {
        let name = RingName::new("sleep");
        options(form).create::<u64>(&name).expect("a ring");
        let child = Child::start(part, &[name.as_str(), form, &role.to_string()]);
        child.expect("ready");
        let page = SleepPage::open(&name.file());
        Self {
            name,
            page,
            child,
            form,
            role,
        }
    }

    fn ring(&self) -> Ring<u64> {
        options(self.form).open(&self.name).expect("the ring")
    }

    /// The endpoint of this process.
    fn peer(&self) -> End {
        End::of(&self.ring(), other(self.role))
    }

    /// Starts the child's part; it then sleeps until it is woken.
    fn sleeper(&mut self) -> DeepSleeper {
        let mut sleeper = DeepSleeper::new(self.child.pid());
        self.child.tell("go");
        sleeper.runs_into_sleep();
        sleeper
    }

    /// Starts the child's part, and waits until it sleeps.
    fn sleeps(&mut self) {
        self.child.tell("go");
        until("it sleeps", || self.page.is_parked(self.role));
    }

    /// How often the child has slept, without any rescue.
    fn has_slept(&self, times: u64) {
        let state = self.page.of(self.role);
        assert_eq!((state.parks, state.rescues), (times, 0), "{}", self.form);
    }
}

/// Every form of sleep of either endpoint.
fn pairs(part: &'static str) -> impl Iterator<Item = Pair> {
    let forms = FORMS.into_iter();
    forms.flat_map(move |form| ROLES.map(|role| Pair::new(form, role, part)))
}

/// Many times, while the peer sleeps until a wake.
fn a_close_wakes_a_sleeper() {
    for _ in 0..10 {
        for mut pair in pairs("moving") {
            let peer = pair.peer();
            let mut child = pair.sleeper();
            drop(peer);
            assert_eq!(child.woken(), Some(0), "{}: a close wakes", pair.form);
            drop(child);
            pair.child.says();
            pair.has_slept(1);
            let registered = pair.page.of(pair.role).registered;
            assert_eq!(registered, !pair.form.contains(' '), "{}", pair.form);
        }
    }
}

fn a_sleeper_takes_the_messages_published_before_the_close() {
    for form in FORMS {
        let mut pair = Pair::new(form, Role::Consumer, "moving");
        let mut producer = pair.peer();
        pair.sleeps();
        for _ in 0..100 {
            let pushed = producer.moves(Deadline::NEVER);
            pushed.expect("the consumer is attached");
        }
        drop(producer);
        assert_eq!(pair.child.says(), "100", "{form}");
    }
}

fn a_peer_that_attaches_wakes_a_sleeper() {
    for mut pair in pairs("moving").filter(|pair| pair.role == Role::Consumer) {
        let mut child = pair.sleeper();
        let producer = pair.peer();
        assert_eq!(child.woken(), Some(0), "{}", pair.form);
        drop(producer);
    }
}

/// Waits for a first peer, and for a peer after others have closed.
fn wait_for_peer_sleeps_until_a_peer_attaches() {
    for mut pair in pairs("meeting") {
        for round in 1..4 {
            let mut child = pair.sleeper();
            let peer = pair.peer();
            assert_eq!(child.woken(), Some(0), "{}: round {round}", pair.form);
            drop(child);
            pair.child.expect("Ok(())");
            pair.child.expect("ready");
            pair.child.tell("go");
            pair.child.expect("Ok(())"); // it is attached
            pair.child.expect("ready");
            drop(peer);
            pair.has_slept(round);
        }
    }
}

fn a_batch_wakes_a_sleeper_once() {
    for form in FORMS {
        let mut pair = Pair::new(form, Role::Consumer, "moving");
        let mut producer = pair.ring().producer().expect("the role is free");
        let mut child = pair.sleeper();
        for round in 0..20 {
            if round > 0 {
                child.runs_into_sleep();
            }
            let wakes = || pair.page.of(Role::Producer).wakes;
            let (before, first) = (wakes(), producer.position());
            assert_eq!(
                producer.try_push_slice(&[first, first + 1]),
                Ok(2),
                "{form}"
            );
            assert_eq!(child.woken(), Some(0), "{form}");
            assert_eq!(wakes() - before, 1, "{form}: wakes for one batch");
        }
        drop((child, producer));
        assert_eq!(pair.child.says(), "40", "{form}");
        assert_eq!(pair.page.of(Role::Consumer).rescues, 0, "{form}");
    }
}

fn a_sleeper_that_is_killed_costs_one_wake() {
    for form in ["futex", "semaphore"] {
        let mut pair = Pair::new(form, Role::Consumer, "moving");
        let mut producer = pair.peer();
        pair.sleeps();
        pair.child.kill();
        let is_parked = pair.page.consumer_is_parked();
        assert!(is_parked, "{form}: it was killed during its sleep");
        let before = pair.page.of(Role::Producer).wakes;
        for _ in 0..2 {
            producer.moves(Duration::ZERO).expect("there is room");
        }
        let wakes = pair.page.of(Role::Producer).wakes - before;
        assert_eq!(wakes, 1, "{form}: one wake without a sleeper, and no more");
        let mut successor = End::of(&pair.ring(), Role::Consumer);
        assert_eq!(successor.moves(Deadline::NEVER), Ok(()), "{form}");
    }
}
