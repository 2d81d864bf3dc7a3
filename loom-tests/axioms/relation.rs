//! Relations over the events of one execution, a row of bits for each event, with the
//! operators of `.cat` files.

use std::ops::{BitOr, BitOrAssign};

/// The largest number of events of an execution.
pub(crate) const MOST: usize = 64;

/// A set of events, a bit for each.
pub(crate) type Set = u64;

/// The events of a set.
pub(crate) fn members(mut set: Set) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        (set != 0).then(|| {
            let first = set.trailing_zeros() as usize;
            set &= set - 1;
            first
        })
    })
}

#[derive(Clone, Copy)]
pub(crate) struct Relation {
    /// The events that each event is related to.
    rows: [Set; MOST],
    /// The number of events of the execution.
    count: usize,
}

impl Relation {
    pub(crate) fn new(count: usize) -> Self {
        assert!(count <= MOST, "an execution has {count} events");
        Self {
            rows: [0; MOST],
            count,
        }
    }

    pub(crate) fn insert(&mut self, from: usize, to: usize) {
        self.rows[from] |= 1 << to;
    }

    pub(crate) fn has(&self, from: usize, to: usize) -> bool {
        self.rows[from] >> to & 1 == 1
    }

    /// The events that an event is related to.
    pub(crate) fn row(&self, from: usize) -> Set {
        self.rows[from]
    }

    /// `self; next`.
    pub(crate) fn then(&self, next: &Self) -> Self {
        let mut both = Self::new(self.count);
        for from in 0..self.count {
            for middle in members(self.rows[from]) {
                both.rows[from] |= next.rows[middle];
            }
        }
        both
    }

    /// The events that are related to some other.
    pub(crate) fn domain(&self) -> Set {
        let rows = self.rows.iter().enumerate();
        rows.fold(0, |set, (event, &row)| set | Set::from(row != 0) << event)
    }

    /// `self^-1`.
    pub(crate) fn inverse(&self) -> Self {
        let mut inverse = Self::new(self.count);
        for from in 0..self.count {
            for to in members(self.rows[from]) {
                inverse.insert(to, from);
            }
        }
        inverse
    }

    /// `self+`.
    pub(crate) fn plus(mut self) -> Self {
        for middle in 0..self.count {
            let onward = self.rows[middle];
            for row in &mut self.rows[..self.count] {
                if *row >> middle & 1 == 1 {
                    *row |= onward;
                }
            }
        }
        self
    }

    /// `self?`.
    pub(crate) fn optional(mut self) -> Self {
        for event in 0..self.count {
            self.insert(event, event);
        }
        self
    }

    /// `[from]; self`.
    pub(crate) fn from(mut self, from: Set) -> Self {
        for (event, row) in self.rows[..self.count].iter_mut().enumerate() {
            if from >> event & 1 == 0 {
                *row = 0;
            }
        }
        self
    }

    /// `self; [to]`.
    pub(crate) fn to(mut self, to: Set) -> Self {
        for row in &mut self.rows[..self.count] {
            *row &= to;
        }
        self
    }

    /// `self & other`.
    pub(crate) fn and(mut self, other: &Self) -> Self {
        for (row, other) in self.rows.iter_mut().zip(other.rows) {
            *row &= other;
        }
        self
    }

    /// `self \ other`.
    pub(crate) fn without(mut self, other: &Self) -> Self {
        for (row, other) in self.rows.iter_mut().zip(other.rows) {
            *row &= !other;
        }
        self
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows == [0; MOST]
    }

    pub(crate) fn is_irreflexive(&self) -> bool {
        (0..self.count).all(|event| !self.has(event, event))
    }

    pub(crate) fn is_acyclic(&self) -> bool {
        self.plus().is_irreflexive()
    }
}

impl BitOr for Relation {
    type Output = Self;

    fn bitor(mut self, other: Self) -> Self {
        self |= other;
        self
    }
}

impl BitOrAssign for Relation {
    fn bitor_assign(&mut self, other: Self) {
        for (row, other) in self.rows.iter_mut().zip(other.rows) {
            *row |= other;
        }
    }
}
