//! Messages in both directions between two processes.

use quoit::{RingOptions, handoff};

use crate::common::exchange::{answers, asks};
use crate::common::fork::succeeds;
use crate::common::rings::{consumer, producer};
use crate::common::sample::Words;
use crate::common::worker::Worker;

crate::common::suite::tests! {
    messages_are_sent_in_both_directions,
}

/// Sends both rings to a child, which answers records with frames.
fn messages_are_sent_in_both_directions() {
    let tagged = |options: RingOptions| options.schema_tag("lines/1");
    let worker = Worker::start(|socket| {
        let options = tagged(RingOptions::default());
        let there = handoff::receive_with::<Words<4>>(&socket, &options).expect("a ring");
        let back = handoff::receive_with::<[u8]>(&socket, &options).expect("a ring");
        answers::<Words<4>, [u8]>(consumer(&there), producer(&back));
    });
    let options = tagged(RingOptions::new(4096));
    let there = options.create_anonymous::<Words<4>>().expect("a ring");
    let back = options.create_anonymous::<[u8]>().expect("a ring");
    worker.send(&there);
    worker.send(&back);
    asks::<Words<4>, [u8]>(producer(&there), consumer(&back));
    succeeds(worker.pid);
}
