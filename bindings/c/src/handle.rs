//! What the handle of an endpoint points to: the public struct, and after it the endpoint of the
//! library.

use quoit::raw::{RawRing, Reachable};
use quoit::{Error, Interest};

use crate::ring::quoit_ring;
use crate::status::quoit_status::{self, QUOIT_ABI_MISMATCH, QUOIT_INVALID};
use crate::status::{QUOIT_ABI, answer, guard};

/// An endpoint as the fast path sees it.
pub(crate) trait View: Sized {
    /// The endpoint of the library.
    type Raw;
    fn new(raw: &Self::Raw) -> Self;
    /// Passes on what the fast path has done.
    fn lead(&self, raw: &mut Self::Raw);
    /// Takes over what the endpoint knows.
    fn refresh(&mut self, raw: &Self::Raw);
    fn interest(raw: &mut Self::Raw, wanted: u64) -> Interest<'_>;
}

#[repr(C)]
pub(crate) struct Handle<V: View> {
    pub(crate) view: V,
    pub(crate) raw: Reachable<V::Raw>,
}

/// The handle of a view: null, or of [`attach`] and this thread's.
pub(crate) unsafe fn handle<'a, V: View>(view: *mut V) -> Option<&'a mut Handle<V>> {
    // SAFETY: null or valid, and this thread's; every handle begins with its view.
    unsafe { view.cast::<Handle<V>>().as_mut() }
}

/// Runs a call on the endpoint, which first gets what the fast path has done.
pub(crate) unsafe fn enter<V: View, R>(
    view: *mut V,
    call: impl FnOnce(&mut V::Raw) -> R,
) -> Option<R> {
    // SAFETY: null or valid, and this thread's.
    let Handle { view, raw } = unsafe { handle(view) }?;
    let raw = raw.get();
    view.lead(raw);
    let result = call(raw);
    view.refresh(raw);
    Some(result)
}

/// What a select waits for. The endpoint is in step with its view, which is not null.
pub(crate) unsafe fn interest<'a, V: View + 'a>(view: *mut V, wanted: u64) -> Interest<'a> {
    // SAFETY: valid, and this thread's.
    let handle = unsafe { handle(view) }.expect("checked before the wait");
    V::interest(handle.raw.get(), wanted)
}

/// Takes a role of the ring.
pub(crate) unsafe fn attach<V: View>(
    ring: *const quoit_ring,
    abi: u32,
    view: *mut *mut V,
    take: impl FnOnce(&RawRing) -> Result<V::Raw, Error>,
) -> quoit_status {
    guard(|| {
        // SAFETY: null or valid.
        let place = unsafe { view.as_mut() }.ok_or(QUOIT_INVALID)?;
        *place = std::ptr::null_mut();
        if abi != QUOIT_ABI {
            return Err(QUOIT_ABI_MISMATCH.into());
        }
        // SAFETY: null or valid.
        let ring = unsafe { ring.as_ref() }.ok_or(QUOIT_INVALID)?;
        let raw = take(&ring.raw)?;
        let view = V::new(&raw);
        let raw = Reachable::new(raw);
        *place = Box::into_raw(Box::new(Handle { view, raw })).cast();
        Ok(())
    })
}

/// Frees the role. Null is ignored.
pub(crate) unsafe fn free<V: View>(view: *mut V) {
    if !view.is_null() {
        answer((), || {
            // SAFETY: it is of `attach`, and freed once.
            drop(unsafe { Box::from_raw(view.cast::<Handle<V>>()) });
            Some(())
        });
    }
}
