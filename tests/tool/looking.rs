//! `list`, `stat`, `tail` and `rm`: what they print, and that they disturb no endpoint, not
//! even one under full load.

use std::fs;
use std::path::Path;

use crate::runbook::held;
use crate::tool::*;

/// Of the producer and of the consumer, as `layout.md` has them.
const RESCUES: u64 = 4264;
const CONSUMER_RESCUES: u64 = 8360;
const PRODUCER_PID: u64 = 4232;

/// A ring of 64 bytes, and an idler that has its producer's role.
pub(crate) fn idle(name: &str) -> (RingName, Child) {
    let (name, _) = ring::<[u8]>(name, 64);
    let idler = held(&name, "producer");
    (name, idler)
}

pub(crate) fn a_directory_is_listed_with_what_is_a_ring() {
    let directory = shared_memory_directory();
    let file = |name: &str| file_in(&directory, name);
    let all = &*file("");
    is(&says_json(&["list", "--json", all]), &json!({"rings": []}));
    assert_eq!(says(&["list", all]), format!("no rings in {all}\n"));
    let options = RingOptions::new(64);
    let ring = options.create::<u64>(file("a-ring")).expect("a ring");
    let mut producer = ring.producer().expect("the role is free");
    (0..16).for_each(|number| producer.push(number).expect("room"));
    let broken = ["corrupt", "newer"].map(|name| {
        options.create::<[u8]>(file(name)).expect("a ring");
        SegmentFile::open(Path::new(&file(name)))
    });
    broken[0].write(CAPACITY, 65);
    broken[1].write_half(LAYOUT, 9);
    fs::write(file("no-ring"), [7; 30_000]).expect("a file");
    fs::create_dir(file("directory")).expect("a directory");

    let listed = says_json(&["list", "--json", all]);
    let names = ["a-ring", "corrupt", "newer"].map(file);
    let pid = std::process::id();
    let expected = [
        json!({"name": names[0], "fill": 16, "producer": {"pid": pid}}),
        json!({"name": names[1], "state": "corrupt"}),
        json!({"name": names[2], "state": "other_layout"}),
    ];
    let rings = listed["rings"].as_array().expect("an array");
    assert_eq!(rings.len(), expected.len(), "{listed}");
    let pairs = rings.iter().zip(&expected);
    pairs.for_each(|(ring, fields)| is(ring, fields));

    let table = says(&["list", all]);
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let lines: Vec<_> = table.lines().map(words).collect();
    let titles = "name owner mode holds unread fill producer consumer age";
    assert_eq!(lines[0], titles);
    assert!(lines[1].starts_with(&names[0]), "{table}");
    has(&lines[1], format!(" 600 records 16 25% {pid} - "));
    assert!(lines[2].ends_with(" 600 (corrupt)"), "{table}");
    assert!(lines[3].ends_with(" 600 (other layout)"), "{table}");
    drop(producer);
    has(&says(&["list", all]), " closed ");
}

pub(crate) fn a_ring_is_described_and_so_is_what_is_wrong_with_it() {
    let (name, idler) = idle("stat");
    let pid = idler.pid();
    let expected = json!({
        "producer": {"pid": pid, "alive": true}, "wrong": [], "doorbell": "futex", "slot_align": 8,
    });
    is(&stat(&name), &expected);
    let text = says(&["stat", &name]);
    let lines = ["holds     frames in 64 bytes", "doorbell  futex"];
    lines.iter().for_each(|line| has(&text, line));

    drop(idler); // kill -9
    let wrong = format!("the producer (it called itself process {pid}) crashed; restart it");
    has(&says(&["stat", &name]), format!("\nwrong     {wrong}"));
    let dead = stat(&name);
    is(&dead, &json!({"producer": {"alive": false}}));
    assert_eq!(dead["wrong"].as_array().map(Vec::len), Some(1));

    let mut producer = FrameProducer::open(&name).expect("the role is free");
    (0..2).for_each(|_| producer.push(&[0; 24]).expect("room"));
    producer.count_dropped(12);
    drop(producer);
    let file = SegmentFile::open(&name.file());
    file.write(SUPERSEDED, 1);
    file.write(RESCUES, 3);
    let found = stat(&name);
    let wrong = found["wrong"].to_string();
    for part in [
        "3 sleeps of the producer lasted until a timeout although there was room",
        "check that the consumer wakes after each release, by FUTEX_WAKE without FUTEX_PRIVATE_FLAG",
        "any process that may write to the ring can raise the counter",
        "it is full, and no process reads it",
        "crashed, or has not finished",
    ] {
        has(&wrong, part);
    }
    // A counter proves nothing.
    ["bug", "lost"].iter().for_each(|word| lacks(&wrong, word));
    let dropped = json!({"producer": {"dropped": 12}, "consumer": {"dropped": 0}});
    is(&found, &json!({"superseded": false, "half_removed": true}));
    is(&found, &dropped);
    is(&look(&name), &dropped);
    has(&says(&["stat", &name]), ", dropped: 12\n");
}

pub(crate) fn a_rescued_endpoint_is_shown_with_what_to_check() {
    use DoorbellKind::{Futex, Semaphore};
    for (doorbell, check) in [
        (Futex, "FUTEX_WAKE without FUTEX_PRIVATE_FLAG"),
        (Semaphore, "sem_post on the consumer's semaphore"),
    ] {
        let name = RingName::new("rescued");
        let options = RingOptions::new(64).doorbell(doorbell);
        options.create::<[u8]>(&name).expect("a ring");
        // No rescue, no word.
        is(&stat(&name), &json!({"wrong": []}));
        SegmentFile::open(&name.file()).write(CONSUMER_RESCUES, 117);
        let wrong = format!(
            "117 sleeps of the consumer lasted until a timeout although messages were waiting, as \
             its counter says; check that the producer wakes after each publish, by {check} (any \
             process that may write to the ring can raise the counter)"
        );
        has(&says(&["stat", &name]), format!("\nwrong     {wrong}\n"));
        let expected = json!({"consumer": {"rescues": 117}, "wrong": [wrong]});
        is(&stat(&name), &expected);
        is(&look(&name), &expected);
    }
}

pub(crate) fn names_that_others_chose_move_no_cursor() {
    let name = RingName::new("cursor").and("\x1b[2J\n");
    RingOptions::new(64).create::<u64>(&name).expect("a ring");
    let shown = name.replace(char::is_control, "?");
    let listed = says(&["list"]);
    has(&listed, &shown);
    lacks(&listed, "\x1b");
    assert_eq!(says(&["rm", &name]), format!("removed {shown}\n"));
}

pub(crate) fn only_what_no_process_holds_is_removed() {
    let (name, producer) = records("rm");
    let holder = format!("in use: producer {}", std::process::id());
    refuses(&["rm", &name], 4, &format!("is {holder}"));
    refuses(&["rm", "--dry-run", &name], 4, &format!("is {holder}"));
    let kept = |why: &str| format!("kept {name}: {why}\n");
    assert_eq!(says(&["rm", "--stale", &name]), kept(&holder));
    drop(producer);
    let removed = says_json(&["rm", "--json", "--stale", &name]);
    is(&removed, &json!({"removed": [&*name]}));
    assert!(!name.file().exists());
    refuses(&["rm", &name], 3, "there is no ring");

    let _fresh = RingOptions::new(64).create::<u64>(&name).expect("a ring");
    assert_eq!(says(&["rm", "--stale", &name]), kept("never used"));
    assert_eq!(says(&["rm", &name]), format!("removed {name}\n"));
}

/// The consumer names itself as it is called in another PID namespace, where its number
/// may be that of another process here. Whatever namespaces there are, a number is planted.
pub(crate) fn no_other_process_is_taken_for_the_one_that_holds_a_ring() {
    let (name, idler) = idle("namespace");
    let pid = idler.pid();
    // Process 1 is there, and has nothing to do with the ring.
    SegmentFile::open(&name.file()).write_half(PRODUCER_PID, 1);
    let producer = &stat(&name)["producer"];
    is(producer, &json!({"pid": 1, "holder": pid}));
    has(&producer["command"].to_string(), &*name);
    let attached = format!("producer  process {pid}, attached");
    has(&says(&["stat", &name]), attached);
    refuses(&["rm", &name], 4, &format!("is in use: producer {pid};"));
    has(line(&says(&["list"]), &name), format!(" {pid} "));
    is(&look(&name), &json!({"producer": {"holder": pid}}));

    // A tool that may not look at the holder names no process of this host.
    let blind = |arguments: &[&str]| {
        let unshare = ["--user", "--pid", "--fork", "--mount-proc", PATH];
        program("unshare", &[&unshare[..], arguments].concat()).end()
    };
    let seen = blind(&["stat", &name]);
    if seen.code != Some(0) {
        return; // no such namespaces here
    }
    let words = "it calls itself process 1, perhaps in another PID namespace";
    let seen = seen.text();
    has(&seen, words);
    lacks(&seen, "on core");
    has(&blind(&["rm", &name]).errors, words);
    has(line(&blind(&["list"]).text(), &name), " 1? ");
}

/// A record: the same number in each.
pub(crate) type Numbers = [u64; 4];

/// Pushes as fast as it can.
pub(crate) fn pusher(arguments: &[String]) {
    let mut producer = Producer::<Numbers>::open(&arguments[0]).expect("the role is free");
    say("there");
    for number in 0.. {
        producer.push([number; 4]).expect("the ring is whole");
    }
}

/// Pops as fast as it can, and holds the role when there is no producer any more.
pub(crate) fn popper(arguments: &[String]) {
    let mut consumer = Consumer::<Numbers>::open(&arguments[0]).expect("the role is free");
    say("there");
    let mut next = 0;
    while let Ok(numbers) = consumer.pop() {
        assert_eq!(numbers, [next; 4], "every record comes once, in order");
        next += 1;
    }
    say("alone");
    hold();
}

/// A pusher and a popper at work on this ring.
pub(crate) fn under_load(name: &RingName) -> [Child; 2] {
    ["pusher", "popper"].map(|part| {
        let child = Child::start(part, &[name]);
        child.expect("there");
        child
    })
}

pub(crate) fn a_ring_under_full_load_is_seen_whole() {
    let (name, _) = ring::<Numbers>("whole", 64);
    let [mut pusher, popper] = under_load(&name);
    let pids = [pusher.pid(), popper.pid()];
    let (mut seen, mut looks) = (0, 0);
    while looks < 50 || seen == 0 {
        looks += 1;
        let layout = "a: u64, b: u64, c: u64, d: u64";
        let tail = ["tail", "--json", "--format", layout, &name];
        for message in says(&tail).lines().map(json) {
            let at = &message["position"];
            // Otherwise the record is torn.
            let whole = json!({"fields": {"a": at, "b": at, "c": at, "d": at}});
            is(&message, &whole);
            seen += 1;
        }
        let stat = stat(&name);
        assert!(stat["fill"].as_u64() <= Some(64), "{stat}");
        let [producer, consumer] = pids.map(|pid| json!({"pid": pid, "alive": true}));
        let both = json!({"wrong": [], "producer": producer, "consumer": consumer});
        is(&stat, &both);
    }
    refuses(&["rm", &name], 4, "is in use: producer ");
    refuses(&["recv", &name], 4, "already has a consumer");

    pusher.kill();
    popper.expect("alone");
    let pid = pids[1].to_string();
    let list = says(&["list"]);
    let words: Vec<_> = line(&list, &name).split_whitespace().collect();
    assert_eq!(words[3..8], ["records", "0", "0%", "crashed", &pid]);
    drop(popper);
    let removed = says(&["rm", "--stale", &name]);
    assert_eq!(removed, format!("removed {name}\n"));
}
