//! The endpoint that reads.

use std::ptr;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use quoit::raw::RawConsumer;

use crate::buffer::{Bytes, copy_out};
use crate::end::{End, Side, Wait, check_frames};
use crate::fault;
use crate::lease::Lease;
use crate::ring::{Ring, detached};

const PADDING: u32 = u32::MAX;

/// A frame in the ring.
struct Found {
    data: *const u8,
    len: usize,
    kind: u32,
    /// From the head to the end of the frame.
    end: u64,
}

/// A batch of frames, and their kinds.
type Frames = (Vec<Py<PyAny>>, Vec<u32>);

/// What the endpoint of a consumer is made of.
#[pyclass(frozen, subclass, module = "quoit._native")]
pub(crate) struct Reader {
    pub(crate) end: End<RawConsumer>,
    size: usize,
}

/// Records from the head on that are contiguous.
fn before_wrap(end: &RawConsumer, count: u64) -> u64 {
    let index = end.position() & (end.capacity() - 1);
    count.min(end.capacity() - index)
}

/// Where the byte or record at this distance from the head is.
fn at(end: &RawConsumer, ahead: u64, unit: usize) -> *const u8 {
    let index = end.position().wrapping_add(ahead) & (end.capacity() - 1);
    end.words().data.wrapping_add(index as usize * unit)
}

/// The frame that begins `ahead` bytes after the head, of `unread` bytes.
fn parse(end: &mut RawConsumer, ahead: u64, unread: u64) -> PyResult<Found> {
    check_frames(end.words().slot_size)?;
    let mut at_ahead = ahead;
    let mut is_padded = false;
    let corrupt = |end: &mut RawConsumer, field, found| {
        end.poison(field, found);
        Err(fault::pop(quoit::PopError::Corrupt))
    };
    loop {
        let left = unread - at_ahead;
        let offset = end.position().wrapping_add(at_ahead) & (end.capacity() - 1);
        let rest = end.capacity() - offset;
        if left < 8 {
            let tail = end.position().wrapping_add(unread);
            return corrupt(end, "tail", tail);
        }
        let word = at(end, at_ahead, 1).cast::<u64>();
        // SAFETY: positions of frames are multiples of 8, and the data are mapped and
        // aligned.
        let header = unsafe { word.read_volatile() };
        let (len, kind) = (header as u32, (header >> 32) as u32);
        if len != PADDING {
            let size = (u64::from(len) + 15) & !7;
            if size > left || size > rest {
                return corrupt(end, "frame length", u64::from(len));
            }
            return Ok(Found {
                data: at(end, at_ahead + 8, 1),
                len: len as usize,
                kind,
                end: at_ahead + size,
            });
        }
        if is_padded || left <= rest {
            return corrupt(end, "padding", u64::from(len));
        }
        is_padded = true;
        at_ahead += rest;
    }
}

impl Reader {
    /// Takes the next message as soon as there is one, unless a view of it is alive: also not one that a
    /// handler of a signal, or another thread, has made since the wait began.
    fn take<R>(
        &self,
        py: Python<'_>,
        wait: Wait,
        take: impl FnOnce(&mut RawConsumer, u64) -> PyResult<R>,
    ) -> PyResult<Option<R>> {
        self.end.turns.check()?;
        let next = |_: &RawConsumer| Ok(1);
        self.end.act(py, wait, next, |end, unread| {
            self.end.turns.check()?;
            take(end, unread)
        })
    }

    /// Moves the head.
    fn release_units(&self, end: &mut RawConsumer, units: u64) {
        end.advance(units);
        self.end.turns.next();
    }
}

#[pymethods]
impl Reader {
    #[new]
    fn new(py: Python<'_>, ring: PyRef<'_, Ring>) -> PyResult<Self> {
        let raw = &ring.raw;
        let end = detached(py, || raw.consumer())?;
        let (end, size) = (End::new(end), ring.slot_size as usize);
        Ok(Self { end, size })
    }

    /// A frame as bytes, and its kind.
    #[pyo3(signature = (timeout=None, is_try=false))]
    fn pop_frame(
        &self,
        py: Python<'_>,
        timeout: Option<f64>,
        is_try: bool,
    ) -> PyResult<Option<(Py<PyAny>, u32)>> {
        self.take(py, Wait::of(timeout, is_try)?, |end, unread| {
            let frame = parse(end, 0, unread)?;
            let bytes = copy_out(py, frame.data, frame.len)?;
            self.release_units(end, frame.end);
            Ok((bytes, frame.kind))
        })
    }

    /// Up to `most` frames as bytes, as many as there are, and their kinds.
    #[pyo3(signature = (most, timeout=None, is_try=false))]
    fn pop_frames(
        &self,
        py: Python<'_>,
        most: usize,
        timeout: Option<f64>,
        is_try: bool,
    ) -> PyResult<Option<Frames>> {
        if most == 0 {
            return Err(PyValueError::new_err("a batch has at least one frame"));
        }
        self.take(py, Wait::of(timeout, is_try)?, |end, unread| {
            let (mut frames, mut kinds, mut ahead) = (Vec::new(), Vec::new(), 0);
            while ahead != unread && frames.len() < most {
                let frame = match parse(end, ahead, unread) {
                    Ok(frame) => frame,
                    // The frames before it are whole.
                    Err(_) if ahead != 0 => break,
                    Err(error) => return Err(error),
                };
                frames.push(copy_out(py, frame.data, frame.len)?);
                kinds.push(frame.kind);
                ahead = frame.end;
            }
            self.release_units(end, ahead);
            Ok((frames, kinds))
        })
    }

    /// Copies a frame; its length and its kind.
    #[pyo3(signature = (buffer, timeout=None, is_try=false))]
    fn frame_into(
        &self,
        py: Python<'_>,
        buffer: &Bound<'_, PyAny>,
        timeout: Option<f64>,
        is_try: bool,
    ) -> PyResult<Option<(usize, u32)>> {
        let mut target = Bytes::write(buffer)?;
        self.take(py, Wait::of(timeout, is_try)?, |end, unread| {
            let frame = parse(end, 0, unread)?;
            if frame.len > target.len() {
                return Err(fault::pop(quoit::PopError::TooShort { needed: frame.len }));
            }
            // SAFETY: the buffer has room for `len` bytes, and the source is in the ring.
            unsafe { ptr::copy_nonoverlapping(frame.data, target.as_mut_ptr(), frame.len) };
            self.release_units(end, frame.end);
            Ok((frame.len, frame.kind))
        })
    }

    /// Copies as many records as there are and the buffer has room for; how many.
    #[pyo3(signature = (buffer, timeout=None, is_try=false))]
    fn records_into(
        &self,
        py: Python<'_>,
        buffer: &Bound<'_, PyAny>,
        timeout: Option<f64>,
        is_try: bool,
    ) -> PyResult<Option<u64>> {
        let mut target = Bytes::write(buffer)?;
        let room = target.records(self.size)?;
        self.take(py, Wait::of(timeout, is_try)?, |end, unread| {
            let count = unread.min(room);
            let first = before_wrap(end, count) as usize * self.size;
            let rest = count as usize * self.size - first;
            let into = target.as_mut_ptr();
            // SAFETY: the buffer has room for `count` records, of which this many are before
            // the end of the ring.
            unsafe { ptr::copy_nonoverlapping(at(end, 0, self.size), into, first) };
            let begin = end.words().data.cast_const();
            // SAFETY: the others, which begin where the ring does.
            unsafe { ptr::copy_nonoverlapping(begin, into.wrapping_add(first), rest) };
            self.release_units(end, count);
            Ok(count)
        })
    }

    /// The next frame, or up to `count` records that are contiguous, in place.
    #[pyo3(signature = (count, timeout=None, is_try=false))]
    fn lease(
        slf: Bound<'_, Self>,
        count: u64,
        timeout: Option<f64>,
        is_try: bool,
    ) -> PyResult<Option<Lease>> {
        let reader = slf.get();
        let owner = slf.clone().into_any().unbind();
        let turns = &reader.end.turns;
        let next = |_: &RawConsumer| Ok(1);
        let wait = Wait::of(timeout, is_try)?;
        reader.end.act(slf.py(), wait, next, |end, unread| {
            if reader.size == 0 {
                let frame = parse(end, 0, unread)?;
                let bytes = (frame.data, frame.len);
                return Ok(Lease::read(owner, turns, bytes, frame.end, frame.kind));
            }
            let count = before_wrap(end, unread.min(count.max(1)));
            let bytes = (at(end, 0, reader.size), count as usize * reader.size);
            Ok(Lease::read(owner, turns, bytes, count, 0))
        })
    }

    /// Gives the first units of a lease back.
    fn release(&self, lease: PyRef<'_, Lease>, units: u64) -> PyResult<()> {
        self.end.turns.check()?;
        lease.check_for(&self.end.turns)?;
        self.end.with(|end| {
            let is_part = self.size == 0 && units != lease.units;
            if units > lease.units || is_part {
                let text = format!(
                    "the peek has {}, and {units} cannot be released",
                    lease.units
                );
                return Err(PyValueError::new_err(text));
            }
            if units > end.seen() {
                // A poll since the peek has poisoned the endpoint.
                return Err(fault::pop(quoit::PopError::Corrupt));
            }
            if units != 0 {
                self.release_units(end, units);
            }
            Ok(())
        })
    }

    /// Releases up to `count` messages unread, `None` for all but the newest; how many.
    fn skip(&self, count: Option<u64>) -> PyResult<u64> {
        self.end.turns.check()?;
        self.end.with(|end| {
            let unread = match end.look(1) {
                Ok(unread) => unread,
                Err(error) if RawConsumer::is_passing(&error) => return Ok(0),
                Err(error) if RawConsumer::is_abandonment(&error) => return Ok(0),
                Err(error) => return Err(RawConsumer::raise(error)),
            };
            if self.size != 0 {
                let skipped = count.unwrap_or(unread - 1).min(unread);
                if skipped != 0 {
                    self.release_units(end, skipped);
                }
                return Ok(skipped);
            }
            let (mut ahead, mut skipped) = (0, 0);
            while ahead != unread && count.is_none_or(|count| skipped < count) {
                let frame = parse(end, ahead, unread)?;
                if count.is_none() && frame.end == unread {
                    break;
                }
                ahead = frame.end;
                skipped += 1;
            }
            if ahead != 0 {
                self.release_units(end, ahead);
            }
            Ok(skipped)
        })
    }

    /// The descriptor, readable as soon as there is a message.
    fn arm(&self) -> PyResult<i32> {
        self.end.arm(|_| Ok(1))
    }
}

crate::end::shared!(Reader, "producer");
