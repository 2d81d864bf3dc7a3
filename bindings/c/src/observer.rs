//! Observing a ring without a role.

use std::ffi::c_char;
use std::time::UNIX_EPOCH;

use quoit::observer::{EndpointState, ShapeKind};
use quoit::{Observer, Role};

use crate::ring::path;
use crate::status::guard;
use crate::status::quoit_status::{self, QUOIT_INVALID};

/// Observes a ring without a role, and changes nothing.
pub struct quoit_observer {
    observer: Observer,
}

/// What a ring is.
#[repr(C)]
#[derive(Default)]
pub struct quoit_info {
    /// Records, or bytes for frames.
    pub capacity: u64,
    /// Bytes of a record; 0 for frames.
    pub slot_size: u64,
    /// Its alignment; 8 for frames.
    pub slot_align: u64,
    /// Fingerprint of size, alignment and tag.
    pub schema: u64,
    /// Distinguishes this ring from others of the same name.
    pub incarnation: u64,
    /// Bytes of the whole ring.
    pub length: u64,
}

/// The state that an endpoint has stored, and whether a process holds its role.
#[repr(C)]
#[derive(Default)]
pub struct quoit_endpoint_state {
    /// How often the role was taken.
    pub epoch: u64,
    /// Nanoseconds since 1970 at which it was taken.
    pub since: u64,
    /// Sleeps.
    pub parks: u64,
    /// Wake-ups that it has sent.
    pub wakes: u64,
    /// Sleeps that only a timeout ended.
    pub rescues: u64,
    /// Messages that were refused or skipped.
    pub dropped: u64,
    /// The id of the process in its own PID namespace.
    pub pid: u32,
    /// Whether a process holds the role.
    pub is_alive: bool,
    /// Whether the last holder has closed.
    pub is_closed: bool,
    /// Whether it sleeps.
    pub is_asleep: bool,
}

/// Where both endpoints are.
#[repr(C)]
#[derive(Default)]
pub struct quoit_sample {
    /// The next position to write.
    pub tail: u64,
    /// The next position to read.
    pub head: u64,
    /// What is unread.
    pub len: u64,
    /// The one that writes.
    pub producer: quoit_endpoint_state,
    /// The one that reads.
    pub consumer: quoit_endpoint_state,
}

/// Opens a ring to observe it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn quoit_observer_open(
    name: *const c_char,
    observer: *mut *mut quoit_observer,
) -> quoit_status {
    guard(|| {
        // SAFETY: null or valid.
        let place = unsafe { observer.as_mut() }.ok_or(QUOIT_INVALID)?;
        *place = std::ptr::null_mut();
        // SAFETY: null or a string.
        let observer = Observer::open(unsafe { path(name) }?)?;
        *place = Box::into_raw(Box::new(quoit_observer { observer }));
        Ok(())
    })
}

/// Frees an observer. Null is ignored.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn quoit_observer_free(observer: *mut quoit_observer) {
    if !observer.is_null() {
        // SAFETY: it is of quoit_observer_open, and freed once.
        drop(unsafe { Box::from_raw(observer) });
    }
}

/// What the ring is.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn quoit_observer_info(
    observer: *const quoit_observer,
    info: *mut quoit_info,
) -> quoit_status {
    guard(|| {
        // SAFETY: null or valid.
        let observer = unsafe { observer.as_ref() }.ok_or(QUOIT_INVALID)?;
        // SAFETY: null or valid.
        let place = unsafe { info.as_mut() }.ok_or(QUOIT_INVALID)?;
        let info = observer.observer.info();
        *place = quoit_info {
            capacity: info.capacity,
            slot_size: match info.shape {
                ShapeKind::Records => info.slot_size,
                ShapeKind::Frames => 0,
            },
            slot_align: info.slot_align.into(),
            schema: info.schema,
            incarnation: info.incarnation,
            length: info.length,
        };
        Ok(())
    })
}

/// Where both endpoints are, what they count, and whether they live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn quoit_observer_sample(
    observer: *const quoit_observer,
    sample: *mut quoit_sample,
) -> quoit_status {
    guard(|| {
        // SAFETY: null or valid.
        let observer = unsafe { observer.as_ref() }.ok_or(QUOIT_INVALID)?;
        // SAFETY: null or valid.
        let place = unsafe { sample.as_mut() }.ok_or(QUOIT_INVALID)?;
        let observer = &observer.observer;
        let sample = observer.sample();
        *place = quoit_sample {
            tail: sample.positions.tail,
            head: sample.positions.head,
            len: sample.positions.len(),
            producer: state(sample.producer, observer.is_alive(Role::Producer)?),
            consumer: state(sample.consumer, observer.is_alive(Role::Consumer)?),
        };
        Ok(())
    })
}

fn state(state: EndpointState, is_alive: bool) -> quoit_endpoint_state {
    let since = state.since.duration_since(UNIX_EPOCH);
    quoit_endpoint_state {
        epoch: state.epoch,
        since: since.map_or(0, |since| since.as_nanos() as u64),
        parks: state.parks,
        wakes: state.wakes,
        rescues: state.rescues,
        dropped: state.dropped,
        pid: state.pid,
        is_alive,
        is_closed: state.is_closed,
        is_asleep: state.is_asleep,
    }
}
