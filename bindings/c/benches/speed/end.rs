//! An endpoint of the bench in Rust; `end.cpp` is the same in C++.
//!
//! `SIDE TASK NAME BATCH CPU`, with SIDE `lead` or `partner`, TASK `stream`, `frames` (of 1 KiB) or
//! `round-trip`. The lead measures: it reads the stream, or begins the round trip. For each count on standard
//! input an endpoint moves this many messages, and prints the median of its batches.

use std::io::{BufRead, Write, stdin, stdout};
use std::time::Instant;

use quoit::{Consumer, FrameConsumer, FrameProducer, Producer};

/// Bytes of a frame.
const FRAME: usize = 1024;

/// Serves the counts on standard input.
fn serve(batch: u64, mut one: impl FnMut()) {
    println!("ready");
    for count in stdin().lock().lines() {
        let count: u64 = count.expect("text").parse().expect("a count");
        let mut batches = Vec::new();
        for _ in 0..count / batch {
            let begin = Instant::now();
            for _ in 0..batch {
                one();
            }
            batches.push(begin.elapsed().as_nanos() as f64 / batch as f64);
        }
        let middle = batches.len() / 2;
        let (_, median, _) = batches.select_nth_unstable_by(middle, f64::total_cmp);
        println!("{median}");
        stdout().flush().expect("the bench listens");
    }
}

pub(crate) fn run(args: &[String]) {
    let [side, task, name, batch, cpu] = args else {
        panic!("five arguments")
    };
    super::placement::pin(cpu.parse().expect("a processor"));
    let batch = batch.parse().expect("a number");
    let producer = |name: &str| Producer::<u64>::open(name).expect("a free role");
    let consumer = |name: &str| Consumer::<u64>::open(name).expect("a free role");
    let back = format!("{name}-back");
    let mut number = 0;
    match (task.as_str(), side.as_str()) {
        ("stream", "lead") => {
            let mut input = consumer(name);
            serve(batch, || {
                number += 1;
                assert_eq!(input.pop().expect("a producer"), number);
            });
        }
        ("stream", _) => {
            let mut output = producer(name);
            serve(batch, || {
                number += 1;
                output.push(number).expect("a consumer");
            });
        }
        ("frames", "lead") => {
            let mut input = FrameConsumer::open(name).expect("a free role");
            let mut frame = [0; FRAME];
            serve(batch, || {
                number += 1;
                let popped = input.pop(&mut frame).expect("a producer");
                let found = frame.first_chunk().map(|bytes| u64::from_ne_bytes(*bytes));
                assert_eq!((popped.len, found), (FRAME, Some(number)));
            });
        }
        ("frames", _) => {
            let mut output = FrameProducer::open(name).expect("a free role");
            let mut frame = [0; FRAME];
            serve(batch, || {
                number += 1;
                frame[..8].copy_from_slice(&number.to_ne_bytes());
                output.push(&frame).expect("a consumer");
            });
        }
        (_, "lead") => {
            let (mut output, mut input) = (producer(name), consumer(&back));
            serve(batch, || {
                number += 1;
                output.push(number).expect("a consumer");
                assert_eq!(input.pop().expect("a producer"), number);
            });
        }
        _ => {
            let (mut input, mut output) = (consumer(name), producer(&back));
            serve(batch, || {
                let found = input.pop().expect("a producer");
                output.push(found).expect("a consumer");
            });
        }
    }
}
