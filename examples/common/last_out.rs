//! The last one out removes the ring's name.

use std::thread;
use std::time::Duration;

use quoit::{Error, Producer};

use super::message::Message;

/// Removes the name if nobody has an end of the ring any more and everything
/// was read; to be called after one's own end is dropped.
///
/// `RingOptions::unlink_on_drop` would do if unread messages did not matter.
pub(crate) fn remove_name(name: &str) -> Result<(), Error> {
    for _ in 0..5 {
        match remove_if_read(name) {
            // The other end is in use, or is just doing the same.
            Err(Error::InUse { .. }) => thread::sleep(Duration::from_millis(5)),
            Err(Error::NotFound { .. } | Error::Superseded { .. }) => return Ok(()),
            other => return other,
        }
    }
    // It is in use, and whoever uses it removes the name later.
    Ok(())
}

fn remove_if_read(name: &str) -> Result<(), Error> {
    // While this process has the producer's role, nobody adds a message.
    let producer = Producer::<Message>::open(name)?;
    let unread = producer.fill();
    drop(producer);
    if unread == 0 {
        quoit::unlink(name)?;
    }
    Ok(())
}
