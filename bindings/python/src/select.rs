//! Waiting for the first of many endpoints.

use std::sync::{Mutex, TryLockError};
use std::time::Duration;

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use quoit::raw::{RawConsumer, RawProducer};
use quoit::{Deadline, Interest, SelectError, Selectable, Selected};

use crate::end::{Locked, Wait, is_over, slice};
use crate::fault::raise;
use crate::reader::Reader;
use crate::writer::Writer;

/// What a [`Select`] waits for.
enum Watched<'a> {
    Reader(&'a mut RawConsumer),
    /// This much room.
    Writer(&'a mut RawProducer, u64),
}

impl Selectable for Watched<'_> {
    fn interest(&mut self) -> Interest<'_> {
        match self {
            Self::Reader(end) => end.interest(1),
            Self::Writer(end, wanted) => end.interest(*wanted),
        }
    }
}

/// An endpoint that is locked for one wait.
enum Entry<'a> {
    Reader(Locked<'a, RawConsumer>),
    Writer(Locked<'a, RawProducer>, u64),
}

/// Remembers what was reported of each endpoint.
#[pyclass(frozen, subclass, module = "quoit._native")]
pub(crate) struct Select(Mutex<quoit::Select>);

#[pymethods]
impl Select {
    #[new]
    fn new() -> Self {
        Self(Mutex::new(quoit::Select::new()))
    }

    /// The place of an endpoint that is ready, and what happened there. `ends` has pairs of an
    /// endpoint and the length of a frame, which counts for producers of frames.
    fn first(
        &self,
        py: Python<'_>,
        ends: Vec<(Bound<'_, PyAny>, usize)>,
        timeout: Option<f64>,
    ) -> PyResult<(usize, &'static str)> {
        let wait = Wait::seconds(timeout)?;
        loop {
            match self.wait(py, &ends, wait)? {
                Ok(Selected::Ready(index)) => return Ok((index, "ready")),
                Ok(Selected::Abandoned(index)) => return Ok((index, "abandoned")),
                Ok(Selected::Attached(index)) => return Ok((index, "attached")),
                Err(SelectError::TimedOut) if !is_over(wait) => check(py, &ends)?,
                Err(SelectError::TimedOut) => return Err(raise("TimedOut", SelectError::TimedOut)),
                Err(error @ (SelectError::NoEnds | SelectError::TooManyEnds { .. })) => {
                    return Err(PyValueError::new_err(error.to_string()));
                }
                Err(error) => return Err(raise("SystemRefused", error)),
            }
        }
    }
}

/// Between two parts of a wait.
fn check(py: Python<'_>, ends: &[(Bound<'_, PyAny>, usize)]) -> PyResult<()> {
    for (end, _) in ends {
        if let Ok(reader) = end.cast::<Reader>() {
            reader.get().end.check(py)?;
        } else if let Ok(writer) = end.cast::<Writer>() {
            writer.get().end.check(py)?;
        }
    }
    Ok(())
}

impl Select {
    /// Waits up to the next check for signals. Each endpoint is locked until then.
    fn wait(
        &self,
        py: Python<'_>,
        ends: &[(Bound<'_, PyAny>, usize)],
        wait: Wait,
    ) -> PyResult<Result<Selected, SelectError>> {
        let mut select = match self.0.try_lock() {
            Ok(select) => select,
            Err(TryLockError::Poisoned(select)) => select.into_inner(),
            Err(TryLockError::WouldBlock) => {
                return Err(raise(
                    "Busy",
                    "another thread waits in this select; make one for each thread",
                ));
            }
        };
        let mut locked = Vec::with_capacity(ends.len());
        for (end, len) in ends {
            locked.push(if let Ok(reader) = end.cast::<Reader>() {
                Entry::Reader(reader.get().end.locked()?)
            } else if let Ok(writer) = end.cast::<Writer>() {
                let writer = writer.get();
                let mut end = writer.end.locked()?;
                let wanted = writer.wanted(end.get(), *len)?;
                Entry::Writer(end, wanted)
            } else {
                return Err(PyTypeError::new_err("a select waits for endpoints"));
            });
        }
        let mut watched: Vec<_> = locked
            .iter_mut()
            .map(|entry| match entry {
                Entry::Reader(end) => Watched::Reader(end.get()),
                Entry::Writer(end, wanted) => Watched::Writer(end.get(), *wanted),
            })
            .collect();
        let (select, watched) = (&mut *select, &mut watched[..]);
        // What is there already needs no other thread.
        match select.wait(watched, Deadline::from(Duration::ZERO)) {
            Err(SelectError::TimedOut) => Ok(py.detach(|| select.wait(watched, slice(wait)))),
            done => Ok(done),
        }
    }
}
