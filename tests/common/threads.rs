//! A wait on a thread of its own.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::PATIENCE;

/// Lets `wait` run on a thread of its own, does `act` here a moment later, and
/// gives what the wait returned. Whether it waited already when `act` began is
/// left open. A wait that hangs is a failure.
pub(crate) fn while_waiting<R: Send + 'static>(
    wait: impl FnOnce() -> R + Send + 'static,
    act: impl FnOnce(),
) -> R {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        // The receiver is there unless the test has failed already.
        let _ = sender.send(wait());
    });
    thread::sleep(Duration::from_millis(10));
    act();
    receiver.recv_timeout(PATIENCE).expect("the wait ends")
}
