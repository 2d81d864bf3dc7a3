//! The clients that consume frames: `client.c`, and the examples in C and in Python.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::client::Client;
use super::compiler::compile;
use crate::common::names::RingName;
use crate::common::program::{Ended, Program};

pub(super) const EXAMPLES: [&str; 2] = ["consume.c", "quoit.py"];
pub(super) const ALL: [&str; 3] = ["consume.c", "quoit.py", "client.c"];

const C: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/c/consume.c");
pub(super) const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/python");

/// The example in C, compiled.
pub(super) fn c() -> &'static Path {
    static COMPILED: OnceLock<PathBuf> = OnceLock::new();
    COMPILED.get_or_init(|| compiled("consume", ""))
}

/// With the flag against which `layout.md` warns: such a wake does not reach other processes.
pub(super) fn private_c() -> PathBuf {
    let private = "#define _GNU_SOURCE\n#include <linux/futex.h>\n#undef FUTEX_WAKE\n\
                   #define FUTEX_WAKE (1 | FUTEX_PRIVATE_FLAG)\n";
    compiled("private", private)
}

fn compiled(name: &str, begin: &str) -> PathBuf {
    let code = format!("{begin}#include \"{C}\"\n");
    compile(name, &code, &["-O2"]).expect("the example can be compiled")
}

/// Runs the example in Python.
pub(super) fn python(arguments: &[&str]) -> Program {
    let mut command = Command::new("python3");
    // Bytecode would be written into the source tree.
    let script = command.arg("-B").arg(format!("{PYTHON}/quoit.py"));
    Program::start(script.args(arguments))
}

/// Starts a Python program that has a consumer.
pub(super) fn python_program(name: &RingName, program: &str) -> Program {
    let begin = format!(
        "import multiprocessing, os, sys, time\nsys.path.insert(0, {PYTHON:?})\n\
         import quoit\nconsumer = quoit.Consumer({:?})\n",
        name.as_str()
    );
    Program::start(Command::new("python3").args(["-B", "-c", &(begin + program)]))
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
