//! Every kind of wait, and every event that ends a sleep.
//!
//! The forms combine: a plain endpoint, a `Select`, an async endpoint and a pollable one; both
//! doorbells where both are possible; with and without `membarrier`; and a consumer that waits
//! for messages or a producer that waits for room. All of them have the same answers.
//!
//! `QUOIT_SPARSE=20000` sends this many single messages in each form instead of 200, and prints
//! the counters of each form.
//!
//! The async endpoints need the feature `futures`.

mod form;
mod scene;
mod waiter;

use std::env;
use std::fs;
use std::sync::mpsc;
use std::thread::{self, sleep};
use std::time::Duration;

use crate::common::PATIENCE;
use crate::common::clock::until;
use crate::common::dice::Dice;
use crate::common::fork::{ending, forked, kill, work_as_long_as_the_parent};
use crate::common::naps::{Naps, sleeps};
use crate::common::positions::{End, peer, start};
use crate::common::program::stop;
use crate::common::segment_file::{DATA, position};
use crate::common::tracer::meddle;
use form::{Form, Way};
use quoit::Role;
use scene::Scene;

crate::common::suite::tests! {
    every_event_ends_a_sleep_by_a_wake,
    a_peer_that_attaches_before_the_sleep_is_seen,
    peers_that_come_and_go_lose_nothing,
    a_killed_peer_is_abandoned_after_its_messages,
    a_ring_that_loses_its_name_is_superseded,
    missing_wakes_are_counted_as_rescues_unless_the_waker_is_stopped,
    a_sleeper_wakes_at_most_eleven_times_a_second;
    parts: peer
}

/// A liveness check never, so that only a wake ends a sleep; and the default.
const NEVER: Duration = Duration::MAX;
const OFTEN: Duration = Duration::from_millis(100);

/// Of single messages, one in this many is sent as soon as the sleeper's word is parked: it may
/// be between its word and its sleep.
const HASTY: u64 = 4;

/// Plays the story with each form, in parallel processes.
fn with_each(forms: impl IntoIterator<Item = Form>, story: impl Fn(Form)) {
    let plays = forms.into_iter().map(|form| {
        forked(|| {
            work_as_long_as_the_parent();
            form.prepare(false);
            story(form);
        })
    });
    let plays: Vec<_> = plays.collect();
    let endings: Vec<_> = plays.into_iter().map(ending).collect();
    assert_eq!(endings, vec![0; endings.len()]);
}

/// Starts a sleeper that waits for work. A producer fills the ring first.
fn without_a_peer(form: Form, check: Duration) -> Scene {
    let scene = Scene::new(form, check, false);
    if form.sleeper == Role::Producer {
        scene.hears("moved moved");
    }
    if check == NEVER {
        until("it sleeps until a wake", || {
            scene.parks() == form.first_parks()
        });
    }
    scene.sleeps();
    scene
}

/// Moves this many records, without waiting.
fn moves(peer: &mut End, count: usize) {
    (0..count).for_each(|_| peer.moves(Duration::ZERO).expect("it can"));
}

fn every_event_ends_a_sleep_by_a_wake() {
    with_each(Form::all(), |form| {
        if form.can_wait_for_peer() {
            let scene = Scene::new(form, NEVER, true);
            scene.sleeps();
            drop(scene.attaches());
            scene.hears("attached");
            kill(scene.sleeper as _);
        }
        let scene = without_a_peer(form, NEVER);
        let mut peer = scene.attaches();
        scene.sleeps();
        sends_single_messages(&scene, &mut peer);
        // A batch is one wake.
        let wakes = scene.wakes();
        match &mut peer {
            End::Producer(end) => {
                let first = end.position();
                assert_eq!(end.try_push_slice(&[first, first + 1]), Ok(2));
            }
            End::Consumer(end) => assert_eq!(end.skip(2), Ok(2)),
        }
        scene.hears_and_sleeps("moved moved");
        assert_eq!(scene.wakes() - wakes, 1, "{form:?}: for one batch");
        let parks = scene.parks();
        for _ in 0..10 {
            drop(peer);
            scene.hears_and_sleeps("abandoned");
            peer = scene.attaches();
            scene.hears_and_sleeps("attached");
            moves(&mut peer, 1);
            scene.hears_and_sleeps("moved");
        }
        let parks = scene.parks() - parks;
        assert_eq!(parks, 30, "{form:?}: one sleep until each event");
        // A peer that is replaced before its close is seen.
        peer = scene.at_once(|| {
            drop(peer);
            scene.attaches()
        });
        scene.sleeps();
        moves(&mut peer, 1);
        scene.hears_and_sleeps("moved");
        // The last messages come before the close, and the attach before the messages.
        scene.at_once(|| {
            moves(&mut peer, 2);
            drop(peer);
        });
        scene.hears_and_sleeps("moved moved abandoned");
        scene.at_once(|| moves(&mut scene.attaches(), 1));
        scene.hears_and_sleeps("attached moved abandoned");
        let registered = scene.page.of(form.sleeper).registered;
        assert_eq!(registered, form.has_barriers(), "{form:?}: membarrier");
        assert_eq!(scene.rescues(), 0, "{form:?}");
    });
}

/// For each of them the endpoint sleeps.
fn sends_single_messages(scene: &Scene, peer: &mut End) {
    let asked = env::var("QUOIT_SPARSE").ok();
    let count = asked
        .as_ref()
        .map_or(200, |count| count.parse().expect("a count"));
    let (mut dice, mut sleeping) = (Dice(1), 0);
    let (parks, wakes) = (scene.parks(), scene.wakes());
    for _ in 0..count {
        if dice.roll(HASTY) > 0 {
            scene.sleeps();
            // Not always directly after the beginning of the sleep.
            sleep(Duration::from_micros(dice.roll(200) as u64));
            sleeping += 1;
        }
        moves(peer, 1);
        scene.hears("moved");
    }
    scene.sleeps();
    let (parks, wakes) = (scene.parks() - parks, scene.wakes() - wakes);
    assert!(parks >= sleeping, "{:?}: {parks} parks", scene.form);
    assert!(wakes >= sleeping, "{:?}: {wakes} wakes", scene.form);
    if asked.is_some() {
        let rescues = scene.rescues();
        println!(
            "    {:?}: {count} messages, {sleeping} during a sleep, {parks} parks, {wakes} wakes, \
             {rescues} rescues",
            scene.form
        );
    }
}

/// The second poll also checks for later holders of the peer's role. A pollable endpoint has made
/// its barrier before.
fn a_peer_that_attaches_before_the_sleep_is_seen() {
    let forms = Form::usual().into_iter();
    with_each(forms.filter(|form| form.way != Way::Pollable), |form| {
        let scene = Scene::stopped(form, NEVER);
        drop(scene.attaches());
        let mut successor = None;
        // The barrier of the first sleep: after the first poll, and before the word is parked.
        let attach = |_| {
            scene.hears(match form.sleeper {
                Role::Producer => "moved moved abandoned",
                Role::Consumer => "abandoned",
            });
            successor = Some(scene.attaches());
        };
        scene.at_once(|| meddle(scene.sleeper, libc::SYS_membarrier, 1, attach));
        scene.hears_and_sleeps("attached");
    });
}

/// At any point of a wait.
fn peers_that_come_and_go_lose_nothing() {
    with_each(Form::usual(), |form| {
        // A `Select` polls for several things in turn.
        let peers = if form.way == Way::Select {
            20_000
        } else {
            2000
        };
        let scene = without_a_peer(form, OFTEN);
        let (mut count, mut is_abandoned) = (0, false);
        let scene = &scene;
        thread::scope(|scope| {
            let (missing, none_missing) = mpsc::channel::<()>();
            let mut missing = Some(missing);
            scope.spawn(move || {
                for _ in 0..peers {
                    scene.attaches().moves(PATIENCE).expect("it can");
                }
                // A wait for a peer ends by none that has closed before it.
                let _last = scene.attaches();
                let _: Result<(), _> = none_missing.recv();
            });
            while count < peers || !is_abandoned {
                match &*scene.report() {
                    "moved" => {
                        assert!(!is_abandoned, "{form:?}: after {count}");
                        count += 1;
                        missing.take_if(|_| count == peers);
                    }
                    // A descriptor may be readable again, by a wake in flight.
                    "abandoned" if is_abandoned && form.way == Way::Pollable => {}
                    report => {
                        let expected = ["abandoned", "attached"][usize::from(is_abandoned)];
                        assert_eq!(report, expected, "{form:?}: after {count}");
                        is_abandoned = !is_abandoned;
                    }
                }
            }
        });
    });
}

fn a_killed_peer_is_abandoned_after_its_messages() {
    with_each(Form::usual(), |form| {
        let scene = without_a_peer(form, OFTEN);
        for round in 0..3 {
            let mut peer = start(scene.other(), &scene.name, "5");
            scene.hears(if round > 0 { "attached" } else { "" });
            scene.hears_and_sleeps("moved moved moved moved moved");
            peer.kill();
            scene.hears("abandoned");
            scene.checks();
        }
        scene.at_once(|| start(scene.other(), &scene.name, "2").kill());
        scene.hears_and_sleeps("attached moved moved abandoned");
        assert_eq!(scene.rescues(), 0, "{form:?}");
    });
}

/// Before a peer has attached; and after one has closed, if the endpoint waits for another.
fn a_ring_that_loses_its_name_is_superseded() {
    with_each(Form::usual(), |form| {
        let has_calls = form.can_wait_for_peer();
        for state in ["waits for work", "waits for a peer", "abandoned"] {
            if state != "waits for work" && !has_calls {
                continue;
            }
            let scene = match state {
                "waits for a peer" => Scene::new(form, OFTEN, true),
                _ => without_a_peer(form, OFTEN),
            };
            if state == "abandoned" {
                drop(scene.attaches());
                scene.hears("abandoned");
            }
            scene.sleeps();
            fs::remove_file(scene.name.file()).expect("it has a name");
            scene.hears("superseded");
            if !has_calls {
                scene.checks(); // it is reported once
            }
        }
    });
}

/// A waker that follows the layout except for its wakes, as a faulty client in another language
/// might. Each of its messages arrives, at the deadline of a sleep, and only the counter shows that
/// the wakes fail. `tests/foreign` has clients that wake correctly, and cause no rescue.
fn missing_wakes_are_counted_as_rescues_unless_the_waker_is_stopped() {
    /// The most sleeps of the process for one message: the end of the one in progress, the grace for
    /// a wake in flight, and the next sleep of each thread.
    const NAPS: u64 = 10;
    // The number of messages until the first rescue, and at most. Not each is one: a liveness check
    // may end a sleep at that moment, and after a change of the word the wake may still arrive.
    let manners = [
        ("no wake", 1, 4),
        ("stopped", 4, 4),
        ("only the word", 8, 40),
    ];
    with_each(Form::usual(), |form| {
        for (manner, least, most) in manners {
            let scene = without_a_peer(form, OFTEN);
            let idle = start(scene.other(), &scene.name, "0");
            if manner == "stopped" {
                stop(idle.pid());
            }
            let mut sent = 0;
            while scene.rescues() == 0 && sent < most {
                scene.sleeps();
                if scene.other() == Role::Producer {
                    let slot = DATA + sent % Form::CAPACITY * 8;
                    scene.segment.write(slot, sent);
                }
                scene.segment.write(position(scene.other()), sent + 1);
                if manner == "only the word" {
                    scene.page.end_sleep(form.sleeper);
                }
                let naps = sleeps(scene.sleeper);
                scene.hears("moved");
                let naps = sleeps(scene.sleeper) - naps;
                assert!(naps <= NAPS, "{form:?}: {manner}: {naps} sleeps");
                sent += 1;
            }
            let is_rescued = scene.rescues() > 0;
            assert_eq!(is_rescued, manner != "stopped", "{form:?}: {manner}");
            assert!(sent >= least, "{form:?}: {manner}: after {sent}");
        }
    });
}

/// Without a peer, with a silent one, and after it has closed.
fn a_sleeper_wakes_at_most_eleven_times_a_second() {
    with_each(Form::usual(), |form| {
        let scenes = [0, 1, 2].map(|_| without_a_peer(form, OFTEN));
        let _silent = scenes[1].attaches();
        drop(scenes[2].attaches());
        scenes[2].hears("abandoned");
        let naps = scenes.iter().map(|scene| {
            scene.sleeps();
            Naps::count(format!("{form:?}"), scene.sleeper)
        });
        let naps: Vec<_> = naps.collect();
        sleep(Duration::from_secs(2));
        let restless: Vec<_> = naps.iter().filter_map(Naps::too_many).collect();
        assert_eq!(restless, [""; 0]);
        scenes.iter().for_each(Scene::sleeps);
    });
}
