//! The examples run, each with its other half.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::peers::{built, compile, run};

/// A name of this run, which leaves with it.
struct Name(String);

impl Name {
    fn new(what: &str) -> Self {
        Self(format!("quoit-bindings-{what}-{}", std::process::id()))
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        let _ = fs::remove_file(Path::new("/dev/shm").join(&self.0));
    }
}

fn start(program: &Path, args: &[&str]) -> Child {
    let mut command = Command::new(program);
    command
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    command.spawn().expect("the example starts")
}

#[track_caller]
fn prints(child: Child, expected: &str) {
    let output = child.wait_with_output().expect("it ends");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}: {text}", output.status);
    assert_eq!(text, expected);
}

pub(crate) fn the_examples_run() {
    // Not while the other half waits.
    let market = compile("examples/market_data.cpp", true);
    let audio = compile("examples/audio.cpp", true);
    let event_loop = compile("examples/event_loop.c", true);

    let name = Name::new("market");
    let reader = start(&market, &[&name.0]);
    run(Command::new(built().join("examples/market_data")).args([&name.0, "20000"]));
    prints(reader, "20000 ticks, turnover 2.69988e+08\n");

    let name = Name::new("audio");
    let reader = start(&built().join("examples/audio"), &[&name.0]);
    run(Command::new(audio).args([&name.0, "500"]));
    prints(reader, "500 blocks\n");

    let name = Name::new("loop");
    let mut ring = quoit::FrameProducer::create(&name.0, 1 << 16).expect("a new ring");
    let reader = start(&event_loop, &[&name.0]);
    ring.wait_for_peer().expect("it comes");
    ring.push(b"hello").expect("room");
    ring.push(b"and again").expect("room");
    drop(ring);
    prints(reader, "hello\nand again\n");
}
