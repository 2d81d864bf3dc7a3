//! What a call returns, and the text that says what to do.

use std::any::Any;
use std::cell::Cell;
use std::ffi::{CStr, c_char};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use quoit::handoff::HandoffError;
use quoit::{AsyncError, ClaimError, Corrupt, Deadline, Error, PeerError, PopError, SelectError};

/// The version of this header's structs and functions.
pub const QUOIT_ABI: u32 = 1;

/// A timeout that never expires.
pub const QUOIT_FOREVER: u64 = u64::MAX;

/// The result of a call.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum quoit_status {
    /// Success.
    QUOIT_OK = 0,
    /// The ring is full.
    QUOIT_FULL = 1,
    /// The ring is empty, or all frames were visited.
    QUOIT_EMPTY = 2,
    /// The timeout has expired.
    QUOIT_TIMED_OUT = 3,
    /// The peer has closed or crashed, and no message, or no room, is left.
    QUOIT_ABANDONED = 4,
    /// The ring was unlinked or replaced.
    QUOIT_SUPERSEDED = 5,
    /// The message never fits into this ring.
    QUOIT_TOO_LONG = 6,
    /// The buffer is shorter than the next frame, which stays in the ring.
    QUOIT_TOO_SHORT = 7,
    /// The ring never holds this many.
    QUOIT_TOO_MANY = 8,
    /// Memory of the ring holds an impossible value.
    QUOIT_CORRUPT = 9,
    /// A pointer is null, or an argument does not fit the ring.
    QUOIT_INVALID = 10,
    /// There is no ring of that name.
    QUOIT_NOT_FOUND = 11,
    /// There is a ring of that name.
    QUOIT_ALREADY_EXISTS = 12,
    /// A process holds the role or the ring.
    QUOIT_IN_USE = 13,
    /// The file is not a ring.
    QUOIT_NOT_A_RING = 14,
    /// The descriptor is not that of an anonymous ring.
    QUOIT_WRONG_DESCRIPTOR = 15,
    /// The ring or the message has another version.
    QUOIT_VERSION_MISMATCH = 16,
    /// The ring holds frames, and not records, or the other way around.
    QUOIT_SHAPE_MISMATCH = 17,
    /// The ring holds other records: size, alignment or tag differ.
    QUOIT_SCHEMA_MISMATCH = 18,
    /// The ring has another capacity.
    QUOIT_CAPACITY_MISMATCH = 19,
    /// The ring sleeps on what this build cannot wake, or what this call cannot wait for.
    QUOIT_DOORBELL_MISMATCH = 20,
    /// There is not enough memory.
    QUOIT_NO_MEMORY = 21,
    /// The limit on the size of files is too low.
    QUOIT_FILE_SIZE_LIMIT = 22,
    /// A system call failed.
    QUOIT_IO = 23,
    /// No ring can have that name.
    QUOIT_INVALID_NAME = 24,
    /// No ring can have that capacity.
    QUOIT_INVALID_CAPACITY = 25,
    /// Header and library are of different versions.
    QUOIT_ABI_MISMATCH = 26,
    /// The kernel or this process cannot do that.
    QUOIT_UNSUPPORTED = 27,
    /// The thread that waits for descriptors has ended.
    QUOIT_REACTOR_DIED = 28,
    /// The other side of the socket is closed.
    QUOIT_CLOSED = 29,
    /// The message on the socket is not a ring.
    QUOIT_OTHER_MESSAGE = 30,
    /// The library has a bug: it panicked, and the message is on standard error.
    QUOIT_INTERNAL = 31,
}

use quoit_status::*;

/// Why a call has failed.
pub(crate) struct Fault {
    status: quoit_status,
    /// `None` where the status says it all, so that nothing is allocated.
    text: Option<String>,
}

/// Bytes of the longest text that is remembered, with the zero at its end. Only a path makes a longer
/// one.
const LONGEST: usize = 2048;

thread_local! {
    /// In one place: `printf("%d %s", call(), quoit_last_error())` may ask before the call.
    static LAST: Cell<[u8; LONGEST]> = const { Cell::new([0; LONGEST]) };
}

/// Statuses that no call has a text of. Loops get them all the time.
const PLAIN: [quoit_status; 6] = [
    QUOIT_FULL,
    QUOIT_EMPTY,
    QUOIT_ABANDONED,
    QUOIT_TOO_LONG,
    QUOIT_TOO_SHORT,
    QUOIT_TOO_MANY,
];

impl From<quoit_status> for Fault {
    fn from(status: quoit_status) -> Self {
        Self { status, text: None }
    }
}

/// What the advice calls things, and what they are called here.
const WORDS: [(&str, &str); 9] = [
    (
        "RingOptions::stale(StalePolicy::Replace)",
        "QUOIT_STALE_REPLACE",
    ),
    (
        "RingOptions::mode(0o666), or 0o660",
        "quoit_options_mode and 0666, or 0660",
    ),
    ("RingOptions::mode", "quoit_options_mode"),
    ("RingOptions::schema_tag", "tag"),
    ("RingOptions::create_anonymous", "quoit_create_anonymous"),
    ("DoorbellKind::Futex", "QUOIT_DOORBELL_FUTEX"),
    ("handoff::send", "quoit_send"),
    ("use open_or_create", "use quoit_open_or_create"),
    ("use open, which", "use quoit_open, which"),
];

impl Fault {
    fn new(status: quoit_status, error: impl ToString) -> Self {
        let text = error.to_string();
        let text = WORDS
            .iter()
            .fold(text, |text, (rust, c)| text.replace(rust, c));
        let text = Some(text);
        Self { status, text }
    }

    pub(crate) fn invalid(text: &str) -> Self {
        Self::new(QUOIT_INVALID, text)
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let status = match &error {
            Error::InvalidName { .. } => QUOIT_INVALID_NAME,
            Error::InvalidCapacity { .. } => QUOIT_INVALID_CAPACITY,
            Error::AlreadyExists { .. } => QUOIT_ALREADY_EXISTS,
            Error::NotFound { .. } => QUOIT_NOT_FOUND,
            Error::InUse { .. } => QUOIT_IN_USE,
            Error::NotARing { .. } => QUOIT_NOT_A_RING,
            Error::WrongDescriptor { .. } => QUOIT_WRONG_DESCRIPTOR,
            Error::VersionMismatch { .. } => QUOIT_VERSION_MISMATCH,
            Error::ShapeMismatch { .. } => QUOIT_SHAPE_MISMATCH,
            Error::SchemaMismatch { .. } => QUOIT_SCHEMA_MISMATCH,
            Error::CapacityMismatch { .. } => QUOIT_CAPACITY_MISMATCH,
            Error::DoorbellMismatch { .. } => QUOIT_DOORBELL_MISMATCH,
            Error::NotEnoughMemory { .. } => QUOIT_NO_MEMORY,
            Error::FileSizeLimit { .. } => QUOIT_FILE_SIZE_LIMIT,
            Error::Superseded { .. } => QUOIT_SUPERSEDED,
            Error::Corrupt(_) => QUOIT_CORRUPT,
            _ => QUOIT_IO,
        };
        Self::new(status, error)
    }
}

impl From<ClaimError> for Fault {
    fn from(error: ClaimError) -> Self {
        Self::from(match error {
            ClaimError::Full => QUOIT_FULL,
            ClaimError::TimedOut => QUOIT_TIMED_OUT,
            ClaimError::Abandoned => QUOIT_ABANDONED,
            ClaimError::Superseded => QUOIT_SUPERSEDED,
            ClaimError::TooLong { .. } => QUOIT_TOO_LONG,
            ClaimError::Corrupt => QUOIT_CORRUPT,
            ClaimError::ReactorDied => QUOIT_REACTOR_DIED,
        })
    }
}

impl From<PopError> for Fault {
    fn from(error: PopError) -> Self {
        Self::from(match error {
            PopError::Empty => QUOIT_EMPTY,
            PopError::TimedOut => QUOIT_TIMED_OUT,
            PopError::Abandoned => QUOIT_ABANDONED,
            PopError::Superseded => QUOIT_SUPERSEDED,
            PopError::TooShort { .. } => QUOIT_TOO_SHORT,
            PopError::TooMany { .. } => QUOIT_TOO_MANY,
            PopError::Corrupt => QUOIT_CORRUPT,
            PopError::ReactorDied => QUOIT_REACTOR_DIED,
        })
    }
}

impl From<PeerError> for Fault {
    fn from(error: PeerError) -> Self {
        Self::from(match error {
            PeerError::TimedOut => QUOIT_TIMED_OUT,
            PeerError::Superseded => QUOIT_SUPERSEDED,
            PeerError::ReactorDied => QUOIT_REACTOR_DIED,
        })
    }
}

impl From<SelectError> for Fault {
    fn from(error: SelectError) -> Self {
        let status = match error {
            SelectError::TimedOut => return QUOIT_TIMED_OUT.into(),
            SelectError::NotAFutex { .. } => QUOIT_DOORBELL_MISMATCH,
            SelectError::Unsupported(_) => QUOIT_UNSUPPORTED,
            _ => QUOIT_INVALID,
        };
        Self::new(status, error)
    }
}

impl From<AsyncError> for Fault {
    fn from(error: AsyncError) -> Self {
        let status = match error {
            AsyncError::NotAFutex => QUOIT_DOORBELL_MISMATCH,
            AsyncError::ReactorDied => QUOIT_REACTOR_DIED,
            AsyncError::NoThread(_) | AsyncError::NoDescriptor(_) => QUOIT_IO,
            _ => QUOIT_UNSUPPORTED,
        };
        Self::new(status, error)
    }
}

impl From<HandoffError> for Fault {
    fn from(error: HandoffError) -> Self {
        let status = match error {
            HandoffError::Ring(error) => return error.into(),
            HandoffError::Named { .. } => QUOIT_INVALID,
            HandoffError::Closed => QUOIT_CLOSED,
            HandoffError::TimedOut => QUOIT_TIMED_OUT,
            HandoffError::VersionMismatch { .. } => QUOIT_VERSION_MISMATCH,
            HandoffError::OtherMessage | HandoffError::NotOneDescriptor { .. } => {
                QUOIT_OTHER_MESSAGE
            }
            _ => QUOIT_IO,
        };
        Self::new(status, error)
    }
}

/// Runs a call; no panic leaves it.
pub(crate) fn guard(call: impl FnOnce() -> Result<(), Fault>) -> quoit_status {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(())) => QUOIT_OK,
        Ok(Err(Fault { status, text })) => {
            // The text of an earlier failure is not that of this one.
            if !PLAIN.contains(&status) {
                remember(text);
            }
            status
        }
        Err(payload) => {
            forget(payload);
            remember(None);
            QUOIT_INTERNAL
        }
    }
}

/// [`guard`] for a call that only answers.
pub(crate) fn answer<R>(otherwise: R, call: impl FnOnce() -> Option<R>) -> R {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(answer) => answer.unwrap_or(otherwise),
        Err(payload) => {
            forget(payload);
            otherwise
        }
    }
}

/// A payload's drop may panic as well.
fn forget(payload: Box<dyn Any + Send>) {
    std::mem::forget(payload);
}

fn remember(text: Option<String>) {
    let text = text.unwrap_or_default().replace('\0', " ");
    let mut len = text.len().min(LONGEST - 1);
    while !text.is_char_boundary(len) {
        len -= 1;
    }
    let mut bytes = [0; LONGEST];
    bytes[..len].copy_from_slice(&text.as_bytes()[..len]);
    LAST.set(bytes);
}

/// Nanoseconds of the C side as a deadline.
pub(crate) fn deadline(timeout_ns: u64) -> Deadline {
    (timeout_ns != QUOIT_FOREVER)
        .then(|| Duration::from_nanos(timeout_ns))
        .into()
}

/// A name of the library as a C string.
fn field_text(field: &str) -> &'static CStr {
    const FIELDS: [&CStr; 6] = [
        c"head",
        c"tail",
        c"frame length",
        c"padding",
        c"capacity",
        c"length",
    ];
    let known = FIELDS
        .iter()
        .find(|known| known.to_bytes() == field.as_bytes());
    known.copied().unwrap_or(c"header")
}

/// Stores what has poisoned an endpoint.
pub(crate) unsafe fn tell(
    corrupt: Option<Corrupt>,
    field: *mut *const c_char,
    found: *mut u64,
) -> Result<(), Fault> {
    // SAFETY: null or valid.
    let field = unsafe { field.as_mut() }.ok_or(QUOIT_INVALID)?;
    // SAFETY: null or valid.
    let found = unsafe { found.as_mut() }.ok_or(QUOIT_INVALID)?;
    *field = corrupt.map_or(std::ptr::null(), |corrupt| {
        field_text(corrupt.field).as_ptr()
    });
    *found = corrupt.map_or(0, |corrupt| corrupt.found);
    Ok(())
}

/// A C string as text.
pub(crate) unsafe fn text<'a>(pointer: *const c_char) -> Result<&'a str, Fault> {
    if pointer.is_null() {
        return Err(QUOIT_INVALID.into());
    }
    // SAFETY: the caller gives a string that ends with a zero.
    let text = unsafe { CStr::from_ptr(pointer) };
    text.to_str()
        .map_err(|_| Fault::invalid("the text is not UTF-8; give one that is"))
}

/// A text that says what to do about a status, valid until the program ends. An unknown status
/// has a text as well.
#[unsafe(no_mangle)]
pub extern "C" fn quoit_status_text(status: i32) -> *const c_char {
    const TEXTS: [&CStr; 32] = [
        c"the call succeeded",
        c"the ring is full; wait for room, or drop the message",
        c"the ring is empty; wait for a message",
        c"the timeout has expired; wait again, or do something else",
        c"the peer has closed or crashed, and all that it left was taken; wait for another peer, or end",
        c"the ring was unlinked or replaced; open its name again",
        c"the message never fits; split it, or create a larger ring",
        c"the buffer is shorter than the next frame, which stays in the ring; give a longer one",
        c"the ring never holds this many; ask for fewer, or create a larger ring",
        c"the ring is corrupt; ask the endpoint for its corruption, and replace the ring",
        c"an argument is null or does not fit; quoit_last_error may say why",
        c"there is no ring of that name; create it first, or use quoit_open_or_create",
        c"there is a ring of that name; open it, replace it, or choose another name",
        c"a process holds the role or the ring; stop it first",
        c"the file is not a ring; choose another name, or remove the file",
        c"the descriptor is not that of a ring without a name; send one of quoit_create_anonymous",
        c"the versions differ; build both programs with the same version of quoit",
        c"the ring holds frames and not records, or the other way around; open it as what it is",
        c"the records differ in size, alignment or tag; use those of the other program",
        c"the ring has another capacity; ask for that one, or use quoit_open",
        c"the ring sleeps on a semaphore that cannot be used here; create it with QUOIT_DOORBELL_FUTEX",
        c"there is not enough memory; quoit_last_error says how much the ring takes",
        c"the limit on the size of files is too low; raise it with ulimit -f",
        c"the system has refused; quoit_last_error says what",
        c"no ring can have that name; quoit_last_error says why",
        c"no ring can have that capacity; quoit_last_error says why",
        c"header and library are of different versions; build with the header of the library",
        c"the kernel or this process cannot do that; quoit_last_error says why",
        c"the thread that waits for descriptors has ended; quoit_last_error says why; arm again",
        c"the other side of the socket is closed; connect again",
        c"the message is not a ring; close the socket, and send nothing else before quoit_send",
        c"a bug of quoit was met; report it with what is on standard error",
    ];
    let text = usize::try_from(status).ok();
    let text = text.and_then(|index| TEXTS.get(index));
    text.unwrap_or(&c"there is no such status").as_ptr()
}

/// The details of the last failed call of this thread, where the status alone does not suffice. Empty if
/// there are none. The place is the same for as long as the thread runs: the next failure replaces the
/// text.
#[unsafe(no_mangle)]
pub extern "C" fn quoit_last_error() -> *const c_char {
    LAST.with(Cell::as_ptr).cast_const().cast()
}

/// Has quoit_last_error say why an argument was refused. For quoit_inline.h. Returns QUOIT_INVALID.
/// cbindgen:postfix=__attribute__((cold))
#[unsafe(no_mangle)]
pub unsafe extern "C" fn quoit_invalid(why: *const c_char) -> quoit_status {
    // SAFETY: null or a string.
    guard(|| Err(Fault::invalid(unsafe { text(why) }?)))
}

/// The ABI of this library: compare it with QUOIT_ABI of the header.
#[unsafe(no_mangle)]
pub extern "C" fn quoit_abi_version() -> u32 {
    QUOIT_ABI
}

/// The layout version of the rings that this library knows.
#[unsafe(no_mangle)]
pub extern "C" fn quoit_layout_version() -> u32 {
    quoit::raw::LAYOUT_VERSION
}

/// The version of this library, as in "0.1.0".
#[unsafe(no_mangle)]
pub extern "C" fn quoit_version() -> *const c_char {
    const VERSION: &CStr =
        match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
            Ok(version) => version,
            Err(_) => panic!("a version has no zero"),
        };
    VERSION.as_ptr()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_advice_names_a_call_of_rust() {
        let texts = include_str!("../../../tests/api/errors.txt");
        let texts = texts.lines().filter_map(|line| line.strip_prefix("    "));
        let advice = include_str!("../../../tests/api/advice.txt").lines();
        let texts: Vec<_> = texts.chain(advice).collect();
        assert!(texts.iter().any(|text| text.contains("RingOptions::mode(")));
        for text in texts {
            let text = Fault::new(QUOIT_IO, text).text.expect("a text");
            assert!(!text.contains("::") && !text.contains("0o"), "{text}");
        }
    }
}
