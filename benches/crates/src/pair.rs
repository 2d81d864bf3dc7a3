//! Both endpoints, created together; each side takes one.

use std::sync::{Arc, Mutex};

use crate::common::interleaved::Side;

/// For two threads, and for processes that fork afterwards.
#[derive(Debug)]
pub(crate) struct Pair<L>(Arc<Mutex<[Option<L>; 2]>>);

impl<L> Pair<L> {
    pub(crate) fn new(lead: L, partner: L) -> Self {
        Self(Arc::new(Mutex::new([Some(lead), Some(partner)])))
    }

    pub(crate) fn link(&self) -> impl FnMut(Side) -> L + use<L> {
        let ends = self.0.clone();
        move |side| {
            let mut ends = ends
                .lock()
                .expect("no thread panics while it holds the lock");
            ends[side as usize].take().expect("each side opens once")
        }
    }
}
