//! Rings, before a role is taken.

use std::io::ErrorKind;
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pyo3::exceptions::{PyOverflowError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use quoit::handoff::{self, HandoffError};
use quoit::raw::{self, Content, RawRing};
use quoit::{DoorbellKind, Error, Fences, RingOptions, StalePolicy, WaitStrategy};

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
            "{option}={word:?} is not a choice; take one of {known}"
        ))
    })
}

fn seconds(option: &str, value: f64) -> PyResult<Duration> {
    if value >= 0.0 {
        // Of more than a duration holds, and of infinity, that is what is meant.
        return Ok(Duration::try_from_secs_f64(value).unwrap_or(Duration::MAX));
    }
    let text = format!("{option} is a number of seconds, 0 or more");
    Err(PyValueError::new_err(text))
}

/// Not 660 for 0o660: such a ring could not be opened.
fn mode(bits: u32) -> PyResult<u32> {
    let is_mode = (0o600..=0o777).contains(&bits);
    is_mode.then_some(bits).ok_or_else(|| {
        PyValueError::new_err(format!(
            "mode={bits:#o} is not a choice; mode bits are octal, from 0o600 to 0o777"
        ))
    })
}

/// An argument of this name: an error of Python says what it expects, and not of which one.
fn argument<'py, T>(name: &str, value: &Bound<'py, PyAny>) -> PyResult<T>
where
    T: for<'a> FromPyObject<'a, 'py>,
{
    let extracted: Result<T, PyErr> = value.extract().map_err(Into::into);
    extracted.map_err(|error| {
        let text = format!("{name}={value:?}: {}", error.value(value.py()));
        if error.is_instance_of::<PyTypeError>(value.py()) {
            PyTypeError::new_err(text)
        } else if error.is_instance_of::<PyOverflowError>(value.py()) {
            PyOverflowError::new_err(text)
        } else {
            error
        }
    })
}

/// The options of a call, which has checked that it knows their names.
fn read(tag: &str, given: &Bound<'_, PyDict>) -> PyResult<RingOptions> {
    let mut options = RingOptions::default().schema_tag(tag);
    for (option, value) in given {
        let option: String = option.extract()?;
        let word = || argument::<String>(&option, &value);
        let number = || argument(&option, &value);
        let flag = || argument(&option, &value);
        let time = || seconds(&option, argument(&option, &value)?);
        options = match option.as_str() {
            "capacity" => options.capacity(number()?),
            "mode" => options.mode(mode(argument(&option, &value)?)?),
            "prefault" => options.prefault(flag()?),
            "lock_memory" => options.lock_memory(flag()?),
            "unlink_on_close" => options.unlink_on_drop(flag()?),
            "first_position" => options.first_position(number()?),
            "spin" => options.spin(time()?),
            "peer_check" => options.peer_check(time()?),
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

/// Runs a call without the GIL: it may wait for the locks of other processes, and for memory.
pub(crate) fn detached<R: Send>(
    py: Python<'_>,
    call: impl FnOnce() -> Result<R, Error> + Send,
) -> PyResult<R> {
    py.detach(call).map_err(fault::ring)
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
        whence: &Bound<'_, PyAny>,
        content: (u64, Bound<'_, PyAny>, Bound<'_, PyAny>),
        options: &Bound<'_, PyDict>,
    ) -> PyResult<Self> {
        let (size, align, tag) = content;
        let options = read(&argument::<String>("tag", &tag)?, options)?;
        let content = self::content(size, argument("align", &align)?)?;
        let slot_size = size;
        let by_name = |make: fn(&RingOptions, Content, &Path) -> Result<RawRing, Error>| {
            let name: PathBuf = whence.extract()?;
            let make = || make(&options, content, &name);
            detached(py, make)
        };
        let raw = match how {
            "create" => by_name(RawRing::create)?,
            "open" => by_name(RawRing::open)?,
            "open_or_create" => by_name(RawRing::open_or_create)?,
            "open_descriptor" => {
                let descriptor = borrow(whence.extract()?)?;
                detached(py, || {
                    RawRing::open_descriptor(&options, content, descriptor)
                })?
            }
            "receive" => receive(py, whence.extract()?, &options, content)?,
            _ => detached(py, || RawRing::create_anonymous(&options, content))?,
        };
        Ok(Self { raw, slot_size })
    }

    /// The descriptor of a ring without a name, which stays the ring's.
    fn fileno(&self) -> PyResult<RawFd> {
        let descriptor = self.raw.ring().descriptor();
        descriptor.map(|file| file.as_raw_fd()).ok_or_else(|| {
            PyValueError::new_err("this ring has a name: pass the name, and open it there")
        })
    }

    /// Sends a ring without a name over a socket to another process.
    fn send(&self, py: Python<'_>, socket: RawFd) -> PyResult<()> {
        let socket = self::socket(socket)?;
        py.detach(|| handoff::send(&socket, self.raw.ring()))
            .map_err(fault::handoff)
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

    /// Distinguishes this ring from others of the same name.
    #[getter]
    fn incarnation(&self) -> u64 {
        self.raw.ring().incarnation()
    }

    /// Removes the ring's name. No process may hold a role.
    fn unlink(&self, py: Python<'_>) -> PyResult<()> {
        detached(py, || self.raw.ring().unlink())
    }
}

fn borrow<'a>(descriptor: RawFd) -> PyResult<BorrowedFd<'a>> {
    if descriptor < 0 {
        return Err(PyValueError::new_err("a descriptor is not negative"));
    }
    // SAFETY: the caller has it open during the call.
    Ok(unsafe { BorrowedFd::borrow_raw(descriptor) })
}

/// A socket of the caller's, for one call.
fn socket(descriptor: RawFd) -> PyResult<ManuallyDrop<UnixStream>> {
    let descriptor = borrow(descriptor)?.as_raw_fd();
    // SAFETY: the caller has it open during the call, and it is not closed here.
    Ok(ManuallyDrop::new(unsafe {
        UnixStream::from_raw_fd(descriptor)
    }))
}

fn receive(
    py: Python<'_>,
    socket: RawFd,
    options: &RingOptions,
    content: Content,
) -> PyResult<RawRing> {
    let socket = self::socket(socket)?;
    loop {
        match py.detach(|| RawRing::receive(options, content, &socket)) {
            Err(HandoffError::Io(error)) if error.kind() == ErrorKind::Interrupted => {
                py.check_signals()?;
            }
            received => return received.map_err(fault::handoff),
        }
    }
}

/// Removes a ring's name. No process may hold a role.
#[pyfunction]
pub(crate) fn unlink(py: Python<'_>, name: PathBuf) -> PyResult<()> {
    detached(py, || quoit::unlink(&name))
}

/// Removes a ring's name if it was in use and no process holds it; whether it did.
#[pyfunction]
pub(crate) fn unlink_if_stale(py: Python<'_>, name: PathBuf) -> PyResult<bool> {
    detached(py, || quoit::unlink_if_stale(&name))
}
