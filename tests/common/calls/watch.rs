//! A look into the calls of the table while they hold a part of the ring: at these moments a
//! suite may check where it is, and write to the segment as a stray process would.

use std::cell::RefCell;

/// A moment within a call.
pub(crate) enum Moment {
    /// It holds these bytes of the ring, or of the endpoint's copy.
    Holds(*const u8, usize),
    /// It holds nothing, and continues.
    Pauses,
    /// The same, after it has found corruption: it stores nothing from now on.
    Refused,
}

/// What sees the moments, and whether the ring changes at no other time.
type Watch = (Box<dyn FnMut(Moment)>, bool);

thread_local! {
    static WATCH: RefCell<Option<Watch>> = const { RefCell::new(None) };
}

/// Runs a call whose moments `watcher` sees. Unless `alone`, others write to the ring at any time.
pub(crate) fn watched<R>(
    alone: bool,
    watcher: impl FnMut(Moment) + 'static,
    call: impl FnOnce() -> R,
) -> R {
    WATCH.set(Some((Box::new(watcher), alone)));
    let result = call();
    WATCH.take();
    result
}

pub(crate) fn tell(moment: Moment) {
    WATCH.with_borrow_mut(|watch| {
        if let Some((watcher, _)) = watch {
            watcher(moment);
        }
    });
}

/// Whether the ring changes at the moments alone. Only then a call may borrow from it, and
/// what it reads twice is the same.
pub(crate) fn is_alone() -> bool {
    WATCH.with_borrow(|watch| watch.as_ref().is_none_or(|(_, alone)| *alone))
}
