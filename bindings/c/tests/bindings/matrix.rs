//! Every language's producer with every language's consumer.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Mutex;
use std::thread;

use quoit::{DoorbellKind, Role};

use crate::peers::{Language, Shared, languages};

const SHAPES: [&str; 2] = ["records", "frames"];
const WAYS: [&str; 2] = ["copied", "in-place"];
const DOORBELLS: [DoorbellKind; 2] = [DoorbellKind::Futex, DoorbellKind::Semaphore];
/// Slots: fewer than the messages between two pauses of the consumer, so that the
/// producer sleeps as well.
const CAPACITY: u64 = 64;

/// What has passed, by the language of the producer or of the program that is tested.
static PASSED: Mutex<Vec<(Language, Passed)>> = Mutex::new(Vec::new());

#[derive(Clone, Copy, PartialEq)]
enum Passed {
    /// One pair, with a consumer of this language.
    To(Language),
    /// A role was taken over from a program that was killed.
    TakenOver,
    Corrupt,
}

fn passed(language: Language, what: Passed) {
    let mut all = PASSED.lock().expect("no test panics here");
    all.push((language, what));
}

/// The table of all that has passed, as text.
pub(crate) fn table() -> String {
    let all = PASSED.lock().expect("no test panics here");
    if all.is_empty() {
        return String::new();
    }
    let languages = languages();
    let count = |is: &dyn Fn(&(Language, Passed)) -> bool| all.iter().filter(|one| is(one)).count();
    let mut table = format!("{:10}", "from");
    for consumer in &languages {
        table += &format!("{:>10}", format!("to {consumer:?}"));
    }
    table += "  taken over  corrupt\n";
    for &language in &languages {
        table += &format!("{:10}", format!("{language:?}"));
        for &consumer in &languages {
            table += &format!(
                "{:>10}",
                count(&|one| *one == (language, Passed::To(consumer)))
            );
        }
        let [taken, corrupt] =
            [Passed::TakenOver, Passed::Corrupt].map(|what| count(&|one| *one == (language, what)));
        table += &format!("{taken:>12}{corrupt:>9}\n");
    }
    if !languages.contains(&Language::Python) {
        table += "Python: SKIPPED, QUOIT_PYTHON names no interpreter that has the package quoit\n";
    }
    table
}

pub(crate) fn every_language_understands_every_other() {
    let languages = languages();
    let mut pairs = Vec::new();
    for shape in SHAPES {
        for way in WAYS {
            for doorbell in DOORBELLS {
                for &producer in &languages {
                    for &consumer in &languages {
                        pairs.push((shape, way, doorbell, producer, consumer));
                    }
                }
            }
        }
    }
    assert_eq!(pairs.len(), 8 * languages.len().pow(2));
    // Each endpoint that spins needs a processor; those that sleep take turns.
    for (wait, at_once) in [("awake", 1), ("asleep", 3)] {
        let left = Mutex::new(pairs.iter());
        let next = || left.lock().expect("no test panics here").next();
        let work = || {
            while let Some(&(shape, way, doorbell, producer, consumer)) = next() {
                one_pair([shape, way, wait], doorbell, producer, consumer);
                passed(producer, Passed::To(consumer));
            }
        };
        thread::scope(|scope| {
            for _ in 0..at_once {
                scope.spawn(work);
            }
        });
    }
}

fn one_pair(
    [shape, way, wait]: [&str; 3],
    doorbell: DoorbellKind,
    producer: Language,
    consumer: Language,
) {
    let count = 1500;
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
        writer.close_input();
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
        // An overloaded machine sometimes causes a rescue.
        assert!(
            end.rescues * 10 <= end.parks,
            "{what}: the {name} was not woken: {end:?}"
        );
    }
}

/// An endpoint is killed at some instruction, and the next language continues at its
/// position: nothing is lost, torn or repeated.
pub(crate) fn a_language_continues_where_another_was_killed() {
    for shape in SHAPES {
        for doorbell in DOORBELLS {
            takeovers(shape, doorbell);
        }
    }
}

fn takeovers(shape: &str, doorbell: DoorbellKind) {
    let languages = languages();
    const ENDLESS: u64 = u64::MAX / 64;
    let ring = Shared::create(shape, doorbell, CAPACITY);
    let mut turn = 0;
    let mut start = |language: Language, role, count| {
        turn += 1;
        let (way, wait) = (WAYS[turn % 2], ["awake", "asleep"][turn / 2 % 2]);
        let args = [role, shape, way, wait, "takeover"];
        language.start(args, &ring, count)
    };
    // Each language after each one, in both roles.
    let mut order = Vec::new();
    for (index, &language) in languages.iter().enumerate() {
        order.push(language);
        let others = &languages[index + 1..];
        order.extend(others.iter().flat_map(|&other| [language, other]));
    }
    order.push(languages[0]);
    assert_eq!(order.len(), languages.len().pow(2) + 1);
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
            passed(pair[1], Passed::TakenOver);
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

/// Each endpoint finds what a hostile process stores, and reports the field.
pub(crate) fn corrupt_memory_is_an_error_in_every_language() {
    const CASES: [(&str, &str, u64, u64, &str); 5] = [
        ("consume", "records", 4096, 0xffff_ffff_ffff, "tail"),
        ("produce", "records", 8192, 0xffff_ffff_ffff, "head"),
        ("consume", "frames", 4096, 0xffff_ffff_ffff, "tail"),
        ("produce", "frames", 8192, 0xffff_ffff_ffff, "head"),
        // A header longer than what is published, before its tail.
        ("consume", "frames", 16384, 1000, "frame length"),
    ];
    for language in languages() {
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
                passed(language, Passed::Corrupt);
            }
        }
    }
}
