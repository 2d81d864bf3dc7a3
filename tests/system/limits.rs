//! A refusal of the system is an error that says what to do. It is never a signal, and
//! leaves no files: memory, descriptors, file size, permission, a read-only file system. A
//! ring has exactly the requested mode bits, with any umask.
//!
//! Limits apply to a process, so most tests run a child under a limit.

pub(crate) mod descriptors;
pub(crate) mod groups;
pub(crate) mod huge_pages;
pub(crate) mod memory;
pub(crate) mod mounts;
pub(crate) mod rights;
pub(crate) mod seccomp;

use quoit::Error;

use crate::common::refused::refused;

/// Checks that the system refused for this reason, and that the text says what failed and what to do.
fn is_refused<R>(result: Result<R, Error>, reason: i32, says: [&str; 2]) {
    let refusal = result.err().expect("it is refused");
    let text = refusal.to_string();
    refused!(refusal is Error::Io { source, .. });
    assert_eq!(source.raw_os_error(), Some(reason), "{text}");
    for part in says {
        assert!(text.contains(part), "{text:?} does not say {part:?}");
    }
}
