//! A refusal of the system is an error that says what to do. It is never a signal, and
//! leaves no files and no descriptors: memory, descriptors, file size, rights, a read-only file
//! system.
//!
//! Limits apply to a process, so most tests run a child under a limit.

pub(crate) mod groups;
pub(crate) mod huge_pages;
pub(crate) mod refusals;
