//! A wait in a separate thread.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::PATIENCE;

/// Runs `wait` in a separate thread and, shortly after, `act` in this one. Returns the
/// result of `wait`. The wait may begin before or after `act`. A wait that hangs fails the
/// test.
pub(crate) fn while_waiting<R: Send + 'static>(
    wait: impl FnOnce() -> R + Send + 'static,
    act: impl FnOnce(),
) -> R {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        // The receiver exists unless the test has failed already.
        let _ = sender.send(wait());
    });
    thread::sleep(Duration::from_millis(10));
    act();
    receiver.recv_timeout(PATIENCE).expect("the wait ends")
}
