//! The bytes of an object that has the buffer protocol, for one call.

use core::ffi::{CStr, c_int, c_void};
use core::{ptr, slice};

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyMemoryView};

/// Contiguous bytes, which stay where they are while this lives.
pub(crate) struct Bytes<'py> {
    view: Box<ffi::Py_buffer>,
    /// A buffer is given back with the GIL.
    _py: Python<'py>,
}

impl<'py> Bytes<'py> {
    /// Bytes to read.
    pub(crate) fn read(object: &Bound<'py, PyAny>) -> PyResult<Self> {
        Self::get(object, ffi::PyBUF_SIMPLE)
    }

    /// Bytes to write.
    pub(crate) fn write(object: &Bound<'py, PyAny>) -> PyResult<Self> {
        Self::get(object, ffi::PyBUF_WRITABLE)
    }

    fn get(object: &Bound<'py, PyAny>, flags: c_int) -> PyResult<Self> {
        if !has_objects(object)? {
            return Self::view(object, flags);
        }
        Err(PyTypeError::new_err(
            "the buffer has references to Python objects, which are no values; convert it first",
        ))
    }

    fn view(object: &Bound<'py, PyAny>, flags: c_int) -> PyResult<Self> {
        let mut view = Box::new(ffi::Py_buffer::new());
        // SAFETY: the object is alive, the view is ours, and the GIL is held.
        let code = unsafe { ffi::PyObject_GetBuffer(object.as_ptr(), &raw mut *view, flags) };
        if code != 0 {
            return Err(PyErr::fetch(object.py()));
        }
        let _py = object.py();
        Ok(Self { view, _py })
    }

    pub(crate) fn len(&self) -> usize {
        self.view.len as usize
    }

    /// How many records of this size they are, at least one.
    pub(crate) fn records(&self, size: usize) -> PyResult<u64> {
        let len = self.len();
        if size == 0 || len == 0 || len % size != 0 {
            return Err(PyValueError::new_err(format!(
                "the buffer has {len} bytes, and a record {size}; pass a buffer of one or more whole records"
            )));
        }
        Ok((len / size) as u64)
    }

    pub(crate) fn as_ptr(&self) -> *const u8 {
        self.view.buf.cast_const().cast()
    }

    /// Of bytes that were asked for to write.
    pub(crate) fn as_mut_ptr(&mut self) -> *mut u8 {
        self.view.buf.cast()
    }
}

/// Whether there are references among the bytes: pushed, they mean nothing, and written over, the
/// objects would be freed that are there then.
fn has_objects(object: &Bound<'_, PyAny>) -> PyResult<bool> {
    if object.is_exact_instance_of::<PyBytes>() || object.is_exact_instance_of::<PyByteArray>() {
        return Ok(false);
    }
    // An array of numpy gives no format of dates. To miss an attribute takes long.
    if !object.is_exact_instance_of::<PyMemoryView>() {
        if let Some(dtype) = object.getattr_opt(intern!(object.py(), "dtype"))? {
            let has = dtype.getattr_opt(intern!(object.py(), "hasobject"))?;
            return has.map_or(Ok(false), |has| has.is_truthy());
        }
    }
    let Ok(bytes) = Bytes::view(object, ffi::PyBUF_FORMAT | ffi::PyBUF_ND) else {
        return Ok(false);
    };
    if bytes.view.format.is_null() {
        return Ok(false);
    }
    // SAFETY: a text that the exporter keeps as long as the view.
    let format = unsafe { CStr::from_ptr(bytes.view.format) };
    // Names of fields are between colons.
    let codes = format.to_bytes().split(|byte| *byte == b':').step_by(2);
    Ok(codes.flatten().any(|code| *code == b'O'))
}

impl Drop for Bytes<'_> {
    fn drop(&mut self) {
        // SAFETY: it was filled by PyObject_GetBuffer, is given back once, with the GIL.
        unsafe { ffi::PyBuffer_Release(&raw mut *self.view) };
    }
}

/// A `bytes` object of `len` bytes, copied from the ring.
pub(crate) fn copy_out(py: Python<'_>, source: *const u8, len: usize) -> PyResult<Py<PyAny>> {
    // SAFETY: null makes a new object of this length, which no other code has seen.
    let object = unsafe { ffi::PyBytes_FromStringAndSize(ptr::null(), len as isize) };
    // SAFETY: null with an exception, or a reference of our own.
    let object = unsafe { Bound::from_owned_ptr_or_err(py, object) }?;
    // SAFETY: it is a bytes object.
    let target = unsafe { ffi::PyBytes_AsString(object.as_ptr()) };
    // SAFETY: it has room for `len` bytes, and the source is in the mapped ring.
    unsafe { ptr::copy_nonoverlapping(source, target.cast(), len) };
    Ok(object.unbind())
}

/// Fills a buffer view of the protocol.
///
/// # Safety
///
/// `view` is of a `__getbuffer__`, and the bytes outlive the export.
pub(crate) unsafe fn export(
    owner: &Bound<'_, PyAny>,
    view: *mut ffi::Py_buffer,
    (data, len): (*mut u8, usize),
    is_readonly: bool,
    flags: c_int,
) -> PyResult<()> {
    // SAFETY: of the caller.
    let code = unsafe {
        ffi::PyBuffer_FillInfo(
            view,
            owner.as_ptr(),
            data.cast::<c_void>(),
            len as isize,
            is_readonly.into(),
            flags,
        )
    };
    if code == 0 {
        Ok(())
    } else {
        Err(PyErr::fetch(owner.py()))
    }
}

/// Zeros, as of a frame's end.
pub(crate) fn clear(target: *mut u8, len: usize) {
    // SAFETY: the caller's room in the ring, which this producer alone writes.
    unsafe { slice::from_raw_parts_mut(target, len) }.fill(0);
}
