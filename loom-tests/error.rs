//! Stands for `super::error` in the protocol files: the one error that they construct.

/// A peer's position that is out of range.
#[derive(Debug, Clone, Copy)]
#[allow(dead_code, reason = "shown in the message of a failure")]
pub(crate) struct Corrupt {
    pub(crate) field: &'static str,
    pub(crate) found: u64,
}
