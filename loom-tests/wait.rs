//! The file that parks one endpoint, or many together, as it is shipped.

#[path = "../src/wait/sleep.rs"]
pub(crate) mod sleep;
