//! Calls that may wait, repeated until Ctrl-C.

use std::io;
use std::time::Duration;

use quoit::{ClaimError, FrameProducer};

use super::{Result, interrupt};

/// How long an example waits before it checks for Ctrl-C.
pub(crate) const MOMENT: Duration = Duration::from_millis(100);

/// Repeats a call that waits for a [`MOMENT`], until it does not end by its timeout, or a signal
/// has asked this process to end.
pub(crate) fn retry<T, E: Into<io::Error>>(mut call: impl FnMut() -> Result<T, E>) -> Result<T> {
    loop {
        interrupt::check()?;
        match call().map_err(Into::into) {
            Err(error) if is_temporary(&error) => {}
            done => return Ok(done?),
        }
    }
}

/// Pushes a frame; waits for room, and `for_another` consumer if the last one has closed or crashed.
pub(crate) fn push(producer: &mut FrameProducer, frame: &[u8], for_another: bool) -> Result<()> {
    retry(|| match producer.push_timeout(frame, MOMENT) {
        Err(ClaimError::Abandoned) if for_another => {
            let _ = producer.wait_for_peer_timeout(MOMENT);
            Err(ClaimError::TimedOut)
        }
        pushed => pushed,
    })
}

/// Whether a call has ended early, and may be repeated.
pub(crate) fn is_temporary(error: &io::Error) -> bool {
    use io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), WouldBlock | TimedOut | Interrupted)
}
