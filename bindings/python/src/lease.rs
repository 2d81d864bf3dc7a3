//! Memory of a ring that Python sees in place.

use core::ffi::c_int;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use pyo3::exceptions::{PyBufferError, PyValueError};
use pyo3::ffi;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;

use crate::buffer;

/// What an endpoint and its leases share. Both are touched with the GIL only, which
/// orders them.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    exports: AtomicUsize,
    turn: AtomicU64,
}

impl Turns {
    /// Nothing of the ring may be given away while a view of it is alive.
    pub(crate) fn check(&self) -> PyResult<()> {
        match self.exports.load(Ordering::Relaxed) {
            0 => Ok(()),
            views => Err(PyBufferError::new_err(format!(
                "{views} views of this ring's memory are alive; delete the arrays and memoryviews \
                 that were made from the view, or copy what you keep, then try again"
            ))),
        }
    }

    /// Ends all leases. None is exported.
    pub(crate) fn next(&self) {
        self.turn.fetch_add(1, Ordering::Relaxed);
    }
}

/// A message or room, in place, until its endpoint moves.
#[pyclass(frozen, module = "quoit._native")]
pub(crate) struct Lease {
    data: usize,
    len: usize,
    /// How far the position moves if all of it is released or committed.
    #[pyo3(get)]
    pub(crate) units: u64,
    /// The kind of a frame that is read; 0 otherwise.
    #[pyo3(get)]
    kind: u32,
    is_readonly: bool,
    turn: u64,
    turns: Arc<Turns>,
    /// Keeps the mapping.
    owner: Py<PyAny>,
}

impl Lease {
    pub(crate) fn read(
        owner: Py<PyAny>,
        turns: &Arc<Turns>,
        (data, len): (*const u8, usize),
        units: u64,
        kind: u32,
    ) -> Self {
        Self {
            data: data as usize,
            len,
            units,
            kind,
            is_readonly: true,
            turn: turns.turn.load(Ordering::Relaxed),
            turns: Arc::clone(turns),
            owner,
        }
    }

    pub(crate) fn write(
        owner: Py<PyAny>,
        turns: &Arc<Turns>,
        room: (*mut u8, usize),
        units: u64,
    ) -> Self {
        let (data, len) = room;
        Self {
            is_readonly: false,
            ..Self::read(owner, turns, (data, len), units, 0)
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Whether it is of the endpoint that has these turns, and in force.
    pub(crate) fn check_for(&self, turns: &Arc<Turns>) -> PyResult<()> {
        if !Arc::ptr_eq(&self.turns, turns) {
            return Err(PyValueError::new_err(
                "this message is another endpoint's; release or commit it there",
            ));
        }
        self.check()
    }

    /// Whether its memory is still what it was made for.
    fn check(&self) -> PyResult<()> {
        if self.turn == self.turns.turn.load(Ordering::Relaxed) {
            Ok(())
        } else {
            Err(PyBufferError::new_err(
                "this message was released, or its endpoint was used since; peek or claim again",
            ))
        }
    }
}

#[pymethods]
impl Lease {
    /// For an endpoint that has the lease in an attribute: a cycle.
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.owner)
    }

    /// Its bytes.
    fn __len__(&self) -> usize {
        self.len
    }

    /// Where the memory is.
    #[getter]
    fn address(&self) -> usize {
        self.data
    }

    /// # Safety
    ///
    /// Called by Python, with a view of its own.
    unsafe fn __getbuffer__(
        slf: Bound<'_, Self>,
        view: *mut ffi::Py_buffer,
        flags: c_int,
    ) -> PyResult<()> {
        let lease = slf.get();
        lease.check()?;
        let bytes = (lease.data as *mut u8, lease.len);
        // SAFETY: the endpoint neither moves nor unmaps the ring while there are exports.
        unsafe { buffer::export(slf.as_any(), view, bytes, lease.is_readonly, flags) }?;
        lease.turns.exports.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// # Safety
    ///
    /// Called by Python, once for each `__getbuffer__`.
    unsafe fn __releasebuffer__(&self, _view: *mut ffi::Py_buffer) {
        self.turns.exports.fetch_sub(1, Ordering::Relaxed);
    }
}
