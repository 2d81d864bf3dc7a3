//! A read that skips frames: its peer decides neither how long that takes nor how much it is.
//! `tests/waits/deadlines` has a peer that sends such frames while the call waits.

use std::io::{self, BufRead, ErrorKind, Read};
use std::time::Duration;

use quoit::rpc::{CallError, Client};
use quoit::{FrameConsumer, Reader};

use crate::common::rings::heap;

crate::common::suite::tests! {
    a_read_after_its_deadline_skips_a_bounded_number_of_frames,
}

/// Over when the first frame was skipped, although it began in time.
const SHORT: Duration = Duration::from_nanos(1);

fn reads(consumer: FrameConsumer, read: fn(&mut Reader) -> io::Result<()>) -> FrameConsumer {
    let mut reader = consumer.into_reader();
    reader.set_timeout(Some(SHORT));
    let error = read(&mut reader).expect_err("there are no bytes");
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    reader.into_inner()
}

fn calls(consumer: FrameConsumer) -> FrameConsumer {
    let (requests, _requests_in) = heap::<[u8]>(1024);
    let mut client = Client::new(requests, consumer);
    let called = client.call(b"hello", &mut Vec::new(), SHORT);
    assert_eq!((called, client.in_flight()), (Err(CallError::TimedOut), 0));
    client.into_inner().1
}

/// In a very large ring, skipping everything would take seconds.
fn a_read_after_its_deadline_skips_a_bounded_number_of_frames() {
    const CAPACITY: u64 = 1 << 20;
    const LATE: u64 = 64 << 10;
    let ways: [fn(FrameConsumer) -> FrameConsumer; 3] = [
        |consumer| reads(consumer, |reader| reader.read(&mut [0; 8]).map(drop)),
        |consumer| reads(consumer, |reader| reader.fill_buf().map(drop)),
        calls,
    ];
    for way in ways {
        let (mut producer, mut consumer) = heap::<[u8]>(CAPACITY);
        while producer.try_push(b"").is_ok() {}
        for turn in 1..=3 {
            consumer = way(consumer);
            assert_eq!(producer.len(), CAPACITY - turn * LATE);
        }
    }
}
