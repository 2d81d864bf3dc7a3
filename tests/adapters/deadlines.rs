//! Reads that skip frames: their peer decides neither how long that takes nor how much it is.

use std::io::{self, BufRead, ErrorKind, Read, Write};
use std::thread;
use std::time::Duration;

use quoit::rpc::{CallError, Client};
use quoit::{FrameConsumer, RingOptions};

use crate::common::PATIENCE;
use crate::common::flood::{FLOOD, flooded};
use crate::common::rings::{consumer, heap, named, producer};

crate::common::suite::tests! {
    endless_frames_do_not_extend_a_deadline,
    a_read_after_its_deadline_skips_a_bounded_number_of_frames,
}

/// Reads until the timeout, and returns the endpoint.
type Attempt = fn(FrameConsumer, Duration) -> FrameConsumer;

fn read(
    consumer: FrameConsumer,
    timeout: Duration,
    read: impl FnOnce(&mut quoit::Reader) -> io::Result<()>,
) -> FrameConsumer {
    let mut reader = consumer.into_reader();
    reader.set_timeout(Some(timeout));
    let error = read(&mut reader).expect_err("there are no bytes");
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    reader.into_inner()
}

/// Of bytes, of a buffer, of the reply to a call.
const ATTEMPTS: [Attempt; 3] = [
    |consumer, timeout| {
        read(consumer, timeout, |reader| {
            reader.read(&mut [0; 8]).map(drop)
        })
    },
    |consumer, timeout| read(consumer, timeout, |reader| reader.fill_buf().map(drop)),
    |consumer, timeout| {
        let (requests, _requests_in) = heap::<[u8]>(1024);
        let mut client = Client::new(requests, consumer);
        let called = client.call(b"hello", &mut Vec::new(), timeout);
        assert_eq!((called, client.in_flight()), (Err(CallError::TimedOut), 0));
        client.into_inner().1
    },
];

fn endless_frames_do_not_extend_a_deadline() {
    for attempt in ATTEMPTS {
        let (ring, name) = named::<[u8]>("flood", &RingOptions::new(FLOOD));
        let end = consumer(&ring);
        let end = flooded(&name, move || {
            let timeouts = [Duration::ZERO, Duration::from_millis(20)].repeat(2);
            timeouts.into_iter().fold(end, attempt)
        });
        // A reader skips the rest.
        let mut reader = end.into_reader();
        reader.set_timeout(Some(PATIENCE));
        let mut writer = producer(&ring).into_writer();
        let sender = thread::spawn(move || writer.write_all(b"at last"));
        let mut text = String::new();
        reader.read_to_string(&mut text).expect("the stream ends");
        assert_eq!(text, "at last");
        sender.join().expect("no panic").expect("there is room");
    }
}

/// In a very large ring, skipping everything would take seconds.
fn a_read_after_its_deadline_skips_a_bounded_number_of_frames() {
    const CAPACITY: u64 = 1 << 20;
    const LATE: u64 = 64 << 10;
    for attempt in ATTEMPTS {
        let (mut producer, mut end) = heap::<[u8]>(CAPACITY);
        while producer.try_push(b"").is_ok() {}
        for turn in 1..=3 {
            end = attempt(end, Duration::ZERO);
            assert_eq!(producer.len(), CAPACITY - turn * LATE);
        }
    }
}
