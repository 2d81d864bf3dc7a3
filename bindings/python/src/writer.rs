//! The endpoint that writes.

use std::ptr;

use pyo3::exceptions::{PyOverflowError, PyValueError};
use pyo3::prelude::*;
use quoit::ClaimError;
use quoit::raw::RawProducer;

use crate::buffer::{Bytes, clear};
use crate::end::{End, Side, Wait, check_frames};
use crate::fault;
use crate::lease::Lease;
use crate::ring::{Ring, detached};

const PADDING: u64 = u32::MAX as u64;

/// Where a frame goes.
#[derive(Clone, Copy)]
struct Place {
    padding: u64,
    offset: u64,
    units: u64,
}

impl Place {
    /// Of a frame that begins at the tail.
    fn of(end: &RawProducer, len: usize) -> PyResult<Self> {
        Self::ahead(end, 0, len)
    }

    /// Of a frame that begins this many bytes after the tail.
    fn ahead(end: &RawProducer, ahead: u64, len: usize) -> PyResult<Self> {
        check_frames(end.words().slot_size)?;
        let max = max_frame(end);
        if len as u64 > max {
            return Err(fault::claim(ClaimError::TooLong { max: max as usize }));
        }
        let size = (len as u64 + 15) & !7;
        let offset = end.position().wrapping_add(ahead) & (end.capacity() - 1);
        let rest = end.capacity() - offset;
        let padding = if size <= rest { 0 } else { rest };
        let offset = if size <= rest { offset } else { 0 };
        Ok(Self {
            padding,
            offset,
            units: padding + size,
        })
    }

    fn payload(self, end: &RawProducer) -> *mut u8 {
        end.words().data.wrapping_add(self.offset as usize + 8)
    }

    /// Copies a frame in and seals it; bytes to publish.
    fn fill(self, end: &RawProducer, source: &Bytes<'_>, kind: u32) -> u64 {
        let payload = self.payload(end);
        // SAFETY: the place has room for the payload, and no other code writes there.
        unsafe { ptr::copy_nonoverlapping(source.as_ptr(), payload, source.len()) };
        self.seal(end, source.len(), kind)
    }

    /// Stores padding, header, and the zeros after the payload; bytes to publish.
    fn seal(self, end: &RawProducer, len: usize, kind: u32) -> u64 {
        let data = end.words().data;
        if self.padding != 0 {
            let offset = (end.capacity() - self.padding) as usize;
            let word = data.wrapping_add(offset).cast::<u64>();
            // SAFETY: a multiple of 8 within the data; the room is this producer's.
            unsafe { word.write_volatile(PADDING) };
        }
        let rest = len.wrapping_neg() & 7;
        clear(self.payload(end).wrapping_add(len), rest);
        let word = data.wrapping_add(self.offset as usize).cast::<u64>();
        // SAFETY: as above.
        unsafe { word.write_volatile(len as u64 | u64::from(kind) << 32) };
        self.padding + ((len as u64 + 15) & !7)
    }
}

/// The longest payload of any frame.
fn max_frame(end: &RawProducer) -> u64 {
    (end.capacity() / 2 - 8).min((1 << 31) - 16)
}

/// The kind of a frame.
fn kind_of(value: &Bound<'_, PyAny>) -> PyResult<u32> {
    value.extract().map_err(|error: PyErr| {
        if error.is_instance_of::<PyOverflowError>(value.py()) {
            PyOverflowError::new_err("a kind is a number from 0 to 4294967295")
        } else {
            error
        }
    })
}

/// What the endpoint of a producer is made of.
#[pyclass(frozen, subclass, module = "quoit._native")]
pub(crate) struct Writer {
    pub(crate) end: End<RawProducer>,
    size: usize,
}

impl Writer {
    /// Writes as soon as there is as much room as `wanted` says, unless a view of the room is alive: also
    /// not one that a handler of a signal, or another thread, has claimed since the wait began.
    fn write<R>(
        &self,
        py: Python<'_>,
        wait: Wait,
        wanted: impl Fn(&RawProducer) -> PyResult<u64>,
        write: impl FnOnce(&mut RawProducer, u64) -> PyResult<R>,
    ) -> PyResult<Option<R>> {
        self.end.turns.check()?;
        self.end.act(py, wait, wanted, |end, room| {
            self.end.turns.check()?;
            write(end, room)
        })
    }

    /// Moves the tail. A poll since the claim may have poisoned the endpoint: then it has no room.
    fn publish(&self, end: &mut RawProducer, units: u64) -> PyResult<()> {
        if units > end.room() {
            return Err(fault::claim(ClaimError::Corrupt));
        }
        let is_published = end.advance(units);
        self.end.turns.next();
        if is_published {
            Ok(())
        } else {
            Err(fault::claim(ClaimError::Abandoned))
        }
    }

    /// The room for a frame of `len` bytes, or for a record.
    pub(crate) fn wanted(&self, end: &RawProducer, len: usize) -> PyResult<u64> {
        match self.size {
            0 => Ok(Place::of(end, len)?.units),
            _ => Ok(1),
        }
    }
}

#[pymethods]
impl Writer {
    #[new]
    fn new(py: Python<'_>, ring: PyRef<'_, Ring>) -> PyResult<Self> {
        let raw = &ring.raw;
        let end = detached(py, || raw.producer())?;
        let (end, size) = (End::new(end), ring.slot_size as usize);
        Ok(Self { end, size })
    }

    /// Copies a frame in; whether there was room.
    #[pyo3(signature = (payload, kind=0, timeout=None, is_try=false))]
    fn push_frame(
        &self,
        py: Python<'_>,
        payload: &Bound<'_, PyAny>,
        #[pyo3(from_py_with = kind_of)] kind: u32,
        timeout: Option<f64>,
        is_try: bool,
    ) -> PyResult<bool> {
        let source = Bytes::read(payload)?;
        let wanted = |end: &RawProducer| Ok(Place::of(end, source.len())?.units);
        let pushed = self.write(py, Wait::of(timeout, is_try)?, wanted, |end, _| {
            let units = Place::of(end, source.len())?.fill(end, &source, kind);
            self.publish(end, units)
        });
        Ok(pushed?.is_some())
    }

    /// Copies as many frames in as there is room for, at least one, and publishes them
    /// together; how many.
    #[pyo3(signature = (payloads, kind=0, timeout=None, is_try=false))]
    fn push_frames(
        &self,
        py: Python<'_>,
        payloads: Vec<Bound<'_, PyAny>>,
        #[pyo3(from_py_with = kind_of)] kind: u32,
        timeout: Option<f64>,
        is_try: bool,
    ) -> PyResult<Option<usize>> {
        let sources = payloads.iter().map(Bytes::read);
        let sources: Vec<_> = sources.collect::<PyResult<_>>()?;
        let Some(first) = sources.first() else {
            return Err(PyValueError::new_err("a batch has at least one frame"));
        };
        let wait = Wait::of(timeout, is_try)?;
        let wanted = |end: &RawProducer| Ok(Place::of(end, first.len())?.units);
        self.write(py, wait, wanted, |end, mut room| {
            let (mut ahead, mut count) = (0, 0);
            for source in &sources {
                // One that is too long is an error when it is the first.
                let Ok(place) = Place::ahead(end, ahead, source.len()) else {
                    break;
                };
                if ahead + place.units > room {
                    match end.look(ahead + place.units) {
                        Ok(found) => room = found,
                        Err(_) => break,
                    }
                }
                ahead += place.fill(end, source, kind);
                count += 1;
            }
            self.publish(end, ahead)?;
            Ok(count)
        })
    }

    /// Copies as many whole records in as there is room for, at least one; how many.
    #[pyo3(signature = (records, timeout=None, is_try=false))]
    fn push_records(
        &self,
        py: Python<'_>,
        records: &Bound<'_, PyAny>,
        timeout: Option<f64>,
        is_try: bool,
    ) -> PyResult<Option<u64>> {
        let source = Bytes::read(records)?;
        let given = source.records(self.size)?;
        self.write(
            py,
            Wait::of(timeout, is_try)?,
            |_| Ok(1),
            |end, room| {
                // What a poll knows of may be old.
                let room = if room < given {
                    end.poll(1).unwrap_or(room)
                } else {
                    room
                };
                let count = given.min(room);
                let index = end.position() & (end.capacity() - 1);
                let first = count.min(end.capacity() - index) as usize * self.size;
                let rest = count as usize * self.size - first;
                let data = end.words().data;
                let slot = data.wrapping_add(index as usize * self.size);
                // SAFETY: the records before the end of the ring; the room is this producer's.
                unsafe { ptr::copy_nonoverlapping(source.as_ptr(), slot, first) };
                let others = source.as_ptr().wrapping_add(first);
                // SAFETY: the others, at the beginning of the ring.
                unsafe { ptr::copy_nonoverlapping(others, data, rest) };
                self.publish(end, count)?;
                Ok(count)
            },
        )
    }

    /// Room for a frame of `count` bytes, or up to `count` contiguous records.
    #[pyo3(signature = (count, timeout=None, is_try=false))]
    fn lease(
        slf: Bound<'_, Self>,
        count: u64,
        timeout: Option<f64>,
        is_try: bool,
    ) -> PyResult<Option<Lease>> {
        let writer = slf.get();
        let owner = slf.clone().into_any().unbind();
        let turns = &writer.end.turns;
        let wanted = |end: &RawProducer| writer.wanted(end, count as usize);
        writer
            .end
            .act(slf.py(), Wait::of(timeout, is_try)?, wanted, |end, room| {
                if writer.size == 0 {
                    let place = Place::of(end, count as usize)?;
                    let bytes = (place.payload(end), count as usize);
                    return Ok(Lease::write(owner, turns, bytes, place.units));
                }
                let index = end.position() & (end.capacity() - 1);
                let count = count.max(1).min(room).min(end.capacity() - index);
                let slot = end.words().data.wrapping_add(index as usize * writer.size);
                let bytes = (slot, count as usize * writer.size);
                Ok(Lease::write(owner, turns, bytes, count))
            })
    }

    /// Publishes the first `count` bytes of a frame, or records.
    fn commit(
        &self,
        lease: PyRef<'_, Lease>,
        count: u64,
        #[pyo3(from_py_with = kind_of)] kind: u32,
    ) -> PyResult<()> {
        self.end.turns.check()?;
        lease.check_for(&self.end.turns)?;
        self.end.with(|end| {
            let most = if self.size == 0 {
                lease.len() as u64
            } else {
                lease.units
            };
            if count > most {
                return Err(PyValueError::new_err(format!(
                    "the claim has {most}, and {count} cannot be committed"
                )));
            }
            let units = match self.size {
                0 => {
                    // Where the claim began, even if fewer bytes would fit before the end.
                    let place = Place::of(end, lease.len())?;
                    place.seal(end, count as usize, kind)
                }
                _ => count,
            };
            if units == 0 {
                Ok(())
            } else {
                self.publish(end, units)
            }
        })
    }

    /// The longest payload of any frame.
    #[getter]
    fn max_frame_len(&self) -> PyResult<u64> {
        self.end.with(|end| Ok(max_frame(end)))
    }

    /// The descriptor, readable as soon as there is room for a frame of `len` bytes, or for a
    /// record.
    #[pyo3(signature = (len=0))]
    fn arm(&self, len: usize) -> PyResult<i32> {
        self.end.arm(|end| self.wanted(end, len))
    }
}

crate::end::shared!(Writer, "consumer");
