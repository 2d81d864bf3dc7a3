//! Looking disturbs no endpoint, not even one under full load.

use crate::tool::*;

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
    pusher.kill();
    popper.expect("alone");
}
