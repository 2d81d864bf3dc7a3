//! A peer that crashes and restarts before its crash is reported.

use std::time::Duration;

use quoit::{PopError, Producer, RingOptions};

use crate::common::child::{Child, hold};
use crate::common::descriptors::{becomes_readable, readable};
use crate::common::rings::named;
use crate::common::sleep_state::assert_no_rescues;

crate::common::suite::tests! {
    a_peer_that_is_back_before_the_report_is_not_reported;
    parts: crashing_writer
}

/// Runs until it is killed.
fn crashing_writer(arguments: &[String]) {
    let _producer = Producer::<u64>::open(&arguments[0]).expect("the role is free");
    hold();
}

fn a_peer_that_is_back_before_the_report_is_not_reported() {
    let (ring, name) = named::<u64>("back", &RingOptions::new(8));
    let consumer = ring.consumer().expect("the role is free");
    let mut consumer = consumer.into_pollable().expect("a pollable end");
    let start = || {
        let child = Child::start("crashing_writer", &[name.as_str()]);
        child.expect("ready");
        child
    };
    let mut child = start();
    becomes_readable(&consumer);
    drop(consumer.get());
    child.kill();
    becomes_readable(&consumer); // the crash was noticed
    child = start();
    assert_eq!(consumer.get().try_pop(), Err(PopError::Empty));
    assert!(!readable(&consumer, Duration::ZERO), "it is silent");
    // Its own crash is news.
    child.kill();
    becomes_readable(&consumer);
    assert!(consumer.get().is_abandoned());
    assert_no_rescues(&name);
}
