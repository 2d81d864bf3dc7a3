//! What the examples share: how they start, the processes that they start, and how Ctrl-C ends them.
#![allow(dead_code, unused_imports, reason = "each example uses a part")]

pub(crate) mod check;
pub(crate) mod cores;
pub(crate) mod interrupt;
pub(crate) mod line;
pub(crate) mod message;
pub(crate) mod numbers;
pub(crate) mod options;
pub(crate) mod pace;
pub(crate) mod process;
pub(crate) mod say;
pub(crate) mod stream;
pub(crate) mod traffic;
pub(crate) mod wait;

pub(crate) use process::Process;
pub(crate) use say::{complain, say};
pub(crate) use wait::MOMENT;

use std::error::Error;
use std::path::Path;
use std::{env, io};

use tempfile::TempDir;

pub(crate) type Result<T, E = Box<dyn Error + Send + Sync>> = std::result::Result<T, E>;

/// Runs an example, or one part of it: a process that the example has started with these words.
/// It prints an error. Ctrl-C kills a part at once, as any program. The example itself
/// ends when it checks for the signal, and then lets that signal kill it, as a shell expects.
pub(crate) fn main(run: impl FnOnce(&[&str]) -> Result<()>) {
    let words: Vec<_> = env::args_os().skip(1).collect();
    let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
    let words: Vec<_> = words.iter().map(|word| &**word).collect();
    let is_part = env::var_os(process::PART).is_some();
    let listening = if is_part { Ok(()) } else { interrupt::listen() };
    let run = || run(&words).and_then(|()| say::check());
    match listening.and_then(|()| run()) {
        Ok(()) => {}
        Err(_) if interrupt::asked() => complain!("interrupted"),
        Err(error) => {
            complain!("error: {error}");
            std::process::exit(1);
        }
    }
    interrupt::die_if_asked();
}

/// Names for the rings of one run of an example.
pub(crate) fn names<const N: usize>(example: &str, rings: [&str; N]) -> [String; N] {
    rings.map(|ring| format!("quoit-{example}-{}-{ring}", std::process::id()))
}

/// A directory for the files of one run of an example. Dropping it removes it.
pub(crate) fn directory(example: &str, place: impl AsRef<Path>) -> io::Result<TempDir> {
    let [prefix] = names(example, [""]);
    tempfile::Builder::new().prefix(&prefix).tempdir_in(place)
}
