//! How a ring is created and opened.

use std::ffi::c_char;
use std::time::Duration;

use quoit::raw::{self, Content};
use quoit::{DoorbellKind, Fences, RingOptions, StalePolicy, WaitStrategy};

use crate::status::quoit_status::{self, QUOIT_INVALID};
use crate::status::{Fault, guard, text};

/// Wait by spinning; the only system call checks that the peer is alive.
pub const QUOIT_WAIT_SPIN: u32 = 0;
/// Spin, then yield the processor.
pub const QUOIT_WAIT_YIELD: u32 = 1;
/// Spin, then sleep: the default.
pub const QUOIT_WAIT_PARK: u32 = 2;
/// As park, but wakes just before a message if messages arrive evenly.
pub const QUOIT_WAIT_ADAPTIVE: u32 = 3;

/// Sleep on futexes: the default.
pub const QUOIT_DOORBELL_FUTEX: u32 = 0;
/// Sleep on POSIX semaphores.
pub const QUOIT_DOORBELL_SEMAPHORE: u32 = 1;

/// Take over a ring that no process holds: the default.
pub const QUOIT_STALE_TAKE_OVER: u32 = 0;
/// Replace a ring that no process holds.
pub const QUOIT_STALE_REPLACE: u32 = 1;
/// Fail with QUOIT_ALREADY_EXISTS.
pub const QUOIT_STALE_FAIL: u32 = 2;

/// The endpoint that sleeps pays for the fence: the default.
pub const QUOIT_FENCES_ASYMMETRIC: u32 = 0;
/// Both pay, and no barrier of another process interrupts this one.
pub const QUOIT_FENCES_SYMMETRIC: u32 = 1;

/// How a ring is created and opened; what it holds must be set. Frees nothing of a ring.
pub struct quoit_options {
    pub(crate) options: RingOptions,
    content: Option<Content>,
}

impl quoit_options {
    pub(crate) fn content(&self) -> Result<Content, Fault> {
        self.content.ok_or_else(|| {
            Fault::invalid("the options do not say what the ring holds; call quoit_options_records or quoit_options_frames")
        })
    }
}

/// Changes options.
unsafe fn change(
    options: *mut quoit_options,
    change: impl FnOnce(RingOptions) -> Option<RingOptions>,
) -> quoit_status {
    guard(|| {
        // SAFETY: null or valid, and this thread's.
        let options = unsafe { options.as_mut() }.ok_or(QUOIT_INVALID)?;
        let changed = change(options.options.clone());
        match changed {
            Some(changed) => options.options = changed,
            None => {
                return Err(Fault::invalid(
                    "there is no such choice; take a constant of quoit.h",
                ));
            }
        }
        Ok(())
    })
}

/// Options with every default. Free them with quoit_options_free.
#[unsafe(no_mangle)]
pub extern "C" fn quoit_options_new() -> *mut quoit_options {
    Box::into_raw(Box::new(quoit_options {
        options: RingOptions::default(),
        content: None,
    }))
}

/// Frees options. Null is ignored.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn quoit_options_free(options: *mut quoit_options) {
    if !options.is_null() {
        // SAFETY: it is of quoit_options_new, and freed once.
        drop(unsafe { Box::from_raw(options) });
    }
}

/// The ring holds records of this size and alignment. The tag is text that both programs
/// agree on, as in "tick/3"; a Rust program sets it by RingOptions::schema_tag, or has its
/// type's name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn quoit_options_records(
    options: *mut quoit_options,
    size: usize,
    align: usize,
    tag: *const c_char,
) -> quoit_status {
    guard(|| {
        // SAFETY: null or valid, and this thread's.
        let options = unsafe { options.as_mut() }.ok_or(QUOIT_INVALID)?;
        // SAFETY: null or a string.
        let tag = unsafe { text(tag) }?;
        let content = u32::try_from(align).ok();
        let content = content.and_then(|align| raw::records(size as u64, align));
        options.content = Some(content.ok_or_else(|| {
            Fault::invalid("a record has at least one byte and an alignment of 1 to 4096, a power of two that divides its size")
        })?);
        options.options = options.options.clone().schema_tag(tag);
        Ok(())
    })
}

/// The ring holds frames. The tag may be null for the usual one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn quoit_options_frames(
    options: *mut quoit_options,
    tag: *const c_char,
) -> quoit_status {
    guard(|| {
        // SAFETY: null or valid, and this thread's.
        let options = unsafe { options.as_mut() }.ok_or(QUOIT_INVALID)?;
        let tag = if tag.is_null() {
            "frames"
        } else {
            // SAFETY: a string.
            unsafe { text(tag) }?
        };
        options.content = Some(raw::frames());
        options.options = options.options.clone().schema_tag(tag);
        Ok(())
    })
}

/// The capacity of a new ring: records, or bytes for frames; a power of two.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn quoit_options_capacity(
    options: *mut quoit_options,
    capacity: u64,
) -> quoit_status {
    // SAFETY: null or valid.
    unsafe { change(options, |options| Some(options.capacity(capacity))) }
}

/// The mode of a new ring's file, from 0600, the default, to 0777.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn quoit_options_mode(
    options: *mut quoit_options,
    mode: u32,
) -> quoit_status {
    if !(0o600..=0o777).contains(&mode) {
        // As 660 in place of 0660: such a ring could not be opened.
        return guard(|| {
            Err(Fault::invalid(
                "mode bits are octal, from 0600 to 0777; write 0660, not 660",
            ))
        });
    }
    // SAFETY: null or valid.
    unsafe { change(options, |options| Some(options.mode(mode))) }
}

/// Whether every page is mapped immediately.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn quoit_options_prefault(
    options: *mut quoit_options,
    prefault: bool,
) -> quoit_status {
    // SAFETY: null or valid.
    unsafe { change(options, |options| Some(options.prefault(prefault))) }
}

/// Whether the memory is locked.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn quoit_options_lock_memory(
    options: *mut quoit_options,
    lock_memory: bool,
) -> quoit_status {
    // SAFETY: null or valid.
    unsafe { change(options, |options| Some(options.lock_memory(lock_memory))) }
}

/// What to do with a ring that no process holds: QUOIT_STALE_...
#[unsafe(no_mangle)]
pub unsafe extern "C" fn quoit_options_stale(
    options: *mut quoit_options,
    policy: u32,
) -> quoit_status {
    let policy = match policy {
        QUOIT_STALE_TAKE_OVER => Some(StalePolicy::TakeOver),
        QUOIT_STALE_REPLACE => Some(StalePolicy::Replace),
        QUOIT_STALE_FAIL => Some(StalePolicy::Fail),
        _ => None,
    };
    // SAFETY: null or valid.
    unsafe { change(options, |options| Some(options.stale(policy?))) }
}

/// Whether an endpoint that is freed after the other one removes the name of the ring. Set it
/// in both programs: the endpoint that closes last removes the name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn quoit_options_unlink_on_free(
    options: *mut quoit_options,
    unlink: bool,
) -> quoit_status {
    // SAFETY: null or valid.
    unsafe { change(options, |options| Some(options.unlink_on_drop(unlink))) }
}

/// What the endpoints of a new ring sleep on: QUOIT_DOORBELL_...
#[unsafe(no_mangle)]
pub unsafe extern "C" fn quoit_options_doorbell(
    options: *mut quoit_options,
    doorbell: u32,
) -> quoit_status {
    let doorbell = match doorbell {
        QUOIT_DOORBELL_FUTEX => Some(DoorbellKind::Futex),
        QUOIT_DOORBELL_SEMAPHORE => Some(DoorbellKind::Semaphore),
        _ => None,
    };
    // SAFETY: null or valid.
    unsafe { change(options, |options| Some(options.doorbell(doorbell?))) }
}

/// How this process waits: QUOIT_WAIT_...
#[unsafe(no_mangle)]
pub unsafe extern "C" fn quoit_options_wait_strategy(
    options: *mut quoit_options,
    strategy: u32,
) -> quoit_status {
    let strategy = match strategy {
        QUOIT_WAIT_SPIN => Some(WaitStrategy::Spin),
        QUOIT_WAIT_YIELD => Some(WaitStrategy::Yield),
        QUOIT_WAIT_PARK => Some(WaitStrategy::Park),
        QUOIT_WAIT_ADAPTIVE => Some(WaitStrategy::Adaptive),
        _ => None,
    };
    // SAFETY: null or valid.
    unsafe { change(options, |options| Some(options.wait_strategy(strategy?))) }
}

/// How long this process spins before it yields or sleeps, in nanoseconds.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn quoit_options_spin(
    options: *mut quoit_options,
    nanoseconds: u64,
) -> quoit_status {
    let spin = Duration::from_nanos(nanoseconds);
    // SAFETY: null or valid.
    unsafe { change(options, |options| Some(options.spin(spin))) }
}

/// How often a waiting endpoint checks that its peer is alive, in nanoseconds.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn quoit_options_peer_check(
    options: *mut quoit_options,
    nanoseconds: u64,
) -> quoit_status {
    let interval = Duration::from_nanos(nanoseconds);
    // SAFETY: null or valid.
    unsafe { change(options, |options| Some(options.peer_check(interval))) }
}

/// Which endpoint pays for a fence: QUOIT_FENCES_...
#[unsafe(no_mangle)]
pub unsafe extern "C" fn quoit_options_fences(
    options: *mut quoit_options,
    fences: u32,
) -> quoit_status {
    let fences = match fences {
        QUOIT_FENCES_ASYMMETRIC => Some(Fences::Asymmetric),
        QUOIT_FENCES_SYMMETRIC => Some(Fences::Symmetric),
        _ => None,
    };
    // SAFETY: null or valid.
    unsafe { change(options, |options| Some(options.fences(fences?))) }
}

/// The first position of a new ring, for tests of the wrap; a multiple of 8 for frames.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn quoit_options_first_position(
    options: *mut quoit_options,
    position: u64,
) -> quoit_status {
    // SAFETY: null or valid.
    unsafe { change(options, |options| Some(options.first_position(position))) }
}
