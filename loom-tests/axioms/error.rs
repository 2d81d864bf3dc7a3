//! Stands for `crate::error`: the errors that the compiled files construct.

#[path = "../error.rs"]
mod corrupt;

pub(crate) use self::corrupt::Corrupt;

/// The two endpoints.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Role {
    Producer,
    Consumer,
}

/// What can be wrong with a header.
#[derive(Debug)]
#[allow(dead_code, reason = "shown in the message of a failure")]
pub(crate) enum Error {
    NotARing(&'static str),
    VersionMismatch {
        found: u32,
        expected: u32,
    },
    ShapeMismatch {
        name: String,
        found: &'static str,
        expected: &'static str,
        in_use: bool,
    },
    SchemaMismatch {
        name: String,
        found: u64,
        expected: u64,
        found_size: u64,
        expected_size: u64,
        in_use: bool,
    },
    DoorbellMismatch {
        found: u32,
    },
    Corrupt(Corrupt),
}
