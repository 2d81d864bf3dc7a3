//! A ring under full load, and the commands that observe it.

use quoit::{Consumer, Producer, RingOptions};

use crate::common::child::{Child, hold, say};
use crate::common::names::RingName;
use crate::looking::{refuses, ring_of, says};
use crate::tool::Tool;

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

pub(crate) fn a_ring_under_full_load_is_seen_whole() {
    let name = RingName::new("whole");
    let options = RingOptions::new(64);
    options.create::<Numbers>(&name).expect("a ring");
    let [mut pusher, popper] =
        ["pusher", "popper"].map(|part| Child::start(part, &[name.as_str()]));
    pusher.expect("there");
    popper.expect("there");
    let pids = [pusher.pid(), popper.pid()];
    let (mut seen, mut looks) = (0, 0);
    while looks < 50 || seen == 0 {
        looks += 1;
        let layout = "a: u64, b: u64, c: u64, d: u64";
        let tail = ["tail", "--json", "--format", layout, name.as_str()];
        for line in says(&tail).lines() {
            let message: serde_json::Value = serde_json::from_str(line).expect("JSON");
            let (position, fields) = (&message["position"], &message["fields"]);
            for field in ["a", "b", "c", "d"] {
                assert_eq!(&fields[field], position, "a record is torn: {message}");
            }
            seen += 1;
        }
        let stat = ring_of(&["stat", "--json", name.as_str()]);
        assert!(stat["fill"].as_u64() <= Some(64), "{stat}");
        assert_eq!(stat["wrong"], serde_json::json!([]));
        for (role, pid) in ["producer", "consumer"].into_iter().zip(pids) {
            assert_eq!(
                (&stat[role]["pid"], &stat[role]["alive"]),
                (&pid.into(), &true.into())
            );
        }
    }
    refuses(&["rm", name.as_str()], 4, "is in use: producer ");
    refuses(&["recv", name.as_str()], 4, "has a consumer already");

    pusher.kill();
    popper.expect("alone");
    let pid = pids[1].to_string();
    let list = says(&["list"]);
    let line = list.lines().find(|line| line.starts_with(name.as_str()));
    let words: Vec<_> = line.expect("a line").split_whitespace().collect();
    assert_eq!(words[3..8], ["records", "0", "0%", "died", &pid]);
    drop(popper);
    let removed = Tool::run(&["rm", "--stale", name.as_str()], b"").quietly();
    assert_eq!(removed, format!("removed {name}\n").as_bytes());
}
