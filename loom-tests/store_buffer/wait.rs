//! The file that parks an endpoint, once more, on words with a store buffer.

#[path = "../../src/wait/sleep.rs"]
#[allow(clippy::duplicate_mod, reason = "the same file on other words")]
pub(crate) mod sleep;
