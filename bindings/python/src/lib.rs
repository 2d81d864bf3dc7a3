//! quoit for Python: what needs the Rust library. The rest is in `python/quoit`.

mod buffer;
mod end;
mod fault;
mod fork;
mod lease;
mod observer;
mod reader;
mod ring;
mod select;
mod writer;

use std::sync::atomic::{AtomicI64, Ordering};

use pyo3::exceptions::PyImportError;
use pyo3::ffi;
use pyo3::prelude::*;

/// What Python aligns an object to.
const OBJECT: usize = 16;
const _: () = assert!(
    align_of::<lease::Lease>() <= OBJECT
        && align_of::<observer::Observer>() <= OBJECT
        && align_of::<reader::Reader>() <= OBJECT
        && align_of::<ring::Ring>() <= OBJECT
        && align_of::<select::Select>() <= OBJECT
        && align_of::<writer::Writer>() <= OBJECT,
    "a class is aligned to more than Python aligns its objects to"
);

/// The interpreter of this process that has imported the module; -1 before. Touched with the GIL.
static INTERPRETER: AtomicI64 = AtomicI64::new(-1);

/// Classes and exceptions are in statics, and objects of one interpreter.
fn check_interpreter() -> PyResult<()> {
    // SAFETY: this thread has the GIL.
    let this = unsafe { ffi::PyInterpreterState_Get() };
    // SAFETY: it is the interpreter of this thread.
    let this = unsafe { ffi::PyInterpreterState_GetID(this) };
    let relaxed = Ordering::Relaxed;
    match INTERPRETER.compare_exchange(-1, this, relaxed, relaxed) {
        Err(first) if first != this => Err(PyImportError::new_err(
            "another interpreter of this process has imported quoit; start another process, and \
             open the ring there",
        )),
        _ => Ok(()),
    }
}

/// What the package `quoit` is made of. Not for programs. What endpoints and leases share is ordered
/// by the GIL, which a free-threaded build then keeps.
#[pymodule(gil_used = true)]
mod _native {
    use super::*;
    #[pymodule_export]
    use crate::lease::Lease;
    #[pymodule_export]
    use crate::observer::Observer;
    #[pymodule_export]
    use crate::reader::Reader;
    #[pymodule_export]
    use crate::ring::{Ring, unlink, unlink_if_stale};
    #[pymodule_export]
    use crate::select::Select;
    #[pymodule_export]
    use crate::writer::Writer;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        crate::check_interpreter()?;
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        crate::fork::watch()
    }
}
