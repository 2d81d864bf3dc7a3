//! The shipped file that parks an endpoint, on words with a store buffer.

#[path = "../../src/wait/sleep.rs"]
#[allow(clippy::duplicate_mod, reason = "the same file on other words")]
pub(crate) mod sleep;
