//! The file by which an observer copies, as it is shipped.

#[path = "../src/observer/view.rs"]
pub(crate) mod view;
