//! Errors of the library as exceptions of `quoit._errors`.

use pyo3::exceptions::PyEOFError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;
use quoit::handoff::HandoffError;
use quoit::{ClaimError, Error, PeerError, PopError};

/// What the advice calls things, and what they are called here.
const WORDS: [(&str, &str); 13] = [
    (
        "RingOptions::stale(StalePolicy::Replace)",
        "stale=\"replace\"",
    ),
    ("RingOptions::mode(0o666)", "mode=0o666"),
    ("RingOptions::mode", "mode"),
    ("handoff::send", "ring.send"),
    ("RingOptions::schema_tag", "tag"),
    ("RingOptions::create_anonymous", "create_anonymous"),
    ("DoorbellKind::Futex", "doorbell=\"futex\""),
    ("corruption()", "the attribute corruption"),
    ("drop the endpoint", "close the endpoint"),
    ("drop that endpoint", "close that endpoint"),
    ("drop one", "close one"),
    ("use the type", "use the dtype"),
    (
        "fork before the parent makes an async or pollable endpoint, or have the child start another program",
        "start it before its parent first waits in asyncio, or by another method than fork",
    ),
];

/// An exception of this class.
pub(crate) fn raise(class: &str, text: impl ToString) -> PyErr {
    static ERRORS: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
    let mut text = text.to_string();
    for (rust, python) in WORDS {
        text = text.replace(rust, python);
    }
    Python::attach(|py| {
        let find = || -> PyResult<PyErr> {
            let errors = ERRORS
                .get_or_try_init(py, || PyResult::Ok(py.import("quoit._errors")?.unbind()))?;
            let class = errors.bind(py).getattr(class)?.cast_into::<PyType>()?;
            Ok(PyErr::from_type(class, (text,)))
        };
        find().unwrap_or_else(|error| error)
    })
}

/// Of creating, opening, removing, and taking a role.
pub(crate) fn ring(error: Error) -> PyErr {
    if let Error::Io { source, .. } = &error {
        if source.kind() == std::io::ErrorKind::PermissionDenied {
            return raise("Forbidden", error);
        }
    }
    let class = match &error {
        Error::InvalidName { .. } | Error::InvalidCapacity { .. } => "Invalid",
        Error::AlreadyExists { .. } => "AlreadyExists",
        Error::NotFound { .. } => "NotFound",
        Error::InUse { .. } => "InUse",
        Error::NotARing { .. } | Error::WrongDescriptor { .. } => "NotARing",
        Error::VersionMismatch { .. }
        | Error::ShapeMismatch { .. }
        | Error::SchemaMismatch { .. }
        | Error::CapacityMismatch { .. }
        | Error::DoorbellMismatch { .. } => "Mismatch",
        Error::Superseded { .. } => "Superseded",
        Error::Corrupt(_) => "Corrupt",
        _ => "SystemRefused",
    };
    raise(class, error)
}

/// Of a ring that changes hands.
pub(crate) fn handoff(error: HandoffError) -> PyErr {
    let class = match error {
        HandoffError::Ring(error) => return ring(error),
        HandoffError::Closed => return PyEOFError::new_err(error.to_string()),
        HandoffError::Named { .. } => "Invalid",
        HandoffError::TimedOut => "TimedOut",
        HandoffError::VersionMismatch { .. } => "Mismatch",
        HandoffError::OtherMessage | HandoffError::NotOneDescriptor { .. } => "NotARing",
        _ => "SystemRefused",
    };
    raise(class, error)
}

/// Of reading.
pub(crate) fn pop(error: PopError) -> PyErr {
    let class = match error {
        PopError::Empty | PopError::TimedOut => "TimedOut",
        PopError::Abandoned => "Abandoned",
        PopError::Superseded => "Superseded",
        PopError::TooShort { .. } | PopError::TooMany { .. } => "TooLong",
        PopError::Corrupt => "Corrupt",
        PopError::ReactorDied => "SystemRefused",
    };
    raise(class, error)
}

/// Of writing.
pub(crate) fn claim(error: ClaimError) -> PyErr {
    let class = match error {
        ClaimError::Full | ClaimError::TimedOut => "TimedOut",
        ClaimError::Abandoned => "Abandoned",
        ClaimError::Superseded => "Superseded",
        ClaimError::TooLong { .. } => "TooLong",
        ClaimError::Corrupt => "Corrupt",
        ClaimError::ReactorDied => "SystemRefused",
    };
    raise(class, error)
}

/// Of waiting for the peer.
pub(crate) fn peer(error: PeerError) -> PyErr {
    let class = match error {
        PeerError::TimedOut => "TimedOut",
        PeerError::Superseded => "Superseded",
        PeerError::ReactorDied => "SystemRefused",
    };
    raise(class, error)
}
