//! Every language's producer with every language's consumer.

use std::fs::File;
use std::os::unix::fs::FileExt;

use quoit::{DoorbellKind, Role};

use crate::peers::{LANGUAGES, Language, Shared};

const SHAPES: [&str; 2] = ["records", "frames"];
const WAYS: [&str; 2] = ["copied", "in-place"];
const DOORBELLS: [DoorbellKind; 2] = [DoorbellKind::Futex, DoorbellKind::Semaphore];
/// Slots: fewer than the messages between two pauses of the consumer, so that the
/// producer sleeps as well.
const CAPACITY: u64 = 64;

pub(crate) fn every_language_understands_every_other() {
    // Not while a peer waits.
    LANGUAGES
        .iter()
        .for_each(|language| drop(language.program()));
    let mut pairs = 0;
    for shape in SHAPES {
        for way in WAYS {
            for wait in ["awake", "asleep"] {
                for doorbell in DOORBELLS {
                    for producer in LANGUAGES {
                        for consumer in LANGUAGES {
                            one_pair([shape, way, wait], doorbell, producer, consumer);
                            pairs += 1;
                        }
                    }
                }
            }
        }
    }
    assert_eq!(pairs, 144);
}

fn one_pair(
    [shape, way, wait]: [&str; 3],
    doorbell: DoorbellKind,
    producer: Language,
    consumer: Language,
) {
    let count = 3000;
    let ring = Shared::create(shape, doorbell, CAPACITY);
    let args = |role| [role, shape, way, wait, "once"];
    let what = format!("{producer:?} to {consumer:?}, {shape} {way} {wait} {doorbell:?}");
    let mut writer = producer.start(args("produce"), &ring, count);
    let mut reader;
    if wait == "asleep" {
        // Before a full ring.
        ring.until(&mut [&mut writer], &what, |ring| {
            ring.sleeps(Role::Producer)
        });
        reader = consumer.start(args("consume"), &ring, count);
        // Before an empty ring, in the middle.
        let ends = &mut [&mut writer, &mut reader];
        ring.until(ends, &what, |ring| {
            ring.sleeps(Role::Consumer) && !ring.sleeps(Role::Producer)
        });
        writer.go_on();
    } else {
        ring.until(&mut [&mut writer], &what, |ring| {
            ring.is_alive(Role::Producer)
        });
        reader = consumer.start(args("consume"), &ring, count);
    }
    writer.succeeds();
    reader.succeeds();
    let sample = ring.observer.sample();
    assert_eq!(sample.positions.tail, sample.positions.head, "{what}");
    assert!(
        sample.producer.is_closed && sample.consumer.is_closed,
        "{what}"
    );
    for (end, name) in [(sample.producer, "producer"), (sample.consumer, "consumer")] {
        if wait == "asleep" {
            assert!(end.parks > 0, "{what}: the {name} never slept");
        }
        // Of an overloaded machine there may be one now and then.
        assert!(
            end.rescues * 10 <= end.parks,
            "{what}: the {name} was not woken: {end:?}"
        );
    }
}

/// An endpoint is killed at some instruction, and the next language goes on at its
/// position: nothing is lost, torn or repeated.
pub(crate) fn a_language_goes_on_where_another_was_killed() {
    for shape in SHAPES {
        for doorbell in DOORBELLS {
            takeovers(shape, doorbell);
        }
    }
}

fn takeovers(shape: &str, doorbell: DoorbellKind) {
    LANGUAGES
        .iter()
        .for_each(|language| drop(language.program()));
    const ENDLESS: u64 = u64::MAX / 64;
    let ring = Shared::create(shape, doorbell, CAPACITY);
    let mut turn = 0;
    let mut start = |language: Language, role, count| {
        turn += 1;
        let (way, wait) = (WAYS[turn % 2], ["awake", "asleep"][turn / 2 % 2]);
        let args = [role, shape, way, wait, "takeover"];
        language.start(args, &ring, count)
    };
    // Each language after each other one, in both roles.
    let order = [0, 1, 2, 0, 2, 1, 0, 0, 1, 1, 2, 2, 0].map(|index| LANGUAGES[index]);
    let mut writer = start(order[0], "produce", ENDLESS);
    let mut reader = start(order[0], "consume", ENDLESS);
    for pair in order.windows(2) {
        for role in [Role::Producer, Role::Consumer] {
            let what = format!(
                "{:?} after {:?}, {shape} {doorbell:?} {role}",
                pair[1], pair[0]
            );
            let head = ring.observer.positions().head;
            let some = if shape == "frames" { 100 * 32 } else { 100 };
            ring.until(&mut [&mut writer, &mut reader], &what, |ring| {
                ring.observer.positions().head.wrapping_sub(head) > some
            });
            match role {
                Role::Producer => {
                    writer.dies();
                    writer = start(pair[1], "produce", ENDLESS);
                }
                Role::Consumer => {
                    reader.dies();
                    reader = start(pair[1], "consume", ENDLESS);
                }
            }
        }
    }
    ring.until(&mut [&mut writer, &mut reader], shape, |ring| {
        ring.is_alive(Role::Producer) && ring.is_alive(Role::Consumer)
    });
    writer.dies();
    reader.dies();
    let unit = if shape == "frames" { 32 } else { 1 };
    let count = ring.observer.positions().tail / unit + 2000;
    let writer = start(Language::Cpp, "produce", count);
    start(Language::C, "consume", count).succeeds();
    writer.succeeds();
    let sample = ring.observer.sample();
    assert_eq!(sample.positions.head, count * unit, "{shape} {doorbell:?}");
    let lives = 2 + order.len() as u64 - 1;
    assert_eq!(
        (sample.producer.epoch, sample.consumer.epoch),
        (lives, lives)
    );
}

/// What a hostile process stores is found, and told as what it is.
pub(crate) fn corrupt_memory_is_an_error_in_every_language() {
    const CASES: [(&str, &str, u64, u64, &str); 5] = [
        ("consume", "records", 4096, 0xffff_ffff_ffff, "tail"),
        ("produce", "records", 8192, 0xffff_ffff_ffff, "head"),
        ("consume", "frames", 4096, 0xffff_ffff_ffff, "tail"),
        ("produce", "frames", 8192, 0xffff_ffff_ffff, "head"),
        // A header longer than what is published, before its tail.
        ("consume", "frames", 16384, 1000, "frame length"),
    ];
    for language in LANGUAGES {
        for (role, shape, offset, value, field) in CASES {
            for way in WAYS {
                let what = format!("{language:?} {role} {shape} {way}: {field}");
                let ring = Shared::create(shape, DoorbellKind::Futex, CAPACITY);
                let file = File::options()
                    .write(true)
                    .open(ring.path())
                    .expect("the ring");
                let store = |offset, value: u64| {
                    let written = file.write_all_at(&value.to_le_bytes(), offset);
                    written.expect("the ring is written to");
                };
                let args = [role, shape, way, "asleep", "once"];
                let mut peer = language.start(args, &ring, u64::MAX / 64);
                // By then it has taken its role, and waits.
                let own = if role == "consume" {
                    Role::Consumer
                } else {
                    Role::Producer
                };
                ring.until(&mut [&mut peer], &what, |ring| ring.sleeps(own));
                store(offset, value);
                if offset == 16384 {
                    store(4096, 32);
                }
                let (status, text) = peer.end();
                assert_eq!(status.code(), Some(3), "{what}: {text}");
                assert_eq!(text.trim(), format!("corrupt {field}"), "{what}");
            }
        }
    }
}
