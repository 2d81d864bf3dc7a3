//! Stands for `crate::segment` in `header.rs`: memory with a header, and no file.

use core::mem::MaybeUninit;
use core::ptr::NonNull;

use crate::error::Error;
use crate::layout::{DATA, Header};

/// A new segment, zeroed.
pub(crate) struct Segment(Box<Header>);

impl Segment {
    pub(crate) fn new() -> Self {
        // SAFETY: a header has only integers, for which zero is valid.
        let header = unsafe { MaybeUninit::<Header>::zeroed().assume_init() };
        Self(Box::new(header))
    }

    pub(crate) fn base(&self) -> NonNull<u8> {
        NonNull::from(&*self.0).cast()
    }

    /// The header, and one slot.
    pub(crate) fn length(&self) -> u64 {
        DATA as u64 + 8
    }

    pub(crate) fn display_name(&self) -> &str {
        "a model's"
    }

    pub(crate) fn descriptor(&self) -> Option<()> {
        None
    }

    pub(crate) fn is_locked(&self, _byte: u64) -> Result<bool, Error> {
        Ok(true)
    }

    pub(crate) fn not_a_ring(&self, reason: &'static str) -> Error {
        Error::NotARing(reason)
    }
}

/// A fixed incarnation.
pub(crate) fn random() -> u64 {
    4
}
