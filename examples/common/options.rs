//! What the examples `producer` and `consumer` have in common: their options and their end.

use std::io::{self, IsTerminal};
use std::process;

use quoit::{Ring, RingOptions};

use super::message::{Message, SCHEMA};
use super::{Result, complain};

/// Which ring, and how far.
#[derive(Debug, clap::Args)]
pub(crate) struct RingArguments {
    /// The ring's name in /dev/shm, or a path with a '/'
    #[arg(long, default_value = "quoit-example")]
    pub(crate) name: String,

    /// Messages that the ring has room for: a power of two, the same at both endpoints
    #[arg(long, value_name = "MESSAGES", default_value_t = 4096)]
    pub(crate) capacity: u64,

    /// End after this many messages in the ring, restarts included [default: run until Ctrl-C]
    #[arg(long, verbatim_doc_comment, value_name = "MESSAGES", default_value_t = u64::MAX,
          hide_default_value = true)]
    pub(crate) count: u64,
}

impl RingArguments {
    /// The ring, which the first of the two processes creates.
    pub(crate) fn open(&self) -> Result<Ring<Message>> {
        let options = RingOptions::new(self.capacity).schema_tag(SCHEMA);
        Ok(options.open_or_create(&self.name)?)
    }
}

/// Removes the name, and says so on a terminal, if no process holds the ring and everything was
/// read. Call it after you have dropped your own endpoint. A newer ring that another process has
/// created under the name stays.
pub(crate) fn remove_name(ring: &Ring<Message>) {
    match ring.unlink_if_read() {
        Ok(is_removed) if is_removed && io::stderr().is_terminal() => {
            complain!("the ring {:?} is removed", ring.name());
        }
        Ok(_) => {}
        // Also after Ctrl-C: the ring stays.
        Err(error) => {
            complain!("error: {error}");
            process::exit(1);
        }
    }
}
