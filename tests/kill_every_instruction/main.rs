//! Deaths at every instruction of every operation: no published message is lost or torn, no
//! released message is delivered again, and the next holder continues.
//!
//! There are two forms. A tracer steps a child through an operation and copies the shared
//! memory after each instruction; the peer and a restarted endpoint then continue with the
//! copy (`images.rs`). For operations that involve the kernel, a child is really killed, at
//! each point at which that makes a difference (`kills.rs`).
//!
//! Single steps follow program order: the models in `loom-tests/` cover reordering.

#[path = "../common/mod.rs"]
mod common;
mod images;
mod kills;
mod messages;
mod stages;
mod stepper;

use std::path::Path;
use std::thread;

use common::cores;
use common::names::RingName;
use images::{Outcome, judge};
use kills::{mortal, reader, writer};
use messages::{Frames, Messages, Records};
use quoit::{DoorbellKind, RingOptions};
use stages::*;

common::suite::suite! {
    tests: [
        a_ring_continues_after_a_death_at_any_instruction,
        a_publish_before_the_message_is_detected,
        a_ring_continues_after_a_kill_at_any_system_call,
    ],
    parts: [player, mortal, reader, writer],
}

/// See [`play`].
fn player(words: &[String]) {
    let number = |index: usize| words[index].parse().expect("a number");
    let stage = Stage {
        passed: number(3),
        unread: number(4),
        inline: number(5) != 0,
        peer_sleeps: number(6) != 0,
    };
    play(Path::new(&words[0]), &words[1], &words[2], stage);
}

const EMPTY: Stage = Stage {
    passed: 0,
    unread: 0,
    inline: false,
    peer_sleeps: false,
};

fn create<M: Messages>(doorbell: DoorbellKind) -> impl FnOnce(&RingName) {
    move |name| {
        let options = RingOptions::new(M::CAPACITY).doorbell(doorbell);
        options.create::<M::T>(name).expect("a ring");
    }
}

/// One line of the table.
fn line<M: Messages>(shape: &str, operation: Operation, stages: &[Stage]) -> u64 {
    let mut sum = Outcome::default();
    for &stage in stages {
        for doorbell in [DoorbellKind::Futex, DoorbellKind::Semaphore] {
            if doorbell == DoorbellKind::Semaphore && !stage.peer_sleeps {
                continue;
            }
            let outcome = judge::<M>(shape, create::<M>(doorbell), operation, stage);
            for fault in &outcome.faults {
                println!("{shape}, {}, {stage:?}: {fault}", operation.name);
            }
            sum.points += outcome.points;
            sum.images += outcome.images;
            sum.faults.extend(outcome.faults);
        }
    }
    println!(
        "  {shape:8} {:22} {:2} stages {:7} points {:5} memories",
        operation.name,
        stages.len(),
        sum.points,
        sum.images
    );
    assert!(sum.faults.is_empty(), "{} faults", sum.faults.len());
    sum.points
}

/// How many messages fill a ring after this many have passed.
fn capacity<M: Messages>(passed: u64) -> u64 {
    let (mut producer, mut consumer) = RingOptions::new(M::CAPACITY)
        .heap::<M::T>()
        .expect("a ring");
    for number in 0..passed {
        M::push(&mut producer, number).expect("there is room");
        assert_eq!(M::pop(&mut consumer), Ok(number));
    }
    let full = (passed..).take_while(|&number| M::push(&mut producer, number).is_ok());
    full.count() as u64
}

fn lines<M: Messages>(shape: &str) -> u64 {
    let full = capacity::<M>;
    let at = |passed, unread| Stage {
        passed,
        unread,
        ..EMPTY
    };
    let inline = |passed| Stage {
        inline: true,
        ..at(passed, 0)
    };
    let peer_sleeps = |stage| Stage {
        peer_sleeps: true,
        ..stage
    };
    let mut points = 0;
    // Empty, one, nearly full, wrapping; with a sleeper; with an inline copy.
    let before_push = [
        at(0, 0),
        at(0, 1),
        at(0, full(0) - 2),
        at(3, 0),
        at(full(0) - 1, 1),
        peer_sleeps(at(0, 0)),
        peer_sleeps(at(3, 1)),
        inline(2),
        inline(3),
        inline(4),
        peer_sleeps(inline(5)),
    ];
    for operation in PUSHING {
        points += line::<M>(shape, operation, &before_push);
    }
    let before_pop = [
        at(0, 1),
        at(0, 2),
        at(0, full(0)),
        at(3, 2),
        at(5, full(5)),
        peer_sleeps(at(0, full(0))),
        peer_sleeps(at(3, 1)),
    ];
    for operation in POPPING {
        points += line::<M>(shape, operation, &before_pop);
    }
    for unread in [1, 2, 3] {
        let drain = Operation {
            moves: unread,
            ..DRAIN
        };
        let stages = [at(0, unread), at(3, unread), peer_sleeps(at(1, unread))];
        points += line::<M>(shape, drain, &stages);
    }
    let fulls = [at(0, full(0)), at(3, full(3))];
    let empties = [at(0, 0), at(3, 0), inline(2)];
    points += line::<M>(shape, PUSH_INTO_FULL, &fulls);
    points += line::<M>(shape, POP_FROM_EMPTY, &empties);
    points += line::<M>(shape, PARK[0], &fulls[..1]);
    points += line::<M>(shape, PARK[1], &empties[..1]);
    let any = [at(0, 0), at(3, 1), peer_sleeps(at(1, full(1))), inline(2)];
    for operation in TAKE.into_iter().chain(CLOSE) {
        points += line::<M>(shape, operation, &any);
    }
    points
}

/// Runs this process and its children on one core: a step is two switches between the
/// tracer and the child, which take three times as long between two cores.
fn on_one_core<R>(index: usize, run: impl FnOnce() -> R) -> R {
    let cores = cores::allowed().expect("the cores");
    cores::stay_on(cores[index % cores.len()]).expect("an allowed core");
    run()
}

fn a_ring_continues_after_a_death_at_any_instruction() {
    println!();
    let points: u64 = thread::scope(|threads| {
        let records = threads.spawn(|| on_one_core(0, || lines::<Records>("records")));
        let frames = threads.spawn(|| on_one_core(1, || lines::<Frames>("frames")));
        [records, frames]
            .map(|lines| lines.join().expect("no faults"))
            .iter()
            .sum()
    });
    println!("  {points} points in all");
}

fn a_publish_before_the_message_is_detected() {
    let stage = EMPTY;
    let create = create::<Records>(DoorbellKind::Futex);
    let outcome = judge::<Records>("records", create, PUBLISH_FIRST, stage);
    print!("[{} points, found: {:?}] ", outcome.points, outcome.faults);
    assert!(!outcome.faults.is_empty());
}

fn a_ring_continues_after_a_kill_at_any_system_call() {
    println!();
    let deaths = kills::all();
    println!("  {deaths} deaths in all");
}
