//! Unlinks and replaces rings, and decides which ring is stale.

use std::io::ErrorKind;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::deadline::Deadline;
use crate::error::{Error, Holder, Role};
use crate::header::{byte, check_magic, header, is_held, state};
use crate::layout::{CONSUMER_BYTE, Header, NAME_BYTE, PRODUCER_BYTE};
use crate::peer::State;
use crate::segment::{Draft, LockFile, Name, Named, Segment};
use crate::sync::PLAIN;

/// Removes the name of a ring that no process holds, whatever its shape.
///
/// # Errors
///
/// [`Error::NotFound`], [`Error::InvalidName`]; [`Error::InUse`] while there is a producer or a
/// consumer; [`Error::NotARing`] for any other file, and [`Error::VersionMismatch`] for a ring of
/// another layout, which stay; [`Error::Superseded`] if another process removes or replaces it at
/// the same time; or an OS error.
///
/// # Real-time
///
/// Makes syscalls and allocates; waits up to 100 ms for another process that is replacing or
/// unlinking the same name, or closing its endpoint, and up to 1 s while this process forks.
///
/// ```
/// let name = format!("quoit-doc-unlink-{}", std::process::id());
/// quoit::RingOptions::new(64).create::<u64>(&name)?;
/// quoit::unlink(&name)?;
/// # Ok::<(), quoit::Error>(())
/// ```
pub fn unlink(name: impl AsRef<Path>) -> Result<(), Error> {
    let segment = opened(name.as_ref())?;
    check_magic(&segment)?;
    unlink_segment(&segment)
}

/// Removes the name of a stale ring: a ring that was in use and that no process
/// holds now. Returns `false`, and leaves the ring, if it is in use or if no process
/// has used it yet.
///
/// # Errors
///
/// [`Error::NotFound`], [`Error::InvalidName`]; [`Error::NotARing`] for any other file, and
/// [`Error::VersionMismatch`] for a ring of another layout, which stay; or an OS error.
///
/// # Real-time
///
/// As [`unlink`], but waits up to 200 ms for other processes.
///
/// ```
/// let name = format!("quoit-doc-stale-{}", std::process::id());
/// let ring = quoit::RingOptions::new(64).create::<u64>(&name)?;
/// assert!(!quoit::unlink_if_stale(&name)?); // not used yet
/// let producer = ring.producer()?;
/// assert!(!quoit::unlink_if_stale(&name)?); // in use
/// drop(producer);
/// assert!(quoit::unlink_if_stale(&name)?);
/// # Ok::<(), quoit::Error>(())
/// ```
pub fn unlink_if_stale(name: impl AsRef<Path>) -> Result<bool, Error> {
    unlink_stale_if(&opened(name.as_ref())?, |_| true)
}

/// Removes the name of a stale ring in which nothing is unread. Call it after you
/// have dropped your endpoint. Returns `false`, and leaves the ring, if it is in use,
/// if no process has used it yet, or if a message is left for the next consumer.
///
/// # Errors
///
/// As [`unlink_if_stale`].
///
/// # Real-time
///
/// As [`unlink_if_stale`].
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let name = format!("quoit-doc-read-{}", std::process::id());
/// let ring = quoit::RingOptions::new(64).create::<u64>(&name)?;
/// ring.producer()?.push(7)?; // and it closes
/// assert!(!quoit::unlink_if_read(&name)?);
/// assert_eq!(ring.consumer()?.pop(), Ok(7));
/// assert!(quoit::unlink_if_read(&name)?);
/// # Ok(())
/// # }
/// ```
pub fn unlink_if_read(name: impl AsRef<Path>) -> Result<bool, Error> {
    unlink_segment_if_read(&opened(name.as_ref())?)
}

fn opened(name: &Path) -> Result<Segment, Error> {
    Segment::open(&Name::parse(name)?)
}

pub(super) fn unlink_segment_if_read(segment: &Segment) -> Result<bool, Error> {
    unlink_stale_if(segment, |header| {
        header.producer.tail.load(PLAIN) == header.consumer.head.load(PLAIN)
    })
}

/// Calls `is_wanted` while it holds every lock, so that no process can take a role.
fn unlink_stale_if(
    segment: &Segment,
    is_wanted: impl FnOnce(&Header) -> bool,
) -> Result<bool, Error> {
    if !is_stale(segment)? {
        return Ok(false);
    }
    segment.check_place()?;
    match locked_all(segment) {
        Ok(_lock) if is_wanted(header(segment)) => {
            supersede(segment, || segment.unlink()).map(|()| true)
        }
        // Or another process was faster.
        Ok(_) | Err(Error::InUse { .. } | Error::Superseded { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

pub(super) fn unlink_segment(segment: &Segment) -> Result<(), Error> {
    segment.check_place()?;
    let _lock = locked_all(segment)?;
    supersede(segment, || segment.unlink())
}

/// Holds every lock of a segment until the returned file is dropped.
fn locked_all(segment: &Segment) -> Result<Option<LockFile>, Error> {
    let lock = segment.lock_file()?;
    if let Some(lock) = &lock {
        lock_all(segment, lock).map_err(|error| with_holder(segment, error))?;
    }
    Ok(lock)
}

/// Runs `take_name`, then marks the segment superseded, unless it has another name (a hard link). If
/// the first fails, or the process crashes in it, the ring stays valid; between the two the ring has
/// no name, which other processes see as well. The caller holds all locks.
pub(super) fn supersede<R>(
    segment: &Segment,
    take_name: impl FnOnce() -> Result<R, Error>,
) -> Result<R, Error> {
    let taken = take_name()?;
    if segment.descriptor().is_some() || !matches!(segment.is_nameless(), Ok(false)) {
        header(segment).fixed.superseded.store(1, PLAIN);
    }
    Ok(taken)
}

/// Each role and its byte.
const ROLES: [(Role, u64); 2] = [
    (Role::Producer, PRODUCER_BYTE),
    (Role::Consumer, CONSUMER_BYTE),
];

/// Whether the last holder of the role closed its endpoint. Then the lock is about to be free, or a
/// restarted process is about to open its epoch.
pub(super) fn has_closed(segment: &Segment, role: Role) -> bool {
    State::poll(&state(header(segment), role).state).is_closed()
}

/// Takes every lock of a segment, the name's first. The process that holds them
/// may rename over the name or unlink it.
pub(super) fn lock_all(segment: &Segment, lock: &LockFile) -> Result<(), Error> {
    let try_lock = |byte| {
        lock.try_lock(byte)
            .map_err(|source| segment.failed("lock", source))
    };
    let deadline = handover();
    // A process holds the name's byte for a moment only.
    if !deadline.retry(|| try_lock(NAME_BYTE))? {
        return Err(segment.failed("lock the name of", ErrorKind::TimedOut.into()));
    }
    for (role, byte) in ROLES {
        let may_take = || Ok(try_lock(byte)? || !has_closed(segment, role));
        if !deadline.retry(may_take)? || !try_lock(byte)? {
            return Err(in_use(segment, role));
        }
    }
    match segment.named()? {
        // Of a segment without a name only the mark says that it is superseded.
        Named::This
            if segment.descriptor().is_some()
                && header(segment).fixed.superseded.load(PLAIN) != 0 =>
        {
            Err(segment.superseded())
        }
        Named::This => Ok(()),
        Named::Another | Named::Nothing => Err(segment.superseded()),
    }
}

/// Until when a process waits for another one that is about to close an endpoint, to replace the
/// ring or to unlink it. Each call that locks asks once, however many locks it takes.
pub(super) fn handover() -> Deadline {
    Deadline::from(Duration::from_millis(100)).fixed()
}

/// Removes the name of a segment that is marked superseded: a client may mark it first, and crash.
/// If this process may not remove the name it clears the mark, as that client would have done, and
/// the ring stays valid.
pub(super) fn finish_unlink(segment: &Segment) -> Result<(), Error> {
    let mark = &header(segment).fixed.superseded;
    if mark.load(PLAIN) == 0 {
        return Ok(());
    }
    if let Some(lock) = &segment.lock_file()? {
        // If another process is about to finish, it needs no help.
        if lock_all(segment, lock).is_err() {
            return Err(segment.superseded());
        }
        // It may have failed instead, before this process had the locks.
        if mark.load(PLAIN) == 0 {
            return Ok(());
        }
        if segment.unlink().is_err() {
            mark.store(0, PLAIN);
            return Ok(());
        }
    }
    Err(segment.superseded())
}

/// Whether a role of the segment was taken before, and no process holds one.
pub(super) fn is_stale(segment: &Segment) -> Result<bool, Error> {
    let header = check_magic(segment)?;
    let states = [&header.producer.state, &header.consumer.state];
    if states.iter().all(|state| state.state.load(PLAIN) == 0) {
        return Ok(false);
    }
    let mut held = true;
    // A process that holds the name's byte, or closes, holds the roles' bytes for
    // a moment only.
    handover().retry(|| {
        held = is_held(segment)?;
        Ok(!held || !segment.is_locked(NAME_BYTE)? && !is_closing(segment)?)
    })?;
    Ok(!held)
}

/// Whether every locked role belongs to an endpoint that has closed.
fn is_closing(segment: &Segment) -> Result<bool, Error> {
    for (role, byte) in ROLES {
        if segment.is_locked(byte)? && !has_closed(segment, role) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Names the holder by the number that it stored.
pub(super) fn in_use(segment: &Segment, role: Role) -> Error {
    let pid = state(header(segment), role).pid.load(PLAIN);
    Error::InUse {
        role,
        holder: Holder::Unknown(pid),
    }
}

/// For an error: the holder as the kernel shows it.
pub(super) fn with_holder(segment: &Segment, error: Error) -> Error {
    match error {
        Error::InUse {
            role,
            holder: Holder::Unknown(pid),
        } => Error::InUse {
            role,
            holder: segment.holder(byte(role), pid),
        },
        other => other,
    }
}

/// Puts `draft` in the place of a ring that no process holds.
pub(super) fn replace(old: &Segment, draft: Draft) -> Result<Segment, Error> {
    let _lock = locked_all(old)?;
    supersede(old, || draft.replace())
}

/// Removes a ring that no process holds, if the new one needs its memory.
pub(super) fn make_room(old: &Segment, lack: Error) -> Result<(), Error> {
    let _lock = locked_all(old)?;
    match lack {
        Error::NotEnoughMemory {
            wanted, available, ..
        } if available.saturating_add(old.freed_by_unlink()?) >= wanted => {
            supersede(old, || old.unlink())
        }
        other => Err(other),
    }
}

pub(super) fn already_exists(segment: &Segment) -> Result<Error, Error> {
    Ok(Error::AlreadyExists {
        name: segment.display_name().to_owned(),
        in_use: is_held(segment)?,
    })
}

/// How long a name may change hands under a caller.
const RETRIES: Duration = Duration::from_millis(500);

/// Attempts in any case: a busy machine may take half a second for one.
const FEWEST: u32 = 10;

/// Retries while another process replaces or unlinks the name, for half a second: a
/// hostile process may pretend to do so forever.
pub(crate) fn retry_if_superseded<R>(
    mut attempt: impl FnMut() -> Result<R, Error>,
) -> Result<R, Error> {
    let begin = Instant::now();
    let mut attempts = 0;
    loop {
        attempts += 1;
        match attempt() {
            Err(Error::Superseded { .. }) if attempts < FEWEST || begin.elapsed() < RETRIES => {
                thread::yield_now();
            }
            other => return other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first attempt takes this long, and an attempt finds that the name has changed hands, by
    /// its number and the time since the first one.
    type Case = (Duration, fn(u32, Duration) -> bool);

    /// How many attempts there are, and whether the last one succeeds.
    fn attempts((first, is_overtaken): Case) -> (u32, bool) {
        let (begin, mut attempts) = (Instant::now(), 0);
        let found = retry_if_superseded(|| {
            attempts += 1;
            if attempts == 1 {
                thread::sleep(first);
            }
            let name = "overtaken".to_owned();
            match is_overtaken(attempts, begin.elapsed()) {
                true => Err(Error::Superseded { name }),
                false => Ok(()),
            }
        });
        (attempts, found.is_ok())
    }

    #[test]
    fn a_name_that_changes_hands_is_opened_within_half_a_second_or_ten_attempts() {
        // An attempt that takes long is not the last.
        assert_eq!(attempts((RETRIES, |number, _| number < 2)), (2, true));
        assert_eq!(attempts((RETRIES, |_, _| true)), (FEWEST, false));
        // Many short ones do not end it earlier.
        let short: Case = (Duration::ZERO, |number, time| {
            number < 200 && time < RETRIES / 2
        });
        assert!(attempts(short).1);
    }
}
