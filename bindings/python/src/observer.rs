//! Observing a ring without a role.

use std::path::PathBuf;
use std::time::UNIX_EPOCH;

use pyo3::prelude::*;
use pyo3::types::PyDict;
use quoit::observer::{EndpointState, ShapeKind};
use quoit::{Observer as Inner, Role};

use crate::fault;
use crate::ring::detached;

/// The fields of a dataclass.
type Fields<'py> = Bound<'py, PyDict>;

/// What `quoit.Observer` is made of.
#[pyclass(frozen, subclass, module = "quoit._native")]
pub(crate) struct Observer(Inner);

impl Observer {
    fn state<'py>(
        &self,
        py: Python<'py>,
        state: EndpointState,
        role: Role,
    ) -> PyResult<Fields<'py>> {
        let since = state.since.duration_since(UNIX_EPOCH);
        let fields = PyDict::new(py);
        fields.set_item("epoch", state.epoch)?;
        fields.set_item("pid", state.pid)?;
        fields.set_item("since", since.map_or(0.0, |since| since.as_secs_f64()))?;
        fields.set_item("is_alive", self.0.is_alive(role).map_err(fault::ring)?)?;
        fields.set_item("is_closed", state.is_closed)?;
        fields.set_item("is_asleep", state.is_asleep)?;
        fields.set_item("parks", state.parks)?;
        fields.set_item("wakes", state.wakes)?;
        fields.set_item("rescues", state.rescues)?;
        fields.set_item("dropped", state.dropped)?;
        Ok(fields)
    }
}

#[pymethods]
impl Observer {
    #[new]
    fn new(py: Python<'_>, name: PathBuf) -> PyResult<Self> {
        detached(py, || Inner::open(&name)).map(Self)
    }

    /// The ring's name, as it was given.
    #[getter]
    fn name(&self) -> &str {
        self.0.name()
    }

    /// The fields of `quoit.Info`.
    fn read_info<'py>(&self, py: Python<'py>) -> PyResult<Fields<'py>> {
        let info = self.0.info();
        let is_frames = info.shape == ShapeKind::Frames;
        let fields = PyDict::new(py);
        fields.set_item("shape", if is_frames { "frames" } else { "records" })?;
        fields.set_item("capacity", info.capacity)?;
        fields.set_item("slot_size", info.slot_size)?;
        fields.set_item("slot_align", info.slot_align)?;
        fields.set_item("layout", info.layout)?;
        fields.set_item("schema", info.schema)?;
        fields.set_item("incarnation", info.incarnation)?;
        fields.set_item("length", info.length)?;
        Ok(fields)
    }

    /// Tail, head, what is unread, and the fields of both endpoints.
    fn read_sample<'py>(
        &self,
        py: Python<'py>,
    ) -> PyResult<(u64, u64, u64, Fields<'py>, Fields<'py>)> {
        let sample = self.0.sample();
        let positions = sample.positions;
        Ok((
            positions.tail,
            positions.head,
            positions.len(),
            self.state(py, sample.producer, Role::Producer)?,
            self.state(py, sample.consumer, Role::Consumer)?,
        ))
    }

    /// Whether the ring was removed or replaced.
    fn is_superseded(&self) -> PyResult<bool> {
        self.0.is_superseded().map_err(fault::ring)
    }

    /// Copies of unread messages, the oldest first: position, kind, bytes.
    fn unread(&self, most: usize) -> PyResult<Vec<(u64, u32, Vec<u8>)>> {
        let mut messages = Vec::new();
        let see = |message: quoit::observer::Message| {
            messages.push((message.position, message.kind, message.bytes));
        };
        self.0.unread(most, see).map_err(fault::ring)?;
        Ok(messages)
    }
}
