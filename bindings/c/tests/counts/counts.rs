//! Pushes and pops in Rust, to be counted: `counts WHAT ROUNDS`. `counts.c` and
//! `counts.cpp` do the same.

use std::hint::black_box;

use quoit::RingOptions;

const BATCH: u64 = 512;

fn main() {
    let args: Vec<_> = std::env::args().collect();
    let rounds: u64 = args[2].parse().expect("a number");
    match args[1].as_str() {
        "8" => records::<1>(rounds),
        "64" => records::<8>(rounds),
        "frames" => frames(rounds),
        other => panic!("no {other}"),
    }
}

fn records<const WORDS: usize>(rounds: u64) {
    let options = RingOptions::new(1024).schema_tag("counts");
    let ring = options.create_anonymous::<[u64; WORDS]>().expect("a ring");
    let mut producer = ring.producer().expect("a role");
    let mut consumer = ring.consumer().expect("a role");
    let mut sum = 0;
    for _ in 0..rounds {
        for number in 0..BATCH {
            producer.try_push(black_box([number; WORDS])).expect("room");
        }
        for _ in 0..BATCH {
            sum += black_box(consumer.try_pop().expect("a record"))[0];
        }
    }
    black_box(sum);
}

fn frames(rounds: u64) {
    let ring = RingOptions::new(1 << 16)
        .create_anonymous::<[u8]>()
        .expect("a ring");
    let mut producer = ring.producer().expect("a role");
    let mut consumer = ring.consumer().expect("a role");
    let mut buffer = [0; 64];
    for _ in 0..rounds {
        for _ in 0..BATCH {
            producer.try_push(black_box(&[7; 64])).expect("room");
        }
        for _ in 0..BATCH {
            black_box(consumer.try_pop(&mut buffer).expect("a frame"));
        }
    }
}
