//! Small answers: of a frame, of an observer, of a `Select`.

use std::thread;
use std::time::Duration;

use quoit::{FrameProducer, Observer, Ring, RingOptions, Select, SelectError, Selected};

use crate::common::rings::{ends, named};

#[test]
fn an_empty_frame_is_empty_and_a_longer_one_is_not() {
    let (mut producer, mut consumer) = RingOptions::new(64).heap::<[u8]>().expect("a ring");
    let push = |producer: &mut FrameProducer, bytes: &[u8]| {
        producer.try_push(bytes).expect("there is room");
    };
    push(&mut producer, b"");
    push(&mut producer, b"7");
    for (len, is_empty) in [(0, true), (1, false)] {
        let frame = consumer.try_peek().expect("a frame");
        assert_eq!((frame.len(), frame.is_empty()), (len, is_empty));
        assert_eq!(
            (frame.view().len(), frame.view().is_empty()),
            (len, is_empty)
        );
        frame.release();
    }
}

#[test]
fn positions_are_empty_until_a_message_is_there() {
    let (ring, name) = named::<u64>("positions", &RingOptions::new(64));
    let observer = Observer::open(&name).expect("a ring");
    assert!(observer.positions().is_empty());
    ring.producer()
        .expect("the role is free")
        .push(7)
        .expect("there is room");
    assert_eq!(observer.positions().len(), 1);
    assert!(!observer.positions().is_empty());
}

/// Each endpoint that attaches wakes its peer, in any case.
#[test]
fn rates_count_the_wakes_of_both_endpoints() {
    let (ring, name) = named::<u64>("rates", &RingOptions::new(64));
    let observer = Observer::open(&name).expect("a ring");
    let before = observer.sample();
    assert_eq!(before.rates_since(&before).wakes, 0.0);
    let taken: [&dyn Fn(&Ring<u64>); 2] = [
        &|ring| drop(ring.producer().expect("the role is free")),
        &|ring| drop(ring.consumer().expect("the role is free")),
    ];
    for take in taken {
        let before = observer.sample();
        take(&ring);
        thread::sleep(Duration::from_millis(1));
        assert!(observer.sample().rates_since(&before).wakes > 0.0);
    }
}

/// The reports of a `Select` belong to an endpoint, and not to its place in the list. Of the
/// incarnations of three rings two are even, or two are odd.
#[test]
fn another_endpoint_at_the_same_place_has_its_own_reports() {
    let rings = [(); 3].map(|()| named::<u64>("places", &RingOptions::new(64)));
    let mut producers = rings.each_ref().map(|(ring, _)| {
        let (mut producer, consumer) = ends(ring);
        (0..64).for_each(|number| producer.try_push(number).expect("there is room"));
        drop(consumer);
        producer
    });
    let mut select = Select::new();
    for place in [0, 1, 2, 0] {
        let mut next = || select.wait(&mut [&mut producers[place]], Duration::ZERO);
        assert_eq!(next().ok(), Some(Selected::Gone(0)), "{place}");
        assert!(matches!(next(), Err(SelectError::TimedOut)), "{place}");
    }
    let interest = format!("{:?}", producers[0].interest());
    assert!(interest.starts_with("Interest"), "{interest}");
}
