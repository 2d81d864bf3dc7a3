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
mod stages;
mod stepper;

use common::calls::{Wait, pop, push};
use common::cores;
use common::fork::{forked, succeeds, work_as_long_as_the_parent};
use images::judge;
use quoit::Role::{Consumer, Producer};
use quoit::{DoorbellKind, RingOptions};
use stages::{Messages, Operation, Record, Stage, by};

common::suite::suite! {
    tests: [
        a_ring_continues_after_a_death_at_any_instruction,
        a_ring_continues_after_a_kill_at_any_system_call,
    ],
    parts: [],
}

/// One line of the table.
fn line<M: Messages + ?Sized>(operation: Operation, stages: &[Stage]) -> u64 {
    let mut sum = [0; 2];
    for &stage in stages {
        let doorbells = [DoorbellKind::Futex, DoorbellKind::Semaphore];
        for &doorbell in &doorbells[..1 + usize::from(stage.peer_sleeps)] {
            let found = judge::<M>(doorbell, operation, stage);
            sum = [sum[0] + found[0], sum[1] + found[1]];
        }
    }
    let [points, images] = sum;
    println!(
        "  {:8} {:22} {:2} stages {points:7} points {images:5} memories",
        M::NAME,
        operation.name,
        stages.len(),
    );
    points
}

/// How many messages fill a ring after this many have passed.
fn capacity<M: Messages + ?Sized>(passed: u64) -> u64 {
    let ring = RingOptions::new(M::CAPACITY).heap::<M>();
    let (mut producer, mut consumer) = ring.expect("a ring");
    for number in 0..passed {
        push::<M>(&mut producer, &M::of(number), Wait::Never).expect("there is room");
        assert_eq!(pop::<M>(&mut consumer, Wait::Never), Ok(M::of(number)));
    }
    images::fill::<M>(&mut producer, passed) - passed
}

fn lines<M: Messages + ?Sized>() -> u64 {
    let full = capacity::<M>;
    let at = |passed, unread| Stage {
        passed,
        unread,
        ..Stage::default()
    };
    let inline = |passed| Stage {
        inline: true,
        ..at(passed, 0)
    };
    let peer_sleeps = |stage| Stage {
        peer_sleeps: true,
        ..stage
    };
    // Empty, one, nearly full, wrapping; with a sleeper; with an inline copy.
    let before_push = &[
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
    ][..];
    let before_pop = &[
        at(0, 1),
        at(0, 2),
        at(0, full(0)),
        at(3, 2),
        at(5, full(5)),
        peer_sleeps(at(0, full(0))),
        peer_sleeps(at(3, 1)),
    ][..];
    let before_drain = [1, 2, 3].map(|unread| {
        let stages = [at(0, unread), at(3, unread), peer_sleeps(at(1, unread))];
        (unread, stages)
    });
    let fulls = [at(0, full(0)), at(3, full(3))];
    let empties = [at(0, 0), at(3, 0), inline(2)];
    let any = &[at(0, 0), at(3, 1), peer_sleeps(at(1, full(1))), inline(2)][..];
    let mut table = vec![
        (by(Producer, "try_push", 1), before_push),
        (by(Producer, "try_claim", 1), before_push),
        (by(Producer, "try_FrameBatch::claim", 0), before_push),
        (by(Producer, "try_push_slice", 2), before_push),
        (by(Consumer, "try_pop", 1), before_pop),
        (by(Consumer, "try_peek", 1), before_pop),
        (by(Consumer, "try_peek_many", 1), before_pop),
        (by(Consumer, "skip", 1), before_pop),
        (by(Producer, "try_push", 0), &fulls),
        (by(Consumer, "try_pop", 0), &empties),
        (by(Producer, "push_timeout", 0), &fulls[..1]),
        (by(Consumer, "pop_timeout", 0), &empties[..1]),
        (by(Producer, "take the producer", 0), any),
        (by(Consumer, "take the consumer", 0), any),
        (by(Producer, "drop the producer", 0), any),
        (by(Consumer, "drop the consumer", 0), any),
        (by(Producer, "close the producer", 0), any),
        (by(Consumer, "close the consumer", 0), any),
    ];
    for (unread, stages) in &before_drain {
        let drains = ["try_drain", "try_iter"];
        table.extend(drains.map(|drain| (by(Consumer, drain, *unread), &stages[..])));
    }
    table.retain(|(operation, _)| !M::LACKS.contains(&operation.name));
    let points = table
        .iter()
        .map(|(operation, stages)| line::<M>(*operation, stages));
    points.sum()
}

/// Steps through a shape's operations in a process, all of whose children run on one core: a
/// step is two switches between the tracer and the child, which take three times as long between
/// two cores.
fn on_one_core(index: usize, lines: fn() -> u64) -> libc::pid_t {
    forked(|| {
        work_as_long_as_the_parent();
        let cores = cores::allowed().expect("the cores");
        cores::stay_on(cores[index % cores.len()]).expect("an allowed core");
        println!("  {} points in all", lines());
    })
}

fn a_ring_continues_after_a_death_at_any_instruction() {
    println!();
    let shapes = [
        on_one_core(0, lines::<Record>),
        on_one_core(1, lines::<[u8]>),
    ];
    shapes.into_iter().for_each(succeeds);
}

fn a_ring_continues_after_a_kill_at_any_system_call() {
    println!();
    let deaths = kills::all();
    println!("  {deaths} deaths in all");
}
