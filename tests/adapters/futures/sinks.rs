//! A sink without room: what it accepts, and when.

use std::task::{Context, Poll, Waker};

use futures_util::SinkExt;
use quoit::{AsyncFrameProducer, ClaimError, FrameConsumer, RingOptions};

use super::{Plain, is_pending, poll_once};
use crate::common::calls::{Wait, pop};
use crate::common::rings::{consumer, ends, heap, named};
use crate::common::sample::bytes;

crate::common::suite::tests! {
    a_sink_of_records_is_ready_when_there_is_room,
    a_sink_of_frames_keeps_one_that_finds_no_room,
    an_unflushed_frame_waits_for_another_consumer,
    a_sink_refuses_a_frame_that_never_fits,
}

const READY: Poll<Result<(), ClaimError>> = Poll::Ready(Ok(()));

/// A task that polls a sink.
fn task() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

/// An item is refused when there is no room.
fn a_sink_of_records_is_ready_when_there_is_room() {
    let (producer, mut consumer) = heap::<u64>(1);
    let mut sink = producer.asynchronous();
    for number in 0..2 {
        assert_eq!(sink.poll_ready_unpin(&mut task()), READY);
        assert_eq!(sink.start_send_unpin(number), Ok(()));
        assert_eq!(sink.poll_ready_unpin(&mut task()), Poll::Pending);
        assert_eq!(sink.start_send_unpin(7), Err(ClaimError::Full));
        assert_eq!(consumer.try_pop(), Ok(number));
    }
}

/// Two frames of 24 bytes fill a ring of 64 bytes.
fn payload(number: u64) -> Vec<u8> {
    bytes(number, 24)
}

/// Two are in the ring, and the third waits in the sink.
fn feed_three(sink: &mut AsyncFrameProducer) {
    for number in 0..3 {
        assert_eq!(sink.start_send_unpin(payload(number)), Ok(()));
    }
}

/// Takes the frame with this number.
fn takes(consumer: &mut FrameConsumer, number: u64) {
    let popped = pop::<[u8]>(consumer, Wait::Never);
    assert_eq!(popped, Ok((0, payload(number))));
}

fn a_sink_of_frames_keeps_one_that_finds_no_room() {
    let (producer, mut consumer) = heap::<[u8]>(64);
    let mut sink = producer.asynchronous();
    feed_three(&mut sink);
    let shown = format!("{sink:?}");
    assert!(
        shown.contains("waiting: Some(24)"),
        "its length alone: {shown}"
    );
    for number in 0..100 {
        assert_eq!(sink.poll_flush_unpin(&mut task()), Poll::Pending);
        assert_eq!(sink.poll_ready_unpin(&mut task()), Poll::Pending);
        assert_eq!(sink.start_send_unpin(payload(0)), Err(ClaimError::Full));
        takes(&mut consumer, number);
        // The one in the sink takes the place.
        match number % 3 {
            0 => assert!(is_pending(sink.ready(24))),
            1 => assert!(is_pending(sink.claim(24))),
            _ => assert_eq!(sink.poll_close_unpin(&mut task()), READY),
        }
        assert_eq!(sink.poll_flush_unpin(&mut task()), READY);
        assert_eq!(sink.poll_ready_unpin(&mut task()), READY);
        assert_eq!(sink.start_send_unpin(payload(number + 3)), Ok(()));
    }
}

fn an_unflushed_frame_waits_for_another_consumer() {
    let (ring, _name) = named::<[u8]>("unflushed", &RingOptions::new(64));
    let (producer, first) = ends(&ring);
    let mut sink = producer.asynchronous();
    feed_three(&mut sink);
    drop(first);
    for _ in 0..2 {
        let flushed = sink.poll_flush_unpin(&mut task());
        assert_eq!(flushed, Poll::Ready(Err(ClaimError::Abandoned)));
    }
    let mut second = consumer(&ring);
    assert_eq!(sink.poll_flush_unpin(&mut task()), Poll::Pending);
    for number in 0..3 {
        takes(&mut second, number);
        assert_eq!(sink.poll_flush_unpin(&mut task()), READY);
    }
}

fn a_sink_refuses_a_frame_that_never_fits() {
    let (producer, mut consumer) = heap::<[u8]>(64);
    let mut sink = producer.asynchronous();
    let too_long = ClaimError::TooLong { max: 24 };
    assert_eq!(sink.start_send_unpin(vec![0; 25]), Err(too_long));
    let refused = Poll::Ready(Err(too_long));
    assert_eq!(poll_once(sink.push(&[0; 25])), refused);
    assert_eq!(poll_once(sink.ready(25)), refused);
    assert_eq!(poll_once(sink.claim(25)).map_ok(drop), refused);
    assert_eq!(poll_once(sink.push_parts(0, &[&[0; 20], &[0; 5]])), refused);
    assert_eq!(sink.start_send_unpin(payload(1)), Ok(()));
    takes(&mut consumer, 1);
}
