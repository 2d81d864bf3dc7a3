//! The endpoint that writes. Its fast path is in `quoit_inline.h`.

use std::ffi::{c_char, c_int};

use quoit::Interest;
use quoit::raw::{RawProducer, RawRing};

use crate::handle::{self, View, enter, handle};
use crate::ring::quoit_ring;
use crate::status::quoit_status::{self, QUOIT_ABANDONED, QUOIT_INVALID, QUOIT_TOO_LONG};
use crate::status::{Fault, answer, deadline, guard, tell};

/// The endpoint that writes, as the fast path sees it. Its fields belong to
/// quoit_inline.h; a program reads none but `tail`, its position.
#[repr(C)]
pub struct quoit_producer {
    /// The next position to write.
    pub tail: u64,
    /// The end of the room that is known.
    pub end: u64,
    /// The end of the slots whose cache lines were taken.
    pub open: u64,
    /// The capacity less one.
    pub mask: u64,
    /// The data of the ring.
    pub data: *mut u8,
    /// The shared tail, the mark and the words of the inline copy.
    pub line: *mut u64,
    /// The sleep word of the consumer.
    pub peer: *const u32,
    /// Bytes of a record; 0 for frames.
    pub slot_size: u64,
    /// Records whose lines are fetched together.
    pub per_group: u64,
    /// Records of a line, if they divide it; 1 otherwise.
    pub per_line: u64,
    /// Bytes of the longest frame; 0 for records.
    pub max_frame: u64,
    /// Bytes of the frame that was claimed last, plus 1; 0 for none.
    pub claimed: u64,
    /// Bytes of the batch that is not published yet.
    pub pending: u64,
    /// What the sleep word holds while it asks for nothing.
    pub calm: u32,
    /// Whether the consumer asks for inline copies.
    pub hint: u32,
    /// Words of a record's inline copy; 0 if it does not fit.
    pub inline_words: u32,
    /// Whether each of the recent polls found room for many.
    pub is_stream: u32,
}

impl quoit_producer {
    /// Whether there can be this much room: a wait for more would never end.
    pub(crate) fn can_have(&self, wanted: u64) -> Result<(), Fault> {
        match wanted <= self.mask + 1 {
            true => Ok(()),
            false => Err(QUOIT_TOO_LONG.into()),
        }
    }
}

impl View for quoit_producer {
    type Raw = RawProducer;

    fn new(raw: &RawProducer) -> Self {
        let words = raw.words();
        let inline_words = words.slot_size.div_ceil(8) as u32;
        let mut view = Self {
            tail: raw.position(),
            end: 0,
            open: raw.position(),
            mask: raw.capacity() - 1,
            data: words.data,
            line: words.own,
            peer: words.peer,
            slot_size: words.slot_size,
            per_group: words.lines.0,
            per_line: words.lines.1,
            max_frame: match words.slot_size {
                0 => (raw.capacity() / 2 - 8).min((1 << 31) - 16),
                _ => 0,
            },
            claimed: 0,
            pending: 0,
            calm: 0,
            hint: 0,
            inline_words: if words.is_inline { inline_words } else { 0 },
            is_stream: 0,
        };
        view.refresh(raw);
        view
    }

    fn lead(&self, raw: &mut RawProducer) {
        raw.follow(self.tail);
    }

    fn refresh(&mut self, raw: &RawProducer) {
        self.tail = raw.position();
        self.end = self.tail.wrapping_add(raw.room());
        self.calm = raw.calm();
        self.hint = raw.hint().into();
        self.is_stream = raw.is_stream().into();
        // An endpoint without room has nothing open either.
        if self.open.wrapping_sub(self.tail) as i64 > raw.room() as i64 {
            self.open = self.end;
        }
    }

    fn interest(raw: &mut RawProducer, wanted: u64) -> Interest<'_> {
        raw.interest(wanted.max(1))
    }
}

/// Polls for room, for records or bytes. Wait-free, no system call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn quoit_producer_poll(
    producer: *mut quoit_producer,
    wanted: u64,
) -> quoit_status {
    guard(|| {
        // SAFETY: null or valid, and this thread's.
        let room = unsafe { enter(producer, |end| end.poll(wanted)) };
        room.ok_or(QUOIT_INVALID)??;
        Ok(())
    })
}

/// Waits for room, for records or bytes. May sleep.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn quoit_producer_wait(
    producer: *mut quoit_producer,
    wanted: u64,
    timeout_ns: u64,
) -> quoit_status {
    guard(|| {
        let wait = |end: &mut RawProducer| end.wait(wanted, deadline(timeout_ns));
        // SAFETY: null or valid, and this thread's.
        Ok(unsafe { enter(producer, wait) }.ok_or(QUOIT_INVALID)??)
    })
}

/// Does what the consumer's sleep word asks for after a publish of these units: perhaps a wake. For
/// quoit_inline.h. QUOIT_ABANDONED in a forked child, where nothing was published.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn quoit_producer_moved(
    producer: *mut quoit_producer,
    units: u64,
) -> quoit_status {
    guard(|| {
        // SAFETY: null or valid, and this thread's.
        let is_ours = unsafe { enter(producer, |end| end.moved(units)) }.ok_or(QUOIT_INVALID)?;
        if is_ours {
            Ok(())
        } else {
            Err(QUOIT_ABANDONED.into())
        }
    })
}

/// Whether a consumer of this thread has waited since the last such question: there is time to take
/// the lines of the next record while the last one is in flight. For quoit_inline.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn quoit_producer_was_idle(producer: *mut quoit_producer) -> bool {
    // SAFETY: null or valid, and this thread's.
    answer(false, || unsafe { enter(producer, |end| end.was_idle()) })
}

/// A descriptor for an event loop: readable as soon as there is room for this many records
/// or bytes, or the consumer has closed or crashed, until the next other call on this
/// producer. Call it again before each wait of the loop. The descriptor is the producer's,
/// and stays the same. quoit_frame_room says how many bytes a frame needs. QUOIT_TOO_LONG: the
/// ring never has that much room.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn quoit_producer_arm(
    producer: *mut quoit_producer,
    wanted: u64,
    descriptor: *mut c_int,
) -> quoit_status {
    guard(|| {
        // SAFETY: null or valid.
        let descriptor = unsafe { descriptor.as_mut() }.ok_or(QUOIT_INVALID)?;
        // SAFETY: null or valid, and this thread's.
        let handle = unsafe { handle(producer) }.ok_or(QUOIT_INVALID)?;
        handle.view.can_have(wanted)?;
        handle.view.lead(handle.raw.get_unseen());
        // So that the next call comes to the library.
        handle.view.end = handle.view.tail;
        handle.view.open = handle.view.tail;
        *descriptor = handle.raw.arm(wanted.max(1))?;
        Ok(())
    })
}

/// What is unread, in records, or bytes for frames. A snapshot. 0 for null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn quoit_producer_len(producer: *mut quoit_producer) -> u64 {
    // SAFETY: null or valid, and this thread's.
    answer(0, || unsafe { enter(producer, |end| end.len()) })
}

/// Whether a consumer attached, and has closed or crashed since. Makes a system call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn quoit_producer_is_abandoned(producer: *mut quoit_producer) -> bool {
    // SAFETY: null or valid, and this thread's.
    answer(false, || unsafe {
        enter(producer, |end| end.is_abandoned())
    })
}

/// Whether the ring was unlinked or replaced. Makes a system call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn quoit_producer_is_superseded(producer: *mut quoit_producer) -> bool {
    // SAFETY: null or valid, and this thread's.
    answer(false, || unsafe {
        enter(producer, |end| end.is_superseded())
    })
}

/// How often a consumer has attached.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn quoit_producer_peer_epoch(producer: *mut quoit_producer) -> u64 {
    // SAFETY: null or valid, and this thread's.
    answer(0, || unsafe { enter(producer, |end| end.peer_epoch()) })
}

/// Which ring this is.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn quoit_producer_incarnation(producer: *mut quoit_producer) -> u64 {
    // SAFETY: null or valid, and this thread's.
    answer(0, || unsafe { enter(producer, |end| end.incarnation()) })
}

/// Waits until a consumer is attached. May sleep.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn quoit_producer_wait_for_peer(
    producer: *mut quoit_producer,
    timeout_ns: u64,
) -> quoit_status {
    guard(|| {
        let wait = |end: &mut RawProducer| end.wait_for_peer_timeout(deadline(timeout_ns));
        // SAFETY: null or valid, and this thread's.
        Ok(unsafe { enter(producer, wait) }.ok_or(QUOIT_INVALID)??)
    })
}

/// What has poisoned the endpoint: the field, and the value that it cannot have. The field
/// is null for a healthy endpoint, and otherwise lives as long as the program.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn quoit_producer_corruption(
    producer: *mut quoit_producer,
    field: *mut *const c_char,
    found: *mut u64,
) -> quoit_status {
    guard(|| {
        // SAFETY: null or valid, and this thread's.
        let corrupt = unsafe { enter(producer, |end| end.corruption()) }.ok_or(QUOIT_INVALID)?;
        // SAFETY: null or valid.
        unsafe { tell(corrupt, field, found) }
    })
}

/// Counts messages that this program refused or skipped, for quoit_observer_sample and
/// quoit stat.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn quoit_producer_count_dropped(
    producer: *mut quoit_producer,
    messages: u64,
) -> quoit_status {
    guard(|| {
        // SAFETY: null or valid, and this thread's.
        Ok(unsafe { enter(producer, |end| end.count_dropped(messages)) }.ok_or(QUOIT_INVALID)?)
    })
}

/// Closes the endpoint and keeps its role: the consumer sees what it sees when the endpoint is
/// freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn quoit_producer_close(producer: *mut quoit_producer) -> quoit_status {
    guard(|| {
        // SAFETY: null or valid, and this thread's.
        Ok(unsafe { enter(producer, |end| end.close()) }.ok_or(QUOIT_INVALID)?)
    })
}

/// Closes the endpoint and frees its role. Null is ignored.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn quoit_producer_free(producer: *mut quoit_producer) {
    // SAFETY: null, or of quoit_ring_producer and freed once.
    unsafe { handle::free(producer) }
}

/// quoit_ring_producer, for code that no header was compiled into.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn quoit_ring_producer_abi(
    ring: *const quoit_ring,
    abi: u32,
    producer: *mut *mut quoit_producer,
) -> quoit_status {
    // SAFETY: null or valid.
    unsafe { handle::attach(ring, abi, producer, RawRing::producer) }
}
