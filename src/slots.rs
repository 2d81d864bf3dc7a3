//! The layout of records: adjacent slots, one for each position, and their cache lines.

use crate::cursor::RIDE_WORDS;
use crate::sync::LINE;

/// Lines of a group, whose transfers overlap. With more, lines of a large ring would leave
/// the first-level cache before their use.
const GROUP: usize = 8;
/// The same in a ring that stays in that cache.
const GROUP_IN_CACHE: usize = 16;
/// The groups of a lap, at least. With fewer, one endpoint waits while the other is at work
/// on its group.
const GROUPS: usize = 4;
/// The most lines of a message that are fetched in advance.
const MOST: usize = 17;
/// From this many consecutive bytes on, the processor prefetches lines itself.
const FAR: usize = 8192;
/// Bytes of the first cache of most processors.
const FIRST_CACHE: usize = 32768;

/// The cache lines of a ring's units.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lines {
    /// Bytes per unit.
    unit: usize,
    /// Bytes of the ring.
    bytes: usize,
    /// Units per line, if they divide it, otherwise 1.
    per_line: u64,
    /// Units per group, at least one.
    per_group: u64,
}

impl Lines {
    pub(crate) const fn new(unit: usize, capacity: u64) -> Self {
        let divides = LINE % unit == 0;
        let bytes = unit * capacity as usize;
        let most = if bytes > FIRST_CACHE {
            GROUP
        } else {
            GROUP_IN_CACHE
        };
        let lines = match bytes / LINE / GROUPS {
            0 => 1,
            lines if lines < most => lines,
            _ => most,
        };
        let per_group = lines * LINE / unit;
        Self {
            unit,
            bytes,
            per_line: if divides { (LINE / unit) as u64 } else { 1 },
            per_group: if per_group == 0 { 1 } else { per_group as u64 },
        }
    }

    /// Units per group, and units per line: for a fast path in another language.
    pub(crate) fn sizes(&self) -> (u64, u64) {
        (self.per_group, self.per_line)
    }

    /// Whether `known` units from `position` on are a part of a line whose rest the peer is
    /// using.
    #[inline]
    pub(crate) fn is_scrap(&self, position: u64, known: u64) -> bool {
        known < self.per_line - (position & (self.per_line - 1))
    }

    /// How many of the known units from `position` on to open; at least one.
    #[inline]
    pub(crate) fn group(&self, position: u64, known: u64) -> u64 {
        let units = known.min(self.per_group);
        let beyond = position.wrapping_add(units) & (self.per_line - 1);
        // Whole lines, unless there is none.
        if beyond < units {
            units - beyond
        } else {
            units
        }
    }

    /// Whether this many units have more lines than it is useful to request.
    #[inline]
    pub(crate) fn are_far(&self, units: u64) -> bool {
        units as usize * self.unit > FAR
    }

    /// Whether the ring is larger than a processor's first cache.
    #[inline]
    pub(crate) fn outgrow_cache(&self) -> bool {
        self.bytes > FIRST_CACHE
    }

    /// Whether a message of this many units has more lines than are fetched.
    #[inline]
    pub(crate) fn are_many(&self, units: u64) -> bool {
        units as usize * self.unit > MOST * LINE
    }

    /// Calls `visit` with the offset of a byte of each line of `units` from the slot at
    /// `index` on. Each of these bytes belongs to one of the units.
    #[inline]
    pub(crate) fn each(&self, index: usize, units: u64, mut visit: impl FnMut(usize)) {
        let start = index * self.unit;
        let bytes = (units as usize * self.unit).min(MOST * LINE);
        let before_wrap = bytes.min(self.bytes - start);
        each_between(start, start + before_wrap, &mut visit);
        if before_wrap < bytes {
            each_between(0, bytes - before_wrap, &mut visit);
        }
    }
}

#[inline(always)]
fn each_between(start: usize, end: usize, visit: &mut impl FnMut(usize)) {
    visit(start);
    let mut line = (start | (LINE - 1)) + 1;
    while line < end {
        visit(line);
        line += LINE;
    }
}

/// Whether records of type `T` are also copied into the tail's line.
pub(crate) const fn is_inline<T>() -> bool {
    size_of::<T>() <= RIDE_WORDS * 8 && align_of::<T>() <= 8
}

/// The words of such a record there.
pub(crate) const fn inline_words<T>() -> usize {
    if is_inline::<T>() {
        size_of::<T>().div_ceil(8)
    } else {
        0
    }
}

/// How many of `count` slots from index `start` are before the end of the ring.
pub(crate) fn before_wrap(start: usize, count: usize, capacity: u64) -> usize {
    count.min(capacity as usize - start)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offsets(lines: Lines, index: usize, units: u64) -> Vec<usize> {
        let mut offsets = Vec::new();
        lines.each(index, units, |offset| offsets.push(offset));
        offsets
    }

    #[test]
    fn a_group_is_a_quarter_of_a_small_ring_and_whole_lines() {
        let lines = |capacity| Lines::new(8, capacity).group(0, capacity) / 8;
        assert_eq!([64, 128, 256].map(lines), [2, 4, 8]);
        assert_eq!([512, 1024, 4096].map(lines), [16, 16, 16]);
        assert_eq!([8192, 1 << 20].map(lines), [8, 8], "larger than the cache");
        let lines = Lines::new(8, 1 << 20);
        assert_eq!(lines.group(3, 1024), 61, "up to the end of the eighth line");
        assert_eq!(lines.group(3, 20), 13, "the third line is not whole");
        assert_eq!(Lines::new(64, 1024).group(5, 60), 8);
        assert_eq!(
            Lines::new(24, 4096).group(5, 60),
            21,
            "which divide no line"
        );
        assert_eq!(Lines::new(4096, 64).group(5, 60), 1);
        assert_eq!(
            Lines::new(8, 16).group(0, 16),
            8,
            "a line, which is half of it"
        );
        assert_eq!(Lines::new(8, 2).group(0, 2), 2);
    }

    #[test]
    fn a_group_is_never_empty_and_never_more_than_is_known() {
        for (unit, capacity) in [1, 2, 8, 16, 24, 32, 40, 64, 72, 4096]
            .into_iter()
            .flat_map(|unit| [2, 64, 1024, 1 << 16].map(|capacity| (unit, capacity)))
        {
            let lines = Lines::new(unit, capacity);
            for position in (0..130).chain(u64::MAX - 65..=u64::MAX) {
                for known in 1..600 {
                    let units = lines.group(position, known);
                    assert!((1..=known).contains(&units), "{unit} {position} {known}");
                }
            }
        }
    }

    #[test]
    fn a_scrap_does_not_reach_the_end_of_its_line() {
        let lines = Lines::new(8, 1024);
        assert!(lines.is_scrap(0, 7) && !lines.is_scrap(0, 8));
        assert!(lines.is_scrap(6, 1) && !lines.is_scrap(6, 2));
        assert!(lines.is_scrap(u64::MAX, 0) && !lines.is_scrap(u64::MAX, 1));
        assert!(!Lines::new(24, 64).is_scrap(5, 1), "each line is whole");
    }

    #[test]
    fn each_line_is_visited_once_at_a_byte_of_the_units() {
        let lines = Lines::new(8, 1024);
        assert_eq!(offsets(lines, 3, 5), [24]);
        assert_eq!(offsets(lines, 3, 6), [24, 64]);
        assert_eq!(offsets(lines, 1020, 13), [8160, 0, 64], "it wraps");
        assert_eq!(offsets(Lines::new(24, 4), 3, 2), [72, 0]);
        assert_eq!(offsets(Lines::new(24, 4), 0, 4), [0, 64]);
    }

    #[test]
    fn a_long_message_has_seventeen_lines_taken() {
        let lines = Lines::new(4096, 4);
        let offsets = offsets(lines, 2, 1);
        assert_eq!(offsets.len(), MOST);
        assert_eq!(offsets.last(), Some(&(8192 + 16 * 64)));
    }

    #[test]
    fn the_limits_of_a_message_are_in_bytes() {
        let lines = Lines::new(8, 1024);
        assert!(!lines.are_many(17 * 8) && lines.are_many(17 * 8 + 1));
        assert!(!lines.are_far(1024) && lines.are_far(1025));
        assert!(!Lines::new(8, 4096).outgrow_cache() && Lines::new(8, 8192).outgrow_cache());
    }
}
