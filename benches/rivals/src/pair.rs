//! Both ends made at once, of which each side takes its own.

use std::sync::{Arc, Mutex};

use crate::common::contest::Side;

/// For two threads, and for processes that part afterwards.
#[derive(Debug)]
pub(crate) struct Pair<L>(Arc<Mutex<[Option<L>; 2]>>);

impl<L> Pair<L> {
    pub(crate) fn new(lead: L, partner: L) -> Self {
        Self(Arc::new(Mutex::new([Some(lead), Some(partner)])))
    }

    pub(crate) fn link(&self) -> impl FnMut(Side) -> L + use<L> {
        let ends = self.0.clone();
        move |side| {
            let mut ends = ends.lock().expect("nobody panics with it");
            ends[side as usize].take().expect("each side opens once")
        }
    }
}
