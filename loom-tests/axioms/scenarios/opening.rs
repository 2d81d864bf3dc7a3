//! Format and open: a header is accepted only when it is complete.

use crate::axioms::scenario::{On, Scenario, Setup};
use crate::axioms::trace::{fault, note};
use crate::doorbell::DoorbellKind;
use crate::error::Error;
use crate::harness::reached::State::{Empty, Observed};
use crate::header::{Geometry, Units, check, format, header};
use crate::layout::SHAPE_SLOTS;
use crate::segment::Segment;

const SHAPE: Units = Units {
    shape: SHAPE_SLOTS,
    slot_size: 8,
    slot_align: 8,
};
const GEOMETRY: Geometry = Geometry {
    capacity: 1,
    doorbell: DoorbellKind::Futex,
};
const SCHEMA: u64 = 5;
/// The position at which the ring begins.
const FIRST: u64 = 7;

fn opened() -> Setup {
    On::memory(Segment::new())
        .thread(|segment| {
            format(segment, SHAPE, GEOMETRY, SCHEMA, FIRST);
            Some(())
        })
        .thread(|segment| {
            match check(segment, SHAPE, SCHEMA) {
                Ok(_) => {
                    note(Observed);
                    let header = header(segment);
                    let positions = [&header.producer.tail, &header.consumer.head];
                    if positions.map(|position| position.load_own()) != [FIRST; 2] {
                        fault("a ring is opened before it has positions");
                    }
                }
                Err(Error::NotARing(_)) => note(Empty),
                Err(_) => fault("an incomplete header is accepted"),
            }
            Some(())
        })
        .ready()
}

pub(super) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "format_and_open",
    floor: 11,
    setup: opened,
    states: &[Observed, Empty],
    ..Scenario::EMPTY
}];
