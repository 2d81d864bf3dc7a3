//! Rings, before a role is taken.

use std::path::PathBuf;
use std::time::Duration;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use quoit::raw::{self, Content, RawRing};
use quoit::{DoorbellKind, Fences, RingOptions, StalePolicy, WaitStrategy};

use crate::fault;

/// A ring that this process can take a role of.
#[pyclass(frozen, subclass, module = "quoit._native")]
pub(crate) struct Ring {
    pub(crate) raw: RawRing,
    /// Bytes of a record; 0 for frames.
    #[pyo3(get)]
    pub(crate) slot_size: u64,
}

fn choice<T: Copy>(option: &str, word: &str, choices: &[(&str, T)]) -> PyResult<T> {
    let found = choices.iter().find(|(known, _)| *known == word);
    found.map(|(_, choice)| *choice).ok_or_else(|| {
        let known: Vec<_> = choices
            .iter()
            .map(|(known, _)| format!("{known:?}"))
            .collect();
        let known = known.join(", ");
        PyValueError::new_err(format!(
            "{option}={word:?} is no choice; take one of {known}"
        ))
    })
}

fn seconds(option: &str, value: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(value)
        .map_err(|_| PyValueError::new_err(format!("{option} is a number of seconds, 0 or more")))
}

/// The options of a call, which has checked that it knows their names.
fn read(tag: &str, given: &Bound<'_, PyDict>) -> PyResult<RingOptions> {
    let mut options = RingOptions::default().schema_tag(tag);
    for (option, value) in given {
        let option: String = option.extract()?;
        let word = || value.extract::<String>();
        options = match option.as_str() {
            "capacity" => options.capacity(value.extract()?),
            "mode" => options.mode(value.extract()?),
            "prefault" => options.prefault(value.extract()?),
            "lock_memory" => options.lock_memory(value.extract()?),
            "unlink_on_close" => options.unlink_on_drop(value.extract()?),
            "first_position" => options.first_position(value.extract()?),
            "spin" => options.spin(seconds("spin", value.extract()?)?),
            "peer_check" => options.peer_check(seconds("peer_check", value.extract()?)?),
            "stale" => options.stale(choice(
                "stale",
                &word()?,
                &[
                    ("take_over", StalePolicy::TakeOver),
                    ("replace", StalePolicy::Replace),
                    ("fail", StalePolicy::Fail),
                ],
            )?),
            "doorbell" => options.doorbell(choice(
                "doorbell",
                &word()?,
                &[
                    ("futex", DoorbellKind::Futex),
                    ("semaphore", DoorbellKind::Semaphore),
                ],
            )?),
            "wait_strategy" => options.wait_strategy(choice(
                "wait_strategy",
                &word()?,
                &[
                    ("spin", WaitStrategy::Spin),
                    ("yield", WaitStrategy::Yield),
                    ("park", WaitStrategy::Park),
                    ("adaptive", WaitStrategy::Adaptive),
                ],
            )?),
            "fences" => options.fences(choice(
                "fences",
                &word()?,
                &[
                    ("asymmetric", Fences::Asymmetric),
                    ("symmetric", Fences::Symmetric),
                ],
            )?),
            _ => {
                let text = format!("there is no option {option:?}; help(quoit.create) lists them");
                return Err(PyValueError::new_err(text));
            }
        };
    }
    Ok(options)
}

fn content(size: u64, align: u32) -> PyResult<Content> {
    if size == 0 {
        return Ok(raw::frames());
    }
    raw::records(size, align).ok_or_else(|| {
        PyValueError::new_err(
            "a record has at least one byte, and an alignment of 1 to 4096, a power of two that \
             divides its size",
        )
    })
}

#[pymethods]
impl Ring {
    /// `size` is 0 for frames.
    #[new]
    fn new(
        py: Python<'_>,
        how: &str,
        name: PathBuf,
        content: (u64, u32, String),
        options: &Bound<'_, PyDict>,
    ) -> PyResult<Self> {
        let (size, align, tag) = content;
        let options = read(&tag, options)?;
        let content = self::content(size, align)?;
        // It waits for the locks of other processes.
        let made = py.detach(|| match how {
            "create" => RawRing::create(&options, content, &name),
            "open" => RawRing::open(&options, content, &name),
            _ => RawRing::open_or_create(&options, content, &name),
        });
        let raw = made.map_err(fault::ring)?;
        let slot_size = size;
        Ok(Self { raw, slot_size })
    }

    /// The name that the ring was created or opened with.
    #[getter]
    fn name(&self) -> &str {
        self.raw.ring().name()
    }

    /// How many records, or bytes for frames, the ring holds.
    #[getter]
    fn capacity(&self) -> u64 {
        self.raw.ring().capacity()
    }

    /// Tells this ring from others of the same name.
    #[getter]
    fn incarnation(&self) -> u64 {
        self.raw.ring().incarnation()
    }

    /// Removes the ring's name. Processes that have the ring keep it.
    fn unlink(&self) -> PyResult<()> {
        self.raw.ring().unlink().map_err(fault::ring)
    }
}

/// Removes a ring's name. Processes that have the ring keep it.
#[pyfunction]
pub(crate) fn unlink(py: Python<'_>, name: PathBuf) -> PyResult<()> {
    py.detach(|| quoit::unlink(&name)).map_err(fault::ring)
}

/// Removes a ring's name if no process holds the ring; whether it did.
#[pyfunction]
pub(crate) fn unlink_if_stale(py: Python<'_>, name: PathBuf) -> PyResult<bool> {
    py.detach(|| quoit::unlink_if_stale(&name))
        .map_err(fault::ring)
}
