//! Two threads use the two endpoints of one ring, with every call to write and to read.
//!
//! Both endpoints use one mapping, so that ThreadSanitizer sees every access of
//! both: docs::testing has the command.

mod common;

use std::ops::ControlFlow;
use std::thread;
use std::time::Duration;

use common::names::RingName;
use common::sample::{Words, bytes, record};
use common::segment_file::SegmentFile;
use quoit::{
    Consumer, DoorbellKind, FrameConsumer, FrameProducer, FrameView, PopError, Producer, Record,
    Ring, RingOptions, Shape, WaitStrategy,
};

common::suite::suite! {
    tests: [
        records_by_one,
        records_in_place,
        records_in_batches,
        frames_by_one,
        frames_in_place,
        frames_in_batches,
        records_with_inline_copies,
        endpoints_that_sleep,
    ],
    parts: [],
}

const MESSAGES: u64 = 20_000;

/// Runs `write` and `read` with the two endpoints of a ring, each on its own thread.
fn both<T: Shape<Producer: Send, Consumer: Send> + ?Sized>(
    options: &RingOptions,
    write: impl FnOnce(T::Producer) + Send + 'static,
    read: impl FnOnce(&mut T::Consumer) + Send + 'static,
) {
    let (producer, mut consumer) = options.heap::<T>().expect("there is memory");
    let writer = thread::spawn(|| write(producer));
    let reader = thread::spawn(|| {
        read(&mut consumer);
        consumer
    });
    writer.join().expect("the writer does not panic");
    // The memory is freed here: the sanitizer understands joins, but not the fence in the
    // drop of an `Arc`.
    drop(reader.join().expect("the reader does not panic"));
}

fn records_by_one() {
    fn go<T: Record + PartialEq + std::fmt::Debug>() {
        let write = |mut producer: Producer<T>| {
            for number in 0..MESSAGES {
                producer.push(record(number)).expect("room comes");
            }
        };
        let read = |consumer: &mut Consumer<T>| {
            for number in 0..MESSAGES {
                assert_eq!(consumer.pop(), Ok(record(number)));
            }
            assert!(consumer.pop().is_err(), "no message follows the last");
        };
        both::<T>(&RingOptions::new(8), write, read);
    }
    go::<u64>();
    go::<Words<9>>();
}

fn records_in_place() {
    let write = |mut producer: Producer<Words<3>>| {
        for number in 0..MESSAGES {
            let mut claim = producer.claim().expect("room comes");
            claim.write(record(number));
            claim.commit();
        }
    };
    let read = |consumer: &mut Consumer<Words<3>>| {
        for number in 0..MESSAGES {
            let peek = consumer.peek().expect("a record comes");
            assert_eq!(peek.read(), record(number));
            peek.release();
        }
    };
    both::<Words<3>>(&RingOptions::new(8), write, read);
}

fn records_in_batches() {
    let write = |mut producer: Producer<u64>| {
        let mut next = 0;
        while next < MESSAGES {
            let values: Vec<u64> = (next..next + 5).collect();
            next += producer.push_slice(&values).expect("room comes") as u64;
            if let Ok(mut claim) = producer.try_claim_many(3) {
                for index in 0..claim.len() {
                    claim.write(index, next);
                    next += 1;
                }
                claim.commit();
            }
            if let Ok(mut claim) = producer.try_claim_many(3) {
                // SAFETY: the consumer does not access unpublished bytes.
                let (front, back) = unsafe { claim.slices_mut() };
                for slot in front.iter_mut().chain(back) {
                    *slot = next;
                    next += 1;
                }
                claim.commit();
            }
            let mut claim = producer.claim_many(2).expect("room comes");
            claim.copy_from_slice(&[next, next + 1]);
            claim.commit();
            next += 2;
            let mut more = next..;
            if let Ok(count) = producer.try_extend(&mut more) {
                next += count as u64;
            }
            let values: Vec<u64> = (next..next + 20).collect();
            producer.push_all(&values).expect("room comes");
            next += 20;
        }
    };
    let read = |consumer: &mut Consumer<u64>| {
        let mut next = 0;
        let mut check = |value: u64| {
            assert_eq!(value, next);
            next += 1;
        };
        let mut values = [0; 6];
        while let Ok(count) = consumer.pop_slice(&mut values) {
            values[..count].iter().copied().for_each(&mut check);
            if let Ok(peek) = consumer.try_peek_many() {
                // SAFETY: the producer does not access unreleased bytes.
                let (front, back) = unsafe { peek.slices() };
                front.iter().chain(back).copied().for_each(&mut check);
                peek.release();
            }
            consumer.try_iter().for_each(&mut check);
            if let Ok(peek) = consumer.peek_many(2) {
                peek.iter().for_each(&mut check);
                peek.release();
            }
            if let Ok(peek) = consumer.try_peek_many() {
                check(peek.read(0).expect("at least one"));
                peek.release_first(1);
            }
        }
        assert!(next >= MESSAGES);
    };
    both::<u64>(&RingOptions::new(16), write, read);
}

/// The payload with this number: short enough for an inline copy, or longer.
fn payload(number: u64) -> Vec<u8> {
    bytes(number, (number % 90) as usize)
}

fn frames_by_one() {
    let write = |mut producer: FrameProducer| {
        for number in 0..MESSAGES {
            producer.push(&payload(number)).expect("room comes");
        }
    };
    let read = |consumer: &mut FrameConsumer| {
        let mut buffer = [0; 90];
        for number in 0..MESSAGES {
            let popped = consumer.pop(&mut buffer).expect("a frame comes");
            assert_eq!(popped.kind, 0);
            assert_eq!(buffer[..popped.len], payload(number));
        }
    };
    both::<[u8]>(&RingOptions::new(256), write, read);
}

fn frames_in_place() {
    let write = |mut producer: FrameProducer| {
        for number in 0..MESSAGES {
            let payload = payload(number);
            let mut claim = producer.claim(90).expect("room comes");
            if number % 2 == 0 {
                claim.write_at(0, &payload);
            } else {
                // SAFETY: the consumer does not access unpublished bytes.
                let room = unsafe { claim.as_mut_bytes() };
                room[..payload.len()].copy_from_slice(&payload);
            }
            claim.set_kind(number as u32);
            claim.commit_first(payload.len());
        }
    };
    let read = |consumer: &mut FrameConsumer| {
        for number in 0..MESSAGES {
            let frame = consumer.peek().expect("a frame comes");
            assert_eq!(frame.kind(), number as u32);
            assert_eq!(frame.to_vec(), payload(number));
            // SAFETY: the producer does not access unreleased bytes.
            assert_eq!(unsafe { frame.as_bytes() }, payload(number));
            frame.release();
        }
    };
    both::<[u8]>(&RingOptions::new(256), write, read);
}

fn frames_in_batches() {
    let write = |mut producer: FrameProducer| {
        let mut next = 0;
        while next < MESSAGES {
            let payloads: Vec<_> = (next..next + 4).map(payload).collect();
            next += producer.push_slice(0, &payloads).expect("room comes") as u64;
            let mut batch = producer.batch();
            while let Ok(mut room) = batch.try_claim(7, payload(next).len()) {
                room.copy_from_slice(&payload(next));
                next += 1;
            }
            batch.commit();
            let payloads: Vec<_> = (next..next + 8).map(payload).collect();
            producer.push_all(0, &payloads).expect("room comes");
            next += 8;
            let bytes = payload(next);
            let (head, rest) = bytes.split_at(bytes.len() / 3);
            producer.push_parts(9, &[head, rest]).expect("room comes");
            next += 1;
        }
    };
    let read = |consumer: &mut FrameConsumer| {
        let mut next = 0;
        loop {
            match consumer.peek() {
                Ok(frame) => drop(frame),
                Err(PopError::Abandoned) => break,
                Err(error) => panic!("{error}"),
            }
            let mut frames = consumer.try_peek_many().expect("there is a frame");
            while let Some(found) = frames.next_frame().expect("a sound ring") {
                assert_eq!(found.to_vec(), payload(next));
                next += 1;
            }
            frames.release();
            let check = |found: FrameView<'_>| {
                assert_eq!(found.to_vec(), payload(next));
                next += 1;
                ControlFlow::Continue(())
            };
            match consumer.drain_with(check) {
                Ok(_) | Err(PopError::Empty | PopError::Abandoned) => {}
                Err(error) => panic!("{error}"),
            }
            let mut visited = 0;
            if let Ok(mut frames) = consumer.try_peek_many() {
                while let Some(found) = frames.next_frame().expect("a sound ring") {
                    assert_eq!(found.to_vec(), payload(next + visited));
                    visited += 1;
                }
                frames.release_first(visited as usize / 2);
                next += visited / 2;
            }
            let mut bytes = Vec::new();
            match consumer.try_pop_into(&mut bytes) {
                Ok(_) => {
                    assert_eq!(bytes, payload(next));
                    next += 1;
                }
                Err(PopError::Empty | PopError::Abandoned) => {}
                Err(error) => panic!("{error}"),
            }
        }
        assert!(next >= MESSAGES);
    };
    both::<[u8]>(&RingOptions::new(512), write, read);
}

/// A consumer that has caught up, in a segment, where the test can see inline copies.
fn records_with_inline_copies() {
    let name = RingName::new("inline");
    // The hint of an endpoint that never parks is always set.
    let options = RingOptions::new(8).wait_strategy(WaitStrategy::Yield);
    let ring: Ring<Words<6>> = options.create(&name).expect("a ring");
    let mut producer = ring.producer().expect("the role is free");
    let mut consumer = ring.consumer().expect("the role is free");
    let (mut reply, mut replies) = RingOptions::new(8).heap::<u64>().expect("there is memory");
    let file = SegmentFile::open(&name.file());
    let reader = thread::spawn(move || {
        for number in 0..MESSAGES / 10 {
            for _ in 0..16 {
                assert_eq!(consumer.try_pop(), Err(PopError::Empty));
            }
            reply.push(number).expect("there is room");
            assert_eq!(consumer.pop(), Ok(record(number)));
        }
        reply
    });
    for number in 0..MESSAGES / 10 {
        assert_eq!(replies.pop(), Ok(number));
        producer.push(record(number)).expect("there is room");
        // The word that one publish reads decides about the next.
        assert!(
            number < 1 || file.has_inline_copy(),
            "record {number} has no inline copy"
        );
    }
    drop(reader.join().expect("the reader does not panic"));
}

fn endpoints_that_sleep() {
    for doorbell in [DoorbellKind::Futex, DoorbellKind::Semaphore] {
        let options = RingOptions::new(1).doorbell(doorbell).spin(Duration::ZERO);
        let write = |mut producer: Producer<u64>| {
            for number in 0..MESSAGES / 10 {
                producer.push(number).expect("room comes");
            }
        };
        let read = |consumer: &mut Consumer<u64>| {
            for number in 0..MESSAGES / 10 {
                assert_eq!(consumer.pop(), Ok(number));
            }
        };
        both::<u64>(&options, write, read);
    }
}
