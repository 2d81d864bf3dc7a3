//! The endpoint that reads. Its fast path is in `quoit_inline.h`.

use std::ffi::{c_char, c_int};

use quoit::Interest;
use quoit::raw::{Found, INLINE_WORDS, RawConsumer, RawRing};

use crate::handle::{self, View, enter, handle};
use crate::ring::quoit_ring;
use crate::status::quoit_status::{self, QUOIT_INVALID};
use crate::status::{answer, deadline, guard, tell};

/// The header of a frame is impossible.
pub const QUOIT_FIELD_FRAME_LENGTH: u32 = 0;
/// There is padding where none can be.
pub const QUOIT_FIELD_PADDING: u32 = 1;
/// The tail leaves less than a header.
pub const QUOIT_FIELD_TAIL: u32 = 2;

/// The endpoint that reads, as the fast path sees it. Its fields belong to
/// quoit_inline.h; a program reads none but `head`, its position.
#[repr(C)]
pub struct quoit_consumer {
    /// The next position to read.
    pub head: u64,
    /// The tail as last seen.
    pub tail: u64,
    /// The end of the records whose cache lines were asked for.
    pub open: u64,
    /// The capacity less one.
    pub mask: u64,
    /// The data of the ring.
    pub data: *mut u8,
    /// The shared head.
    pub line: *mut u64,
    /// The sleep word of the producer.
    pub peer: *const u32,
    /// Bytes of a record; 0 for frames.
    pub slot_size: u64,
    /// Records whose lines are fetched together.
    pub per_group: u64,
    /// Records of a line, if they divide it; 1 otherwise.
    pub per_line: u64,
    /// The position of the message that was copied inline, times 2, plus 1; 0 for none.
    pub inline_mark: u64,
    /// That message.
    pub inline_words: [u64; 6],
    /// What the sleep word holds while it asks for nothing.
    pub calm: u32,
    /// Whether each of the recent polls found many.
    pub is_stream: u32,
}

const _: () = assert!(INLINE_WORDS == 6, "as many as the view has");

impl View for quoit_consumer {
    type Raw = RawConsumer;

    fn new(raw: &RawConsumer) -> Self {
        let words = raw.words();
        let mut view = Self {
            head: raw.position(),
            tail: 0,
            open: raw.position(),
            mask: raw.capacity() - 1,
            data: words.data,
            line: words.own,
            peer: words.peer,
            slot_size: words.slot_size,
            per_group: words.lines.0,
            per_line: words.lines.1,
            inline_mark: 0,
            inline_words: [0; 6],
            calm: 0,
            is_stream: 0,
        };
        view.refresh(raw);
        view
    }

    fn lead(&self, raw: &mut RawConsumer) {
        raw.follow(self.head);
    }

    fn refresh(&mut self, raw: &RawConsumer) {
        self.tail = self.head.wrapping_add(raw.seen());
        self.calm = raw.calm();
        self.is_stream = raw.is_stream().into();
        // An endpoint that has seen nothing has nothing open either.
        if self.open.wrapping_sub(self.head) as i64 > raw.seen() as i64 {
            self.open = self.tail;
        }
    }

    fn interest(raw: &mut RawConsumer, wanted: u64) -> Interest<'_> {
        raw.interest(wanted)
    }
}

/// Polls for messages, one of which may be copied inline.
unsafe fn find(
    consumer: *mut quoit_consumer,
    poll: impl FnOnce(&mut RawConsumer, &mut [u64; 6]) -> Result<Found, quoit::PopError>,
) -> quoit_status {
    guard(|| {
        // SAFETY: null or valid, and this thread's.
        let handle = unsafe { handle(consumer) }.ok_or(QUOIT_INVALID)?;
        let (view, raw) = (&mut handle.view, handle.raw.get());
        view.lead(raw);
        // The call may write the words and find no inline copy: a peek may show those of the view.
        let mut words = [0; INLINE_WORDS];
        view.inline_mark = 0;
        let found = poll(raw, &mut words);
        view.refresh(raw);
        if found?.is_inline {
            view.inline_words = words;
            view.inline_mark = view.head << 1 | 1;
        }
        Ok(())
    })
}

/// Polls for this many records or bytes. Wait-free, no system call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn quoit_consumer_poll(
    consumer: *mut quoit_consumer,
    wanted: u64,
) -> quoit_status {
    // SAFETY: null or valid, and this thread's.
    unsafe { find(consumer, |end, words| end.poll(wanted, Some(words))) }
}

/// Waits for this many records or bytes. May sleep.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn quoit_consumer_wait(
    consumer: *mut quoit_consumer,
    wanted: u64,
    timeout_ns: u64,
) -> quoit_status {
    let deadline = deadline(timeout_ns);
    // SAFETY: null or valid, and this thread's.
    unsafe {
        find(consumer, |end, words| {
            end.wait(wanted, Some(words), deadline)
        })
    }
}

/// Does what the producer's sleep word asks for after a release: perhaps a wake. For
/// quoit_inline.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn quoit_consumer_moved(consumer: *mut quoit_consumer) -> quoit_status {
    guard(|| {
        // SAFETY: null or valid, and this thread's.
        Ok(unsafe { enter(consumer, |end| end.moved()) }.ok_or(QUOIT_INVALID)?)
    })
}

/// Poisons the endpoint: its fast path has found an impossible value. For quoit_inline.h.
/// Returns QUOIT_CORRUPT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn quoit_consumer_poison(
    consumer: *mut quoit_consumer,
    field: u32,
    found: u64,
) -> quoit_status {
    guard(|| {
        let field = match field {
            QUOIT_FIELD_FRAME_LENGTH => "frame length",
            QUOIT_FIELD_PADDING => "padding",
            QUOIT_FIELD_TAIL => "tail",
            _ => return Err(QUOIT_INVALID.into()),
        };
        // SAFETY: null or valid, and this thread's.
        unsafe { enter(consumer, |end| end.poison(field, found)) }.ok_or(QUOIT_INVALID)?;
        Err(quoit_status::QUOIT_CORRUPT.into())
    })
}

/// A descriptor for an event loop: readable as soon as there is a message, or the producer
/// has closed or crashed, until the next other call on this consumer. Call it again before
/// each wait of the loop. The descriptor is the consumer's, and stays the same.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn quoit_consumer_arm(
    consumer: *mut quoit_consumer,
    descriptor: *mut c_int,
) -> quoit_status {
    guard(|| {
        // SAFETY: null or valid.
        let descriptor = unsafe { descriptor.as_mut() }.ok_or(QUOIT_INVALID)?;
        // SAFETY: null or valid, and this thread's.
        let handle = unsafe { handle(consumer) }.ok_or(QUOIT_INVALID)?;
        handle.view.lead(handle.raw.get_unseen());
        // So that the next call comes to the library.
        handle.view.tail = handle.view.head;
        handle.view.open = handle.view.head;
        *descriptor = handle.raw.arm(1)?;
        Ok(())
    })
}

/// What is unread, in records, or bytes for frames. A snapshot. 0 for null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn quoit_consumer_len(consumer: *mut quoit_consumer) -> u64 {
    // SAFETY: null or valid, and this thread's.
    answer(0, || unsafe { enter(consumer, |end| end.len()) })
}

/// Whether a producer attached, and has closed or crashed since. Makes a system call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn quoit_consumer_is_abandoned(consumer: *mut quoit_consumer) -> bool {
    // SAFETY: null or valid, and this thread's.
    answer(false, || unsafe {
        enter(consumer, |end| end.is_abandoned())
    })
}

/// Whether the ring was unlinked or replaced. Makes a system call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn quoit_consumer_is_superseded(consumer: *mut quoit_consumer) -> bool {
    // SAFETY: null or valid, and this thread's.
    answer(false, || unsafe {
        enter(consumer, |end| end.is_superseded())
    })
}

/// How often a producer has attached.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn quoit_consumer_peer_epoch(consumer: *mut quoit_consumer) -> u64 {
    // SAFETY: null or valid, and this thread's.
    answer(0, || unsafe { enter(consumer, |end| end.peer_epoch()) })
}

/// Which ring this is.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn quoit_consumer_incarnation(consumer: *mut quoit_consumer) -> u64 {
    // SAFETY: null or valid, and this thread's.
    answer(0, || unsafe { enter(consumer, |end| end.incarnation()) })
}

/// Waits until a producer is attached. May sleep.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn quoit_consumer_wait_for_peer(
    consumer: *mut quoit_consumer,
    timeout_ns: u64,
) -> quoit_status {
    guard(|| {
        let wait = |end: &mut RawConsumer| end.wait_for_peer_timeout(deadline(timeout_ns));
        // SAFETY: null or valid, and this thread's.
        Ok(unsafe { enter(consumer, wait) }.ok_or(QUOIT_INVALID)??)
    })
}

/// What has poisoned the endpoint: the field, and the value that it cannot have. The field
/// is null for a healthy endpoint, and otherwise lives as long as the program.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn quoit_consumer_corruption(
    consumer: *mut quoit_consumer,
    field: *mut *const c_char,
    found: *mut u64,
) -> quoit_status {
    guard(|| {
        // SAFETY: null or valid, and this thread's.
        let corrupt = unsafe { enter(consumer, |end| end.corruption()) }.ok_or(QUOIT_INVALID)?;
        // SAFETY: null or valid.
        unsafe { tell(corrupt, field, found) }
    })
}

/// Counts messages that this program refused or skipped, for quoit_observer_sample and
/// quoit stat.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn quoit_consumer_count_dropped(
    consumer: *mut quoit_consumer,
    messages: u64,
) -> quoit_status {
    guard(|| {
        // SAFETY: null or valid, and this thread's.
        Ok(unsafe { enter(consumer, |end| end.count_dropped(messages)) }.ok_or(QUOIT_INVALID)?)
    })
}

/// Closes the endpoint and keeps its role: the producer sees what it sees when the endpoint is
/// freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn quoit_consumer_close(consumer: *mut quoit_consumer) -> quoit_status {
    guard(|| {
        // SAFETY: null or valid, and this thread's.
        Ok(unsafe { enter(consumer, |end| end.close()) }.ok_or(QUOIT_INVALID)?)
    })
}

/// Closes the endpoint and frees its role. Null is ignored.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn quoit_consumer_free(consumer: *mut quoit_consumer) {
    // SAFETY: null, or of quoit_ring_consumer and freed once.
    unsafe { handle::free(consumer) }
}

/// quoit_ring_consumer, for code that no header was compiled into.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn quoit_ring_consumer_abi(
    ring: *const quoit_ring,
    abi: u32,
    consumer: *mut *mut quoit_consumer,
) -> quoit_status {
    // SAFETY: null or valid.
    unsafe { handle::attach(ring, abi, consumer, RawRing::consumer) }
}
