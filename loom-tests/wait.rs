//! The shipped file that parks one endpoint, or several together.

#[path = "../src/wait/sleep.rs"]
pub(crate) mod sleep;
