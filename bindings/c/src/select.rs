//! Waits until one of several endpoints is ready.

use quoit::{Interest, Select, Selectable, Selected};

use crate::consumer::quoit_consumer;
use crate::handle::{enter, interest};
use crate::producer::quoit_producer;
use crate::status::quoit_status::{self, QUOIT_INVALID};
use crate::status::{Fault, deadline, guard};

/// The endpoint has something to do.
pub const QUOIT_SELECTED_READY: u32 = 0;
/// The peer of the endpoint has closed or crashed; reported once.
pub const QUOIT_SELECTED_ABANDONED: u32 = 1;
/// Another peer has attached.
pub const QUOIT_SELECTED_ATTACHED: u32 = 2;

/// Waits until one of several endpoints is ready. Pass the same endpoints in the same order to
/// each wait.
pub struct quoit_select {
    select: Select,
}

/// One of the endpoints: one of the two pointers is null.
#[repr(C)]
pub struct quoit_interest {
    /// Ready as soon as there is room.
    pub producer: *mut quoit_producer,
    /// Ready as soon as there is a message.
    pub consumer: *mut quoit_consumer,
    /// How much room, in records or bytes: quoit_frame_room says it of a frame. 0 is as 1.
    pub wanted: u64,
}

impl quoit_interest {
    /// Tells the endpoint what its fast path has done, and the fast path what the endpoint
    /// has seen.
    unsafe fn refresh(&self) -> Option<()> {
        if self.consumer.is_null() {
            // SAFETY: null or valid, and this thread's.
            unsafe { enter(self.producer, |_| ()) }
        } else {
            // SAFETY: valid, and this thread's.
            unsafe { enter(self.consumer, |_| ()) }
        }
    }

    fn pointers(&self) -> (usize, usize) {
        (self.producer.addr(), self.consumer.addr())
    }
}

/// Only while `quoit_select_wait` has checked that each endpoint is there, and once.
impl Selectable for quoit_interest {
    fn interest(&mut self) -> Interest<'_> {
        if self.consumer.is_null() {
            // SAFETY: not null, and of one interest alone.
            unsafe { interest(self.producer, self.wanted) }
        } else {
            // SAFETY: not null, and of one interest alone.
            unsafe { interest(self.consumer, 1) }
        }
    }
}

/// Creates a select. Free it with quoit_select_free.
#[unsafe(no_mangle)]
pub extern "C" fn quoit_select_new() -> *mut quoit_select {
    Box::into_raw(Box::new(quoit_select {
        select: Select::new(),
    }))
}

/// Frees a select. Null is ignored.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn quoit_select_free(select: *mut quoit_select) {
    if !select.is_null() {
        // SAFETY: it is of quoit_select_new, and freed once.
        drop(unsafe { Box::from_raw(select) });
    }
}

/// Waits until one of the endpoints is ready, or its peer has closed, crashed or attached again. Stores
/// the place of that endpoint and what happened: QUOIT_SELECTED_READY, QUOIT_SELECTED_ABANDONED or
/// QUOIT_SELECTED_ATTACHED. QUOIT_TOO_LONG: one of the rings never has the room that is wanted. May
/// sleep.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn quoit_select_wait(
    select: *mut quoit_select,
    ends: *mut quoit_interest,
    count: usize,
    timeout_ns: u64,
    index: *mut usize,
    what: *mut u32,
) -> quoit_status {
    guard(|| {
        // SAFETY: null or valid.
        let select = unsafe { select.as_mut() }.ok_or(QUOIT_INVALID)?;
        // SAFETY: null or valid.
        let index = unsafe { index.as_mut() }.ok_or(QUOIT_INVALID)?;
        // SAFETY: null or valid.
        let what = unsafe { what.as_mut() }.ok_or(QUOIT_INVALID)?;
        if ends.is_null() || count > Select::MAX_ENDS {
            return Err(Fault::invalid("a select waits for 1 to 127 endpoints"));
        }
        // SAFETY: the caller gives as many.
        let ends = unsafe { std::slice::from_raw_parts_mut(ends, count) };
        for (place, end) in ends.iter().enumerate() {
            let pointers = end.pointers();
            if (pointers.0 == 0) == (pointers.1 == 0) {
                return Err(Fault::invalid("an interest has a producer or a consumer"));
            }
            if ends[..place]
                .iter()
                .any(|other| other.pointers() == pointers)
            {
                return Err(Fault::invalid("an endpoint is there twice"));
            }
            // SAFETY: null or valid, and this thread's.
            if let Some(producer) = unsafe { end.producer.as_ref() } {
                producer.can_have(end.wanted)?;
            }
            // SAFETY: valid, and this thread's.
            unsafe { end.refresh() }.ok_or(QUOIT_INVALID)?;
        }
        let selected = select.select.wait(ends, deadline(timeout_ns));
        for end in ends.iter() {
            // SAFETY: as above.
            unsafe { end.refresh() }.ok_or(QUOIT_INVALID)?;
        }
        (*index, *what) = match selected? {
            Selected::Ready(index) => (index, QUOIT_SELECTED_READY),
            Selected::Abandoned(index) => (index, QUOIT_SELECTED_ABANDONED),
            Selected::Attached(index) => (index, QUOIT_SELECTED_ATTACHED),
        };
        Ok(())
    })
}
