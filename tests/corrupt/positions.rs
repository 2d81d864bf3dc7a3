//! Positions that cannot be.

use std::time::Duration;

use quoit::{
    ClaimError, Consumer, Corrupt, Error, PopError, Producer, PushError, RingOptions, StalePolicy,
};

use super::{corrupt, ring, while_it_changes};
use crate::common::segment_file::{HEAD, TAIL};

/// What every way to read answers.
fn reads(consumer: &mut Consumer<u64>) -> [PopError; 8] {
    let refused = |error: Option<PopError>| error.expect("nothing is believed");
    let mut values = [0; 4];
    assert_eq!(consumer.try_iter().next(), None);
    [
        refused(consumer.try_pop().err()),
        refused(consumer.pop().err()),
        refused(consumer.pop_timeout(Duration::ZERO).err()),
        refused(consumer.try_pop_slice(&mut values).err()),
        refused(consumer.pop_slice(&mut values).err()),
        refused(consumer.try_peek().err()),
        refused(consumer.peek().err()),
        refused(consumer.try_peek_many().err()),
    ]
}

/// What every way to write answers.
fn writes(producer: &mut Producer<u64>) -> [ClaimError; 8] {
    let refused = |error: Option<ClaimError>| error.expect("nothing is believed");
    let reason = |error: PushError<u64>| match error {
        PushError::Corrupt(7, corrupt) => ClaimError::Corrupt(corrupt),
        other => panic!("not the right refusal: {other:?}"),
    };
    [
        refused(producer.try_push(7).map_err(reason).err()),
        refused(producer.push(7).map_err(reason).err()),
        refused(
            producer
                .push_timeout(7, Duration::ZERO)
                .map_err(reason)
                .err(),
        ),
        refused(producer.try_push_slice(&[7]).err()),
        refused(producer.push_slice(&[7]).err()),
        refused(producer.try_claim().err()),
        refused(producer.claim().err()),
        refused(producer.try_claim_many(2).err()),
    ]
}

/// Tails that cannot be for a consumer at 10 that has seen 12, in a ring of 4.
const IMPOSSIBLE_TAILS: [u64; 6] = [15, 11, 10, 9, 1 << 63, u64::MAX];

/// Heads that cannot be for a producer at 14 that has seen 10, in a ring of 4.
const IMPOSSIBLE_HEADS: [u64; 6] = [15, 9, 0, 16, 1 << 63, u64::MAX];

#[test]
fn a_tail_that_cannot_be_poisons_the_consumer() {
    for tail in IMPOSSIBLE_TAILS {
        let (ring, file, _name) = ring::<u64>("tail", 4);
        file.write(TAIL, 10);
        file.write(HEAD, 10);
        let mut producer = ring.producer().expect("the positions are sound");
        let mut consumer = ring.consumer().expect("the positions are sound");
        producer.try_push_slice(&[1, 2]).expect("there is room");
        assert_eq!(consumer.try_peek_many().map(|peek| peek.len()), Ok(2));

        file.write(TAIL, tail);
        let expected = PopError::Corrupt(corrupt("tail", tail));
        // The first call that looks finds it; from then on all say the same.
        assert_eq!(consumer.try_peek_many().map(drop), Err(expected));
        assert_eq!(reads(&mut consumer), [expected; 8]);
        file.write(TAIL, 12);
        assert_eq!(
            reads(&mut consumer),
            [expected; 8],
            "though the word is restored"
        );
        assert_eq!(file.read(HEAD), 10, "it touches the ring no more");
        // The producer is not concerned.
        producer.try_push(3).expect("there is room");

        drop(consumer);
        let mut successor = ring.consumer().expect("the positions are sound");
        assert_eq!(successor.try_iter().collect::<Vec<_>>(), [1, 2, 3]);
    }
}

#[test]
fn a_head_that_cannot_be_poisons_the_producer() {
    for head in IMPOSSIBLE_HEADS {
        let (ring, file, _name) = ring::<u64>("head", 4);
        file.write(TAIL, 10);
        file.write(HEAD, 10);
        let mut producer = ring.producer().expect("the positions are sound");
        let mut consumer = ring.consumer().expect("the positions are sound");
        producer
            .try_push_slice(&[1, 2, 3, 4])
            .expect("there is room");

        file.write(HEAD, head);
        let expected = ClaimError::Corrupt(corrupt("head", head));
        assert_eq!(writes(&mut producer), [expected; 8]);
        file.write(HEAD, 10);
        assert_eq!(
            writes(&mut producer),
            [expected; 8],
            "though the word is restored"
        );
        assert_eq!(file.read(TAIL), 14, "it touches the ring no more");
        // The consumer is not concerned.
        assert_eq!(consumer.try_pop(), Ok(1));

        drop(producer);
        let mut successor = ring.producer().expect("the positions are sound");
        successor.try_push(5).expect("there is room");
        assert_eq!(consumer.try_iter().collect::<Vec<_>>(), [2, 3, 4, 5]);
    }
}

#[test]
fn a_poisoned_frame_end_answers_the_same_to_everything() {
    let (ring, file, _name) = ring::<[u8]>("frame-positions", 64);
    let mut producer = ring.producer().expect("the role is free");
    let mut consumer = ring.consumer().expect("the role is free");
    producer.try_push(&[7; 24]).expect("there is room");
    producer.try_push(&[7; 24]).expect("there is room");

    file.write(TAIL, 65);
    let expected = PopError::Corrupt(corrupt("tail", 65));
    let mut buffer = [0; 24];
    for _ in 0..2 {
        assert_eq!(consumer.try_pop(&mut buffer), Err(expected));
        assert_eq!(consumer.pop(&mut buffer), Err(expected));
        assert_eq!(consumer.try_peek().map(drop), Err(expected));
        assert_eq!(consumer.peek().map(drop), Err(expected));
        assert_eq!(consumer.try_peek_many().map(drop), Err(expected));
        assert_eq!(
            consumer.try_pop_each(|_, _| panic!("there is no frame")),
            Err(expected)
        );
        file.write(TAIL, 64);
    }

    file.write(HEAD, 72);
    let expected = ClaimError::Corrupt(corrupt("head", 72));
    for _ in 0..2 {
        assert_eq!(producer.try_push(&[]), Err(expected));
        assert_eq!(producer.push(&[]), Err(expected));
        assert_eq!(producer.try_push_slice(&[""]), Err(expected));
        assert_eq!(producer.try_claim(0).map(drop), Err(expected));
        assert_eq!(producer.claim(0).map(drop), Err(expected));
        assert_eq!(producer.batch().try_claim(0).map(drop), Err(expected));
        file.write(HEAD, 0);
    }
}

#[test]
fn no_role_is_given_at_positions_that_cannot_be() {
    let (ring, file, _name) = ring::<u64>("stored", 4);
    for (tail, head) in [(5, 0), (0, 1), (u64::MAX, 0), (1 << 40, 7)] {
        file.write(TAIL, tail);
        file.write(HEAD, head);
        let refusals = [
            (ring.producer().err(), corrupt("head", head)),
            (ring.consumer().err(), corrupt("tail", tail)),
        ];
        for (refusal, expected) in refusals {
            let Some(Error::Corrupt(found)) = refusal else {
                panic!("not the right refusal: {refusal:?}");
            };
            assert_eq!(found, expected);
        }
    }
    file.write(TAIL, 7);
    file.write(HEAD, 5);
    let producer = ring.producer().expect("the positions are sound again");
    let consumer = ring.consumer().expect("the positions are sound again");
    assert_eq!((producer.position(), consumer.position()), (7, 5));
}

#[test]
fn a_position_is_read_once() {
    let (ring, file, _name) = ring::<u64>("position-once", 4);
    let (mut sound, mut refused) = (0, 0);
    while_it_changes(&file, TAIL, [3, 1 << 40], 3_000, || {
        match ring.consumer() {
            Err(_) => refused += 1,
            Ok(mut consumer) => {
                while let Ok(peek) = consumer.try_peek_many() {
                    assert_eq!(peek.len(), 3);
                    sound += 1;
                }
            }
        }
        sound > 100 && refused > 100
    });
}

#[test]
fn a_refused_taker_leaves_no_trace() {
    let (ring, file, _name) = ring::<u64>("no-trace", 4);
    drop((ring.producer(), ring.consumer()));
    file.write(TAIL, 5);
    let before = file.header();
    assert!(matches!(ring.producer(), Err(Error::Corrupt(_))));
    assert!(matches!(ring.consumer(), Err(Error::Corrupt(_))));
    assert!(before == file.header(), "the header has changed");
}

#[test]
fn no_frame_role_is_given_at_a_position_between_words() {
    for odd in [1, 4, 60, 63] {
        let (ring, file, _name) = ring::<[u8]>("between-words", 64);
        file.write(TAIL, odd);
        file.write(HEAD, odd);
        let refusals = [
            (ring.producer().err(), corrupt("tail", odd)),
            (ring.consumer().err(), corrupt("head", odd)),
        ];
        for (refusal, expected) in refusals {
            let Some(Error::Corrupt(found)) = refusal else {
                panic!("not the right refusal: {refusal:?}");
            };
            assert_eq!(found, expected);
        }
    }
}

#[test]
fn replacing_is_a_way_out() {
    let (ring, file, name) = ring::<u64>("way-out", 4);
    file.write(TAIL, 100);
    assert!(matches!(
        ring.producer(),
        Err(Error::Corrupt(Corrupt {
            field: "head",
            found: 0
        }))
    ));
    let options = RingOptions::new(4).stale(StalePolicy::Replace);
    let new = options.create::<u64>(&name).expect("nobody holds the ring");
    let mut producer = new.producer().expect("a new ring is sound");
    producer.try_push(7).expect("there is room");
}

#[test]
fn an_end_never_reads_its_own_position_back() {
    let (ring, file, _name) = ring::<u64>("own-position", 4);
    let mut producer = ring.producer().expect("the role is free");
    let mut consumer = ring.consumer().expect("the role is free");
    for value in 0..10 {
        file.write(TAIL, 1000);
        producer.try_push(value).expect("there is room");
        assert_eq!(file.read(TAIL), value + 1);
        file.write(HEAD, 2000);
        assert_eq!(consumer.try_pop(), Ok(value));
        assert_eq!(file.read(HEAD), value + 1);
    }
}
