//! The two threads of a model.

use loom::thread;

/// Which role runs in loom's main thread, which is scheduled first. Both orders matter:
/// loom explores them differently.
#[derive(Clone, Copy)]
pub(crate) enum First {
    Writer,
    Reader,
}

/// Runs both endpoints; returns their results.
pub(crate) fn both<W: 'static, R: 'static>(
    first: First,
    write: impl FnOnce() -> W + 'static,
    read: impl FnOnce() -> R + 'static,
) -> (W, R) {
    match first {
        First::Writer => {
            let reader = thread::spawn(read);
            let written = write();
            (written, reader.join().expect("the reader returns"))
        }
        First::Reader => {
            let writer = thread::spawn(write);
            let taken = read();
            (writer.join().expect("the writer returns"), taken)
        }
    }
}
