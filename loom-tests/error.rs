//! `super::error` of the protocol files: the one error that they make.

/// A peer's position that breaks the rules.
#[derive(Debug, Clone, Copy)]
#[allow(dead_code, reason = "read by whoever reads a failure")]
pub(crate) struct Corrupt {
    pub(crate) field: &'static str,
    pub(crate) found: u64,
}
