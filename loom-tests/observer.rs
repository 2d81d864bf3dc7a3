//! The shipped file that copies messages for an observer.

#[path = "../src/observer/view.rs"]
pub(crate) mod view;
