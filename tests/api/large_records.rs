//! A record that is larger than the stack: no call that works in place, or through a slice,
//! copies it to the stack, even without optimisation.
//!
//! A copy on the stack of these threads is a SIGSEGV.

use std::thread;
use std::time::Duration;

use crate::common::names::RingName;
use crate::common::rings::ends;
use quoit::zerocopy::FromBytes;
use quoit::{Consumer, Observer, PopError, Producer, RingOptions, Select, Selected};

const SIZE: usize = 16 << 20;
const STACK: usize = 256 << 10;
const MOMENT: Duration = Duration::from_millis(1);

type Large = [u8; SIZE];

fn on_a_small_stack(work: impl FnOnce() + Send + 'static) {
    let thread = thread::Builder::new().stack_size(STACK);
    let thread = thread.spawn(work).expect("a thread");
    thread.join().expect("no panic");
}

fn on_the_heap() -> (Producer<Large>, Consumer<Large>) {
    RingOptions::new(2)
        .heap::<Large>()
        .expect("there is memory")
}

/// The bytes of this many records, on the heap.
fn bytes(count: usize, byte: u8) -> Vec<u8> {
    vec![byte; count * SIZE]
}

fn records(bytes: &[u8]) -> &[Large] {
    <[Large]>::ref_from_bytes(bytes).expect("whole records")
}

fn records_mut(bytes: &mut [u8]) -> &mut [Large] {
    <[Large]>::mut_from_bytes(bytes).expect("whole records")
}

/// The first byte of the next record, which is released.
fn take(consumer: &mut Consumer<Large>) -> u8 {
    let peek = consumer.try_peek().expect("a record");
    // SAFETY: the pointer is to a record that no thread writes.
    let first = unsafe { peek.as_ptr().cast::<u8>().read() };
    peek.release();
    first
}

#[test]
fn claims_and_peeks_of_one() {
    on_a_small_stack(|| {
        let (mut producer, mut consumer) = on_the_heap();
        for turn in 0..6 {
            let mut claim = match turn % 3 {
                0 => producer.try_claim(),
                1 => producer.claim(),
                _ => producer.claim_timeout(MOMENT),
            }
            .expect("room");
            if turn % 2 == 0 {
                // SAFETY: the pointer is to a slot that no other thread uses.
                unsafe { claim.as_mut_ptr().cast::<u8>().write(turn) };
            } else {
                // SAFETY: the ring is on the heap, and no other thread uses the slot.
                let record = unsafe { claim.as_mut() };
                record[0] = turn;
            }
            claim.commit();
            let peek = match turn % 3 {
                0 => consumer.try_peek(),
                1 => consumer.peek(),
                _ => consumer.peek_timeout(MOMENT),
            }
            .expect("a record");
            // SAFETY: the ring is on the heap, and no thread writes the record.
            assert_eq!(unsafe { peek.as_ref() }[0], turn);
            assert!(!format!("{peek:?}").is_empty());
            peek.release();
        }
        drop(producer.try_claim().expect("room"));
        assert!(consumer.peek_timeout(MOMENT).is_err());
    });
}

#[test]
fn claims_and_peeks_of_many() {
    on_a_small_stack(|| {
        let (mut producer, mut consumer) = on_the_heap();
        let (given, mut taken) = (bytes(2, 7), bytes(2, 0));
        for turn in 0..3 {
            let mut claim = match turn {
                0 => producer.try_claim_many(2),
                1 => producer.claim_many(2),
                _ => producer.claim_many_timeout(2, MOMENT),
            }
            .expect("room");
            if turn == 0 {
                // SAFETY: the ring is on the heap, and no other thread uses the slots.
                let (front, _) = unsafe { claim.slices_mut() };
                front[0][0] = 8;
                claim.commit_first(1);
                assert_eq!(take(&mut consumer), 8);
                continue;
            }
            claim.copy_from_slice(records(&given));
            claim.commit();
            let peek = match turn {
                1 => consumer.try_peek_many(),
                _ => consumer.peek_many_timeout(2, MOMENT),
            }
            .expect("records");
            // SAFETY: the ring is on the heap, and no thread writes the records.
            let (front, back) = unsafe { peek.slices() };
            assert_eq!(front.len() + back.len(), 2);
            assert_eq!(front[0][SIZE - 1], 7);
            taken.fill(0);
            assert_eq!(peek.copy_to_slice(records_mut(&mut taken)), 2);
            assert!(taken == given);
            if turn == 1 {
                peek.release();
            } else {
                peek.release_first(1);
                assert_eq!(consumer.skip(1), Ok(1));
            }
        }
    });
}

#[test]
fn slices_and_skips() {
    on_a_small_stack(|| {
        let (mut producer, mut consumer) = on_the_heap();
        let (given, mut taken) = (bytes(2, 9), bytes(2, 0));
        for turn in 0..4 {
            let given = records(&given);
            match turn {
                0 => assert_eq!(producer.try_push_slice(given), Ok(2)),
                1 => assert_eq!(producer.push_slice(given), Ok(2)),
                2 => assert_eq!(producer.push_slice_timeout(given, MOMENT), Ok(2)),
                _ => producer.push_all(given).expect("room"),
            }
            let taken = records_mut(&mut taken);
            match turn {
                0 => assert_eq!(consumer.try_pop_slice(taken), Ok(2)),
                1 => assert_eq!(consumer.pop_slice(taken), Ok(2)),
                2 => assert_eq!(consumer.pop_slice_timeout(taken, MOMENT), Ok(2)),
                _ => consumer.pop_exact(taken).expect("records"),
            }
            assert_eq!(taken[1][SIZE - 1], 9);
        }
        producer.push_all(records(&given)).expect("room");
        assert_eq!(consumer.skip_to_latest(), Ok(1));
        assert_eq!(take(&mut consumer), 9);
        assert!(consumer.try_peek_many().is_err());
    });
}

#[test]
fn rings_with_a_name_select_and_observers() {
    let name = RingName::new("large");
    on_a_small_stack(move || {
        let ring = RingOptions::new(2).create::<Large>(&name).expect("a ring");
        let (mut producer, mut consumer) = ends(&ring);
        let mut select = Select::new();
        let found = select.wait(&mut [producer.interest()], MOMENT);
        assert_eq!(found.expect("room"), Selected::Ready(0));
        producer.push_all(records(&bytes(1, 5))).expect("room");
        let found = select.wait(&mut [consumer.interest()], MOMENT);
        assert_eq!(found.expect("a record"), Selected::Ready(0));
        let observer = Observer::open(&name).expect("the ring");
        let mut last = Vec::new();
        let seen = observer.unread(1, |message| last.push(message.bytes[SIZE - 1]));
        assert_eq!((seen.expect("a ring"), last), (1, vec![5]));
        let consumer = consumer.into_pollable().expect("a thread");
        let mut consumer = consumer.into_inner();
        assert_eq!(take(&mut consumer), 5);
        assert!(!format!("{producer:?} {consumer:?} {ring:?}").is_empty());
        drop(producer);
        assert_eq!(consumer.peek().map(drop), Err(PopError::Abandoned));
        let (producer, consumer) = on_the_heap();
        drop((producer, consumer));
    });
}

#[cfg(feature = "futures")]
#[test]
fn async_calls() {
    use futures_executor::block_on;
    on_a_small_stack(|| {
        let (producer, consumer) = on_the_heap();
        let mut producer = producer.into_async().expect("a thread");
        let mut consumer = consumer.into_async().expect("a thread");
        block_on(async {
            producer.ready().await.expect("room");
            let given = bytes(1, 3);
            assert_eq!(producer.push_slice(records(&given)).await, Ok(1));
            producer.claim().await.expect("room").commit();
            consumer.ready().await.expect("a record");
            consumer.peek().await.expect("a record").release();
            let mut taken = bytes(1, 1);
            assert_eq!(consumer.pop_slice(records_mut(&mut taken)).await, Ok(1));
            assert!(taken.iter().all(|byte| *byte == 0), "it was never written");
        });
        let (mut producer, consumer) = (producer.into_inner(), consumer.into_inner());
        drop(consumer);
        producer.try_claim().expect("room").commit();
    });
}
