//! Whether this process is a child of the one that took a role.

use std::sync::atomic::{AtomicU64, Ordering};

use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;

/// Forks between the first process and this one.
static GENERATION: AtomicU64 = AtomicU64::new(0);

extern "C" fn in_child() {
    // PLAIN: a child has one thread.
    GENERATION.fetch_add(1, Ordering::Relaxed);
}

/// Has each fork counted, once.
pub(crate) fn watch() -> PyResult<()> {
    // SAFETY: the handler stores to a static only.
    match unsafe { libc::pthread_atfork(None, None, Some(in_child)) } {
        0 => Ok(()),
        code => Err(PyOSError::new_err(code)),
    }
}

/// Which process of the line this is.
pub(crate) fn generation() -> u64 {
    // PLAIN: it changes before the child runs anything else.
    GENERATION.load(Ordering::Relaxed)
}
