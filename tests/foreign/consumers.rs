//! The clients that consume frames: `client.c`, and the examples in C and in Python.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::client::Client;
use super::compiler::{compile, patient};
use crate::common::program::{Ended, Program};

pub(super) const EXAMPLES: [&str; 2] = ["consume.c", "quoit.py"];

// documented: cc -std=c11 -O2 -pthread examples/c/consume.c -o target/consume && target/consume quoit-frames
const C: &str = include_str!("../../examples/c/consume.c");
pub(super) const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/python");

/// The example in C, compiled.
pub(super) fn c() -> &'static Path {
    static COMPILED: OnceLock<PathBuf> = OnceLock::new();
    COMPILED.get_or_init(|| compiled("consume", C))
}

/// The same, with sleeps that only a wake ends.
pub(super) fn patient_c() -> PathBuf {
    compiled("patient-consume", &patient(C))
}

fn compiled(name: &str, code: &str) -> PathBuf {
    compile(name, code, &["-O2"]).expect("the example can be compiled")
}

/// Runs the example in Python.
pub(super) fn python(arguments: &[&str]) -> Program {
    let mut command = Command::new("python3");
    // Bytecode would be written into the source tree.
    // documented: python3 examples/python/quoit.py consume quoit-frames
    let script = command.arg("-B").arg(format!("{PYTHON}/quoit.py"));
    Program::start(script.args(arguments))
}

/// Starts one of the clients.
pub(super) fn start(client: &str, name: &str) -> Program {
    match client {
        "consume.c" => Program::start(Command::new(c()).arg(name)),
        "quoit.py" => python(&["consume", name]),
        _ => Client::compiled().start(&["consume", name, "frames", "1000000"]),
    }
}

pub(super) fn run(client: &str, name: &str) -> Ended {
    start(client, name).end()
}
