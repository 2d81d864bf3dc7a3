//! Semaphores that a stray process has written to.

use std::time::Duration;

use quoit::{Consumer, DoorbellKind, Observer, PopError, Producer, Ring, RingOptions, Role};

use crate::common::names::RingName;
use crate::common::rings::{ends, named};
use crate::common::segment_file::SegmentFile;
use crate::common::threads::while_waiting;

crate::common::suite::tests! {
    tokens_of_earlier_wakes_end_no_sleep,
    a_semaphore_that_was_written_to_loses_no_message_and_keeps_no_endpoint_busy,
}

/// The offsets of the consumer's and the producer's semaphore.
const SEMAPHORES: [u64; 2] = [12544, 12672];

type Ends = (Producer<u64>, Consumer<u64>);

/// A ring of one record whose endpoints sleep on semaphores without spinning.
fn world() -> (Ring<u64>, SegmentFile, RingName) {
    let options = RingOptions::new(1).doorbell(DoorbellKind::Semaphore);
    let (ring, name) = named("semaphores", &options.spin(Duration::ZERO));
    let file = SegmentFile::open(&name.file());
    (ring, file, name)
}

/// Writes a word of both semaphores.
fn write_both(file: &SegmentFile, offset: u64, word: u32) {
    for semaphore in SEMAPHORES {
        file.write_half(semaphore + offset, word);
    }
}

/// A message wakes the consumer, and room the producer.
fn both_endpoints_work((mut producer, mut consumer): Ends) {
    let wait = move || (consumer.pop(), consumer);
    let (popped, mut consumer) = while_waiting(wait, || {
        producer.try_push(7).expect("there is room");
    });
    assert_eq!(popped, Ok(7));
    producer.try_push(8).expect("there is room");
    let wait = move || (producer.push(9), producer);
    let (pushed, _producer) = while_waiting(wait, || {
        assert_eq!(consumer.try_pop(), Ok(8));
    });
    assert_eq!(pushed, Ok(()));
    assert_eq!(consumer.try_pop(), Ok(9));
}

/// As of wakes that arrived while the endpoint did not sleep.
fn tokens_of_earlier_wakes_end_no_sleep() {
    let (ring, file, name) = world();
    let (_producer, mut consumer) = ends(&ring);
    write_both(&file, 0, 5);
    let nothing = consumer.pop_timeout(Duration::from_millis(50));
    assert_eq!(nothing, Err(PopError::TimedOut));
    let observer = Observer::open(&name).expect("a ring");
    let sleeps = observer.endpoint(Role::Consumer).parks;
    assert!(sleeps <= 1, "{sleeps} sleeps");
}

/// The words of a semaphore: an offset, the sound value, and others. The number of waiters is a hint
/// to the waker. The third one selects glibc's system call: an unknown value aborts the process, a
/// wrong one waits where it should wake. The library does not use such a semaphore; its endpoints
/// sleep on their words.
const WORDS: [(u64, u32, &[u32]); 3] = [
    (TOKENS, 0, &[u32::MAX, 1 << 31, i32::MAX as u32]),
    (4, 0, &[1, 1 << 31, u32::MAX]),
    (8, 0x80, &[0, 1, 0x81, 0x82, 0xff, 1 << 31, u32::MAX]),
];
const TOKENS: u64 = 0;

fn a_semaphore_that_was_written_to_loses_no_message_and_keeps_no_endpoint_busy() {
    for (offset, sound, words) in WORDS {
        for &word in words {
            let (ring, file, _name) = world();
            // The second pair takes its roles before the word is restored.
            for word in [word, sound] {
                let (producer, mut consumer) = ends(&ring);
                write_both(&file, offset, word);
                let nothing = consumer.pop_timeout(Duration::from_millis(1));
                assert_eq!(nothing, Err(PopError::TimedOut));
                // To drain the tokens one by one would take half a minute.
                let left = file.read(SEMAPHORES[0]) as u32;
                assert!(offset != TOKENS || left >= word / 2, "{left} of {word}");
                both_endpoints_work((producer, consumer));
            }
        }
    }
}
