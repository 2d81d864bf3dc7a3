//! Both endpoints, created together; each side takes one. For two threads, and for processes that
//! fork afterwards.

use std::sync::{Arc, Mutex};

use super::interleaved::Side;

#[derive(Debug)]
pub(crate) struct Ends<L>(Arc<Mutex<[Option<L>; 2]>>);

impl<L> Ends<L> {
    pub(crate) fn new(lead: L, partner: L) -> Self {
        Self(Arc::new(Mutex::new([Some(lead), Some(partner)])))
    }

    /// Of a ring in each direction.
    pub(crate) fn of<S, R>([there, back]: [(S, R); 2], end: impl Fn(S, R) -> L) -> Self {
        let ((there, far), (back, near)) = (there, back);
        Self::new(end(there, near), end(back, far))
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
