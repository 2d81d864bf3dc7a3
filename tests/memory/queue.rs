//! A ring is a queue: random operations against a `VecDeque`, a hundred thousand sequences.
//!
//! Records of every size class and alignment, frames of every length, several capacities,
//! and positions just before a wrap. Some rings are on the heap and some in a real segment,
//! where both roles are also released and taken again. They are the executions of `hostile`, with
//! no stray write.

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::common::rings::heap;
use crate::common::sample::Words;
use crate::hostile::body::calls::Prey;
use crate::hostile::body::choices::Choices;
use crate::hostile::body::oracle::Writes;
use crate::hostile::body::rings::Rings;
use crate::hostile::body::{Tally, play};
use crate::hostile::run;

crate::common::suite::tests! {
    records_are_a_queue,
    frames_are_a_queue,
    a_callback_that_panics_loses_no_message,
}

fn are_a_queue<T: Prey + ?Sized>(sequences: u64) -> Tally {
    let (mut rings, tally) = (Rings::<T>::default(), Tally::default());
    run(sequences, |bytes| {
        play(&mut rings, &mut Choices::new(bytes), Writes::Never, &tally);
    });
    let walks = tally.of("no inline copy");
    assert!(walks > 100, "too few had no inline copy: {tally:?}");
    tally
}

/// A type that is too large or too strictly aligned has no inline copies.
fn records<T: Prey>(may_be_inline: bool) {
    let copies = are_a_queue::<T>(6_500).of("inline copy");
    assert!(
        may_be_inline == (copies > 100) && may_be_inline == (copies > 0),
        "{copies}"
    );
}

fn records_are_a_queue() {
    records::<u8>(true);
    records::<[u8; 3]>(true);
    records::<u16>(true);
    records::<u64>(true);
    records::<[u64; 2]>(true);
    records::<Words<5>>(true);
    records::<Words<6>>(true);
    records::<Words<7>>(false);
    records::<u128>(false);
    records::<[u8; 100]>(false);
}

fn frames_are_a_queue() {
    let tally = are_a_queue::<[u8]>(36_000);
    for seen in ["inline copy", "padded"] {
        assert!(tally.of(seen) > 100, "too few of a kind: {tally:?}");
    }
}

fn a_callback_that_panics_loses_no_message() {
    let (mut producer, mut consumer) = heap::<[u8]>(256);
    let words = ["one", "two", "three"];
    assert_eq!(producer.try_push_slice(0, &words), Ok(words.len()));
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        consumer.drain_with(|frame| {
            assert_ne!(frame.to_vec(), b"two", "planned");
            ControlFlow::Continue(())
        })
    }));
    assert!(panicked.is_err());
    let mut seen = Vec::new();
    let popped = consumer.drain_with(|frame| {
        seen.push(frame.to_vec());
        ControlFlow::Continue(())
    });
    assert_eq!(popped, Ok(words.len()));
    assert_eq!(seen, words.map(|word| word.as_bytes()));

    let (mut producer, mut consumer) = heap::<u64>(8);
    let mut values = (1..).inspect(|&value| assert_ne!(value, 3, "planned"));
    let extend = AssertUnwindSafe(|| producer.try_extend(&mut values));
    assert!(catch_unwind(extend).is_err());
    assert_eq!(consumer.try_iter().collect::<Vec<_>>(), [1, 2]);
}
