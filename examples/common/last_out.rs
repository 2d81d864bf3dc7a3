//! The last one out removes the ring's name.

use std::io::{self, IsTerminal};

use quoit::Error;

/// Removes the name, and says so on a terminal, if no process holds the ring and
/// everything was read. Call it after you have dropped your own end.
pub(crate) fn remove_name(name: &str) -> Result<(), Error> {
    match quoit::unlink_if_read(name) {
        Ok(true) if io::stderr().is_terminal() => eprintln!("the ring {name:?} is removed"),
        Ok(_) | Err(Error::NotFound { .. } | Error::Superseded { .. }) => {}
        Err(error) => return Err(error),
    }
    Ok(())
}
