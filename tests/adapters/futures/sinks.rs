//! A sink without room: what it accepts, and when.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use futures_util::Sink;
use quoit::{AsyncFrameProducer, ClaimError, FrameConsumer, Popped, RingOptions};

use super::{Plain, is_pending, poll_once};
use crate::common::rings::{consumer, ends, heap, named};
use crate::common::sample::bytes;
use crate::common::sleep_state::assert_no_rescues;

crate::common::suite::tests! {
    a_sink_of_records_is_ready_when_there_is_room,
    a_sink_of_frames_keeps_one_that_finds_no_room,
    an_unflushed_frame_waits_for_another_consumer,
    a_sink_refuses_a_frame_that_never_fits,
}

type Polled = Poll<Result<(), ClaimError>>;

const READY: Polled = Poll::Ready(Ok(()));

fn poll_ready<T>(sink: &mut (impl Sink<T, Error = ClaimError> + Unpin)) -> Polled {
    Pin::new(sink).poll_ready(&mut Context::from_waker(Waker::noop()))
}

fn poll_flush(sink: &mut AsyncFrameProducer) -> Polled {
    Pin::new(sink).poll_flush(&mut Context::from_waker(Waker::noop()))
}

fn start<T>(
    sink: &mut (impl Sink<T, Error = ClaimError> + Unpin),
    item: T,
) -> Result<(), ClaimError> {
    Pin::new(sink).start_send(item)
}

/// An item is refused when there is no room.
fn a_sink_of_records_is_ready_when_there_is_room() {
    let (ring, name) = named::<u64>("record-sink", &RingOptions::new(4));
    let (producer, mut consumer) = ends(&ring);
    let mut sink = producer.asynchronous();
    for lap in 0..100 {
        for number in 0..4 {
            assert_eq!(poll_ready(&mut sink), READY);
            assert_eq!(start(&mut sink, 4 * lap + number), Ok(()));
        }
        assert_eq!(poll_ready(&mut sink), Poll::Pending);
        assert_eq!(poll_ready(&mut sink), Poll::Pending);
        assert_eq!(start(&mut sink, 0), Err(ClaimError::Full));
        for number in 0..4 {
            assert_eq!(consumer.try_pop(), Ok(4 * lap + number));
        }
    }
    assert_no_rescues(&name);
}

/// The result of a pop of one of them.
const POPPED: Popped = Popped { len: 24, kind: 0 };

/// Two frames of 24 bytes fill a ring of 64 bytes.
fn payload(number: u64) -> Vec<u8> {
    bytes(number, 24)
}

/// Two are in the ring, and the third waits in the sink.
fn feed_three(sink: &mut AsyncFrameProducer) {
    for number in 0..3 {
        assert_eq!(start(sink, payload(number)), Ok(()));
    }
}

/// Takes the frame with this number.
fn pop(consumer: &mut FrameConsumer, number: u64) {
    let mut buffer = [0; 24];
    assert_eq!(consumer.try_pop(&mut buffer), Ok(POPPED));
    assert_eq!(buffer, payload(number)[..]);
}

fn a_sink_of_frames_keeps_one_that_finds_no_room() {
    let (ring, name) = named::<[u8]>("frame-sink", &RingOptions::new(64));
    let (producer, mut consumer) = ends(&ring);
    let mut sink = producer.asynchronous();
    feed_three(&mut sink);
    for number in 0..100 {
        assert_eq!(poll_flush(&mut sink), Poll::Pending);
        assert_eq!(poll_ready(&mut sink), Poll::Pending);
        assert_eq!(start(&mut sink, payload(0)), Err(ClaimError::Full));
        pop(&mut consumer, number);
        // The one in the sink takes the place.
        match number % 3 {
            0 => assert!(is_pending(sink.ready(24))),
            1 => assert!(is_pending(sink.claim(24))),
            _ => {}
        }
        assert_eq!(poll_flush(&mut sink), READY);
        assert_eq!(poll_ready(&mut sink), READY);
        assert_eq!(start(&mut sink, payload(number + 3)), Ok(()));
    }
    assert_no_rescues(&name);
}

fn an_unflushed_frame_waits_for_another_consumer() {
    let (ring, name) = named::<[u8]>("unflushed", &RingOptions::new(64));
    let (producer, first) = ends(&ring);
    let mut sink = producer.asynchronous();
    feed_three(&mut sink);
    drop(first);
    let abandoned = Poll::Ready(Err(ClaimError::Abandoned));
    assert_eq!(poll_flush(&mut sink), abandoned);
    assert_eq!(poll_flush(&mut sink), abandoned);
    let mut second = consumer(&ring);
    assert_eq!(poll_flush(&mut sink), Poll::Pending);
    for number in 0..3 {
        pop(&mut second, number);
        assert_eq!(poll_flush(&mut sink), READY);
    }
    assert_no_rescues(&name);
}

fn a_sink_refuses_a_frame_that_never_fits() {
    let (producer, mut consumer) = heap::<[u8]>(64);
    let mut sink = producer.asynchronous();
    let too_long = ClaimError::TooLong { max: 24 };
    assert_eq!(start(&mut sink, vec![0; 25]), Err(too_long));
    let refused = Poll::Ready(Err(too_long));
    assert_eq!(poll_once(sink.push(&[0; 25])), refused);
    assert_eq!(poll_once(sink.ready(25)), refused);
    assert_eq!(poll_once(sink.claim(25)).map_ok(drop), refused);
    let parts: [&[u8]; 2] = [&[0; 20], &[0; 5]];
    assert_eq!(poll_once(sink.push_parts(0, &parts)), refused);
    assert_eq!(start(&mut sink, payload(1)), Ok(()));
    pop(&mut consumer, 1);
}
