//! The last one out removes the ring's name.

use std::io::{self, IsTerminal};

use quoit::{Error, Ring};

/// Removes the name, and says so on a terminal, if no process holds the ring and
/// everything was read. Call it after you have dropped your own end. A ring that another
/// process has created under the name meanwhile stays.
pub(crate) fn remove_name<T>(ring: &Ring<T>) -> Result<(), Error> {
    if ring.unlink_if_read()? && io::stderr().is_terminal() {
        complain!("the ring {:?} is removed", ring.name());
    }
    Ok(())
}
