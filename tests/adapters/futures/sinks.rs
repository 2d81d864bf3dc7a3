//! A sink without room: what it accepts, and when.

use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use futures_util::{Sink, SinkExt, future};
use quoit::{AsyncFrameProducer, ClaimError, Popped, RingOptions};

use super::{assert_no_rescues, on_every_runtime, poll_once};
use crate::common::rings::{ends, named};
use crate::common::sample::bytes;

crate::common::suite::tests! {
    a_sink_of_records_is_ready_when_there_is_room,
    a_sink_of_frames_keeps_one_that_finds_no_room,
    a_push_follows_the_frame_in_the_sink,
    an_unflushed_frame_waits_for_another_consumer,
    a_sink_refuses_an_item_when_it_is_not_ready,
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

fn a_sink_of_records_is_ready_when_there_is_room() {
    let (ring, name) = named::<u64>("record-sink", &RingOptions::new(4));
    let (producer, mut consumer) = ends(&ring);
    let mut sink = producer.into_async().expect("an async endpoint");
    for lap in 0..100 {
        for number in 0..4 {
            assert_eq!(poll_ready(&mut sink), READY);
            assert_eq!(start(&mut sink, 4 * lap + number), Ok(()));
        }
        assert_eq!(poll_ready(&mut sink), Poll::Pending);
        assert_eq!(poll_ready(&mut sink), Poll::Pending);
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

fn a_sink_of_frames_keeps_one_that_finds_no_room() {
    let (ring, name) = named::<[u8]>("frame-sink", &RingOptions::new(64));
    let (producer, mut consumer) = ends(&ring);
    let mut sink = producer.into_async().expect("an async endpoint");
    let mut buffer = [0; 24];
    for number in 0..3 {
        assert_eq!(poll_ready(&mut sink), READY);
        assert_eq!(start(&mut sink, payload(number)), Ok(()));
    }
    for number in 0..100 {
        // Two are in the ring, and the third waits in the sink.
        assert_eq!(poll_flush(&mut sink), Poll::Pending);
        assert_eq!(poll_ready(&mut sink), Poll::Pending);
        assert_eq!(consumer.try_pop(&mut buffer), Ok(POPPED));
        assert_eq!(buffer, payload(number)[..]);
        assert_eq!(poll_flush(&mut sink), READY);
        assert_eq!(poll_ready(&mut sink), READY);
        assert_eq!(start(&mut sink, payload(number + 3)), Ok(()));
    }
    assert_no_rescues(&name);
}

fn a_push_follows_the_frame_in_the_sink() {
    on_every_runtime("push-after", |name| {
        let ring = RingOptions::new(64).create::<[u8]>(name).expect("a ring");
        let (producer, consumer) = ends(&ring);
        async move {
            let mut sink = producer.into_async().expect("an async endpoint");
            let mut consumer = consumer.into_async().expect("an async endpoint");
            for number in 0..3 {
                sink.feed(payload(number)).await.expect("it is accepted");
            }
            let write = async {
                sink.push(&payload(3)).await?;
                sink.push_kind(7, &payload(4)).await
            };
            let read = async {
                let mut buffer = [0; 24];
                for number in 0..5 {
                    let kind = if number == 4 { 7 } else { 0 };
                    let popped = consumer.pop(&mut buffer).await;
                    assert_eq!(popped, Ok(Popped { kind, ..POPPED }));
                    assert_eq!(buffer, payload(number)[..]);
                }
            };
            assert_eq!(future::join(write, read).await.0, Ok(()));
        }
    });
}

fn an_unflushed_frame_waits_for_another_consumer() {
    let (ring, name) = named::<[u8]>("unflushed", &RingOptions::new(64));
    let (producer, consumer) = ends(&ring);
    let mut sink = producer.into_async().expect("an async endpoint");
    for number in 0..3 {
        assert_eq!(start(&mut sink, payload(number)), Ok(()));
    }
    drop(consumer);
    let abandoned = Poll::Ready(Err(ClaimError::Abandoned));
    assert_eq!(poll_flush(&mut sink), abandoned);
    assert_eq!(poll_flush(&mut sink), abandoned);
    let mut consumer = ring.consumer().expect("the role is free");
    assert_eq!(poll_flush(&mut sink), Poll::Pending);
    let mut buffer = [0; 24];
    for number in 0..3 {
        assert_eq!(consumer.try_pop(&mut buffer), Ok(POPPED));
        assert_eq!(buffer, payload(number)[..]);
        assert_eq!(poll_flush(&mut sink), READY);
    }
    assert_no_rescues(&name);
}

fn a_sink_refuses_an_item_when_it_is_not_ready() {
    let (producer, _consumer) = RingOptions::new(64).heap::<[u8]>().expect("a ring");
    let mut sink = producer.into_async().expect("an async endpoint");
    for number in 0..3 {
        assert_eq!(start(&mut sink, payload(number)), Ok(()));
    }
    assert_eq!(start(&mut sink, payload(3)), Err(ClaimError::Full));

    let (producer, mut consumer) = RingOptions::new(1).heap::<u64>().expect("a ring");
    let mut sink = producer.into_async().expect("an async endpoint");
    assert_eq!(start(&mut sink, 0), Ok(()));
    assert_eq!(poll_ready(&mut sink), Poll::Pending);
    assert_eq!(start(&mut sink, 1), Err(ClaimError::Full));
    assert_eq!(consumer.try_pop(), Ok(0));
    assert_eq!(poll_ready(&mut sink), READY);
}

fn a_sink_refuses_a_frame_that_never_fits() {
    let (producer, mut consumer) = RingOptions::new(64).heap::<[u8]>().expect("a ring");
    let mut sink = producer.into_async().expect("an async endpoint");
    let too_long = ClaimError::TooLong { max: 24 };
    assert_eq!(start(&mut sink, vec![0; 25]), Err(too_long));
    let refused = Poll::Ready(Err(too_long));
    assert_eq!(poll_once(pin!(sink.push(&[0; 25]))), refused);
    assert_eq!(poll_once(pin!(sink.ready(25))), refused);
    assert_eq!(poll_once(pin!(sink.claim(25))).map_ok(drop), refused);
    let parts: [&[u8]; 2] = [&[0; 20], &[0; 5]];
    assert_eq!(poll_once(pin!(sink.push_parts(0, &parts))), refused);
    assert_eq!(start(&mut sink, payload(1)), Ok(()));
    assert_eq!(consumer.try_pop(&mut [0; 24]), Ok(POPPED));
}
