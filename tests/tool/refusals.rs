//! Rings that the tool cannot use.

use std::fs;

use quoit::{FrameProducer, Observer};

use crate::common::names::RingName;
use crate::tool::Tool;

pub(crate) fn what_cannot_name_a_ring_is_refused() {
    for name in [".", ".."] {
        Tool::run(&["send", name], b"").with(2, "cannot name a ring");
        let said = Tool::run(&["recv", name, "--json"], b"").json();
        assert_eq!(said["code"], 2);
        assert!(
            said["error"]
                .as_str()
                .is_some_and(|why| why.contains("cannot name"))
        );
    }
    let name = RingName::new("capacity");
    Tool::run(&["send", name.as_str(), "--capacity", "100"], b"").with(2, "power of two");
    Tool::run(&["send", name.as_str(), "--capacity", "1Q"], b"").with(2, "65536, 64K, 1M or 1G");
    assert!(!name.file().exists());
}

pub(crate) fn what_is_no_ring_is_refused() {
    let name = RingName::new("foreign");
    fs::write(name.file(), "something else").expect("a file");
    Tool::run(&["recv", name.as_str()], b"").with(3, "is not a quoit ring");
}

pub(crate) fn a_role_that_is_taken_is_refused() {
    let name = RingName::new("taken");
    let _producer = FrameProducer::create(&name, 64).expect("a ring");
    Tool::run(&["send", name.as_str()], b"").with(4, "has a producer already");
}

pub(crate) fn a_line_that_is_too_long_is_refused() {
    let name = RingName::new("long");
    let arguments = ["send", name.as_str(), "--capacity", "64"];
    Tool::run(&arguments, &[b'x'; 1000])
        .with(1, "never fits: the longest claim of this ring is 24");
    let fill = Observer::open(&name).expect("a ring").positions().len();
    assert_eq!(fill, 0, "the ring has no part of it");
}

pub(crate) fn a_ring_of_another_schema_is_refused() {
    let name = RingName::new("schema");
    let tagged = |tag| ["send", name.as_str(), "--schema-tag", tag];
    Tool::run(&tagged("v1"), b"a line\n").quietly();
    Tool::run(&tagged("v2"), b"").with(3, "as --schema-tag makes it; leave that out");
    let received = Tool::run(&["recv", name.as_str(), "--schema-tag", "v1"], b"");
    assert_eq!(received.quietly(), b"a line\n");
}
