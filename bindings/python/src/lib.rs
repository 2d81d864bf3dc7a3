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

use pyo3::prelude::*;

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
    fn init(_module: &Bound<'_, PyModule>) -> PyResult<()> {
        crate::fork::watch()
    }
}
