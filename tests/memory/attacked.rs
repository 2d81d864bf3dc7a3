//! A hostile peer against the safe API: a second process maps the ring's file and rewrites
//! it continuously, while this one uses the ring. No call may crash, panic or hang. Values
//! may be wrong, and an endpoint may return `Corrupt`.
//!
//! Each attack has 100,000 rounds, or as many as the environment variable `QUOIT_ATTACKS`
//! says. No duration decides.

mod arena;
pub(crate) mod calls;
pub(crate) mod steps;
#[cfg(feature = "futures")]
pub(crate) mod tasks;
