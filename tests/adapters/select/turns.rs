//! Which of several endpoints is reported, and the types of a set.

use quoit::{Select, Selectable, Selected};

use super::{event, heap, heap_pairs};

crate::common::suite::tests! {
    rings_that_are_ready_take_turns,
    any_slice_of_endpoints_can_be_waited_for,
}

/// The index of an endpoint that is ready.
fn ready<S: Selectable>(select: &mut Select, ends: &mut [S]) -> usize {
    match event(select, ends) {
        Selected::Ready(index) => index,
        other => panic!("{other:?}"),
    }
}

fn rings_that_are_ready_take_turns() {
    let (mut producers, mut consumers) = heap_pairs(5);
    for producer in &mut producers {
        producer.try_push_slice(&[0; 64]).expect("there is room");
    }
    let mut select = Select::new();
    let mut turns = [0; 5];
    for _ in 0..100 {
        let index = ready(&mut select, &mut consumers);
        consumers[index].try_pop().expect("it is ready");
        turns[index] += 1;
    }
    assert_eq!(turns, [20; 5]);
}

fn any_slice_of_endpoints_can_be_waited_for() {
    let (mut producers, mut consumers) = heap_pairs(2);
    producers[1].try_push(7).expect("there is room");
    let mut select = Select::new();
    let [north, south] = &mut consumers[..] else {
        panic!("there are two");
    };
    assert_eq!(ready(&mut select, &mut [south, north]), 0);
    let (log, mut lines) = heap::<[u8]>();
    drop(log);
    let abandoned = event(&mut select, &mut [&mut lines]);
    assert_eq!(abandoned, Selected::Abandoned(0));
    assert_eq!(ready(&mut select, &mut producers), 1);
}
