//! A record that is larger than the stack: no call that works in place, or through a slice,
//! copies it to the stack, even without optimisation.
//!
//! A copy on the stack of these threads is a SIGSEGV.

use std::thread;
use std::time::Duration;

use crate::common::calls::{Wait, call};
use crate::common::names::RingName;
use crate::common::rings::ends;
use quoit::zerocopy::FromBytes;
use quoit::{
    Claim, ClaimMany, Consumer, Observer, Peek, PeekMany, PopError, Producer, RingOptions, Select,
    Selected,
};

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
    let ring = RingOptions::new(2).heap::<Large>();
    ring.expect("there is memory")
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

/// The last byte of each record here.
const BYTE: u8 = 9;

fn fill(mut claim: Claim<'_, Large>) {
    // SAFETY: the pointer is to a slot that no other thread uses.
    unsafe { claim.as_mut_ptr().cast::<u8>().write(BYTE) };
    // SAFETY: the ring is on the heap, and no other thread uses the slot.
    let record = unsafe { claim.as_mut() };
    record[SIZE - 1] = record[0];
    claim.commit();
}

fn fill_many(mut claim: ClaimMany<'_, Large>, given: &[Large], count: usize) {
    claim.copy_from_slice(given);
    // SAFETY: the ring is on the heap, and no other thread uses the slots.
    let (front, back) = unsafe { claim.slices_mut() };
    assert_eq!(front.len() + back.len(), 2);
    claim.commit_first(count);
}

fn take(peek: Peek<'_, Large>) {
    // SAFETY: the pointer is to a record that no thread writes.
    let first = unsafe { peek.as_ptr().cast::<u8>().read() };
    // SAFETY: the ring is on the heap, and no thread writes the record.
    let last = unsafe { peek.as_ref() }[SIZE - 1];
    assert_eq!((first, last), (BYTE, BYTE));
    assert!(!format!("{peek:?}").is_empty());
    peek.release();
}

fn take_many(peek: PeekMany<'_, Large>, taken: &mut [Large]) {
    // SAFETY: the ring is on the heap, and no thread writes the records.
    let (front, back) = unsafe { peek.slices() };
    assert_eq!(front.len() + back.len(), 2);
    assert_eq!(peek.copy_to_slice(taken), 2);
    peek.release_first(1);
}

/// Every call in this form: each publishes two records, and each takes two.
fn all_calls(end: &mut Producer<Large>, from: &mut Consumer<Large>, wait: Wait) {
    let (given, mut taken) = (bytes(2, BYTE), bytes(2, 0));
    let (given, taken) = (records(&given), records_mut(&mut taken));
    drop(end.try_claim().expect("room"));
    for _ in 0..2 {
        fill(call!(wait, end.try_claim | claim | claim_timeout()).expect("room"));
    }
    assert_eq!(from.skip_to_latest(), Ok(1));
    take(call!(wait, from.try_peek | peek | peek_timeout()).expect("a record"));

    let claim = call!(
        wait,
        end.try_claim_many | claim_many | claim_many_timeout(2)
    );
    fill_many(claim.expect("room"), given, 2);
    let peek = match wait {
        Wait::Never => from.try_peek_many(),
        _ => call!(wait, from.peek_many | peek_many_timeout(2)),
    };
    take_many(peek.expect("records"), taken);
    assert_eq!(from.skip(1), Ok(1));

    let pushed = call!(
        wait,
        end.try_push_slice | push_slice | push_slice_timeout(given)
    );
    assert_eq!(pushed, Ok(2));
    let popped = call!(
        wait,
        from.try_pop_slice | pop_slice | pop_slice_timeout(taken)
    );
    assert_eq!(popped, Ok(2));

    call!(wait, end.push_all | push_all_timeout(given)).expect("room");
    taken[1][SIZE - 1] = 0;
    call!(wait, from.pop_exact | pop_exact_timeout(taken)).expect("records");
    assert_eq!(taken[1][SIZE - 1], BYTE);
    assert!(from.try_peek_many().is_err());
}

#[test]
fn calls_in_place_and_through_slices() {
    on_a_small_stack(|| {
        let (mut producer, mut consumer) = on_the_heap();
        for wait in [Wait::Never, Wait::Forever, Wait::Until(MOMENT.into())] {
            all_calls(&mut producer, &mut consumer, wait);
        }
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
        let given = bytes(1, BYTE);
        producer.push_all(records(&given)).expect("room");
        let found = select.wait(&mut [consumer.interest()], MOMENT);
        assert_eq!(found.expect("a record"), Selected::Ready(0));
        let observer = Observer::open(&name).expect("the ring");
        let mut last = Vec::new();
        let seen = observer.unread(1, |message| last.push(message.bytes[SIZE - 1]));
        assert_eq!((seen.expect("a ring"), last), (1, vec![BYTE]));
        let consumer = consumer.into_pollable().expect("a thread");
        let mut consumer = consumer.into_inner();
        take(consumer.try_peek().expect("a record"));
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
