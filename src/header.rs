//! The header: views of its pages, and the checks before any field is used.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::doorbell::{Bell, DoorbellKind};
use crate::error::{Corrupt, Error, Role};
use crate::layout::{
    CONSUMER_BYTE, DATA, Header, LAYOUT, MAGIC, PRODUCER_BYTE, RoleState, SHAPE_FRAMES, SHAPE_SLOTS,
};
use crate::segment::{Segment, random};
use crate::sync::{AtomicU32, AtomicU64, FORMAT, OPEN, PLAIN};

/// The header's three fields that say what a position counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Units {
    pub(crate) shape: u32,
    pub(crate) slot_size: u64,
    pub(crate) slot_align: u32,
}

/// The header's values, read once and checked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Geometry {
    pub(crate) capacity: u64,
    pub(crate) doorbell: DoorbellKind,
}

/// The header of a segment that is long enough for one.
pub(crate) fn header(segment: &Segment) -> &Header {
    debug_assert!(segment.length() >= DATA as u64);
    // SAFETY: this process mapped `length` bytes, and every caller has compared that length with
    // `DATA` first; a mapping begins at a page, and a header consists of atomics.
    unsafe { segment.base().cast::<Header>().as_ref() }
}

/// Writes the header of a fresh, zeroed segment; the magic last.
pub(crate) fn format(segment: &Segment, shape: Units, geometry: Geometry, schema: u64, first: u64) {
    let header = header(segment);
    let fixed = &header.fixed;
    fixed.layout.store(LAYOUT, PLAIN);
    fixed.shape.store(shape.shape, PLAIN);
    fixed.capacity.store(geometry.capacity, PLAIN);
    fixed.slot_size.store(shape.slot_size, PLAIN);
    fixed.slot_align.store(shape.slot_align, PLAIN);
    fixed.doorbell.store(geometry.doorbell.code(), PLAIN);
    fixed.schema.store(schema, PLAIN);
    fixed.incarnation.store(random(), PLAIN);
    fixed.created.store(now(), PLAIN);
    fixed.length.store(segment.length(), PLAIN);
    header.producer.tail.store(first, PLAIN);
    header.consumer.head.store(first, PLAIN);
    for role in [Role::Producer, Role::Consumer] {
        bell(header, geometry.doorbell, role).init();
    }
    // format -> open: all of the above is visible before the magic.
    fixed.magic.store(MAGIC, FORMAT);
}

/// The header of a segment that has one, of this version.
pub(crate) fn check_magic(segment: &Segment) -> Result<&Header, Error> {
    if segment.length() <= DATA as u64 {
        return Err(segment.not_a_ring("it is too short"));
    }
    let header = header(segment);
    // format -> open: the rest of the header is visible after the magic.
    if header.fixed.magic.load(OPEN) != MAGIC {
        return Err(segment.not_a_ring("it does not begin with quoit's magic"));
    }
    let found = header.fixed.layout.load(PLAIN);
    if found == LAYOUT {
        Ok(header)
    } else {
        Err(Error::VersionMismatch {
            found,
            expected: LAYOUT,
        })
    }
}

/// Checks a header against the caller's options and the segment's real length. Each field is read
/// once.
pub(crate) fn check(segment: &Segment, expected: Units, schema: u64) -> Result<Geometry, Error> {
    let fixed = &check_magic(segment)?.fixed;
    let shape = fixed.shape.load(PLAIN);
    if shape != expected.shape {
        return Err(Error::ShapeMismatch {
            name: segment.display_name().to_owned(),
            found: shape_name(shape),
            expected: shape_name(expected.shape),
            in_use: is_in_use(segment),
        });
    }
    let found = fixed.schema.load(PLAIN);
    let slot_size = fixed.slot_size.load(PLAIN);
    if found != schema {
        return Err(Error::SchemaMismatch {
            name: segment.display_name().to_owned(),
            found,
            expected: schema,
            found_size: slot_size,
            expected_size: expected.slot_size,
            in_use: is_in_use(segment),
        });
    }
    let corrupt = |field, found| Err(Error::Corrupt(Corrupt { field, found }));
    if slot_size != expected.slot_size {
        return corrupt("slot size", slot_size);
    }
    let slot_align = fixed.slot_align.load(PLAIN);
    if slot_align != expected.slot_align {
        return corrupt("slot align", slot_align.into());
    }
    let capacity = fixed.capacity.load(PLAIN);
    let Some(least) = least_length(shape, capacity, slot_size) else {
        return corrupt("capacity", capacity);
    };
    let whole = fixed.length.load(PLAIN);
    if segment.length() < least.max(whole) {
        return Err(segment.not_a_ring("it is shorter than its header says"));
    }
    if whole < least {
        return corrupt("length", whole);
    }
    let doorbell = fixed.doorbell.load(PLAIN);
    match DoorbellKind::from_code(doorbell) {
        Some(doorbell) => Ok(Geometry { capacity, doorbell }),
        None => Err(Error::DoorbellMismatch { found: doorbell }),
    }
}

/// Whether a process holds a role of the segment.
pub(crate) fn is_held(segment: &Segment) -> Result<bool, Error> {
    Ok(segment.is_locked(PRODUCER_BYTE)? || segment.is_locked(CONSUMER_BYTE)?)
}

/// For an error: `true` if the system cannot tell. A process can open an anonymous ring only if
/// another one has sent it, so such a ring always counts as in use.
pub(crate) fn is_in_use(segment: &Segment) -> bool {
    segment.descriptor().is_some() || is_held(segment).unwrap_or(true)
}

/// The shape as text.
fn shape_name(shape: u32) -> &'static str {
    match shape {
        SHAPE_SLOTS => "records",
        SHAPE_FRAMES => "frames",
        _ => "an unknown shape",
    }
}

/// Bytes of a segment of this shape and capacity, if it is possible.
pub(crate) fn length(shape: Units, capacity: u64) -> Option<u64> {
    least_length(shape.shape, capacity, shape.slot_size)
}

/// The least bytes of a segment, if it is possible.
pub(crate) fn least_length(shape: u32, capacity: u64, slot_size: u64) -> Option<u64> {
    let least = if shape == SHAPE_FRAMES { 64 } else { 1 };
    if !capacity.is_power_of_two() || capacity < least {
        return None;
    }
    let length = capacity.checked_mul(slot_size)?.checked_add(DATA as u64)?;
    isize::try_from(length).ok().map(|_| length)
}

/// Nanoseconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| time.as_nanos() as u64)
}
/// The bell that the endpoint with this role sleeps on.
pub(crate) fn bell(header: &Header, kind: DoorbellKind, role: Role) -> Bell {
    let semaphore = match role {
        Role::Producer => &header.sleep.producer_semaphore,
        Role::Consumer => &header.sleep.consumer_semaphore,
    };
    Bell::new(kind, semaphore, &state(header, other(role)).wakes)
}

/// The position of the peer of this role.
pub(crate) fn peer_position(header: &Header, role: Role) -> &AtomicU64 {
    match role {
        Role::Producer => &header.consumer.head,
        Role::Consumer => &header.producer.tail,
    }
}

/// The state word of the peer of this role.
pub(crate) fn peer_state(header: &Header, role: Role) -> &AtomicU64 {
    &state(header, other(role)).state
}

/// The state that the endpoint with this role stores.
pub(crate) fn state(header: &Header, role: Role) -> &RoleState {
    match role {
        Role::Producer => &header.producer.state,
        Role::Consumer => &header.consumer.state,
    }
}

#[inline(always)]
pub(crate) fn word(header: &Header, role: Role) -> &AtomicU32 {
    match role {
        Role::Producer => &header.sleep.producer,
        Role::Consumer => &header.sleep.consumer,
    }
}

pub(crate) fn byte(role: Role) -> u64 {
    match role {
        Role::Producer => PRODUCER_BYTE,
        Role::Consumer => CONSUMER_BYTE,
    }
}

pub(crate) fn other(role: Role) -> Role {
    match role {
        Role::Producer => Role::Consumer,
        Role::Consumer => Role::Producer,
    }
}
