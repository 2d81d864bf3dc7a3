//! Why an endpoint cannot be registered with the reactor.

use core::fmt;
use std::error;
use std::io;
use std::sync::{Mutex, PoisonError};

use crate::doorbell::MOST_WORDS;
use crate::error::debug_as_display;

/// The endpoints that can be registered at once: all words except the reactor's own.
pub(crate) const MOST_ENDS: usize = MOST_WORDS - 1;

/// Why an endpoint cannot be used in async code, or in an event loop.
#[non_exhaustive]
pub enum AsyncError {
    /// The endpoint sleeps on a semaphore: you can wait for several rings only with
    /// [`DoorbellKind::Futex`](crate::DoorbellKind::Futex).
    NotAFutex,
    /// 127 endpoints of this process are async or pollable already: one wait takes no more.
    TooManyEnds,
    /// The system cannot wait for many words; Linux can from 5.16 on.
    Unsupported(io::Error),
    /// The thread that waits for all rings could not be started.
    NoThread(io::Error),
    /// There is no descriptor for another eventfd.
    NoDescriptor(io::Error),
    /// This process is a child of `fork` whose parent had async or pollable endpoints, and with them
    /// the thread that waits. It can have none before its `exec`.
    Forked,
    /// The thread that waits for all rings has ended, because the kernel refused its waits or by a
    /// panic of the library. The next wait starts another one.
    ReactorDied,
}

impl fmt::Display for AsyncError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAFutex => f.write_str(
                "the ring sleeps on a semaphore; create it with DoorbellKind::Futex \
                 to wait for it in async code or in an event loop",
            ),
            Self::TooManyEnds => write!(
                f,
                "this process has {MOST_ENDS} async or pollable endpoints already; drop one, \
                 or wait for the ring in a thread of its own"
            ),
            Self::Unsupported(source) => write!(
                f,
                "this kernel cannot wait for many rings ({source}); Linux 5.16 can; wait for \
                 the ring in a thread of its own"
            ),
            Self::NoThread(source) => write!(
                f,
                "could not start the thread quoit-reactor: {source}; end other threads, or raise \
                 the limit with ulimit -u"
            ),
            Self::NoDescriptor(source) => write!(
                f,
                "could not make an eventfd: {source}; close other files, or raise the limit \
                 with ulimit -n"
            ),
            Self::Forked => f.write_str(
                "this process was forked, and the thread quoit-reactor is its parent's; \
                 fork before the parent makes an async or pollable endpoint, or have the child \
                 start another program",
            ),
            Self::ReactorDied => f.write_str(
                "the thread quoit-reactor has ended; see whether a seccomp filter forbids \
                 futex_waitv; the next wait starts it again",
            ),
        }
    }
}

debug_as_display!(
    enum AsyncError {
        NotAFutex,
        TooManyEnds,
        Unsupported(source),
        NoThread(source),
        NoDescriptor(source),
        Forked,
        ReactorDied,
    }
);

impl error::Error for AsyncError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Unsupported(source) | Self::NoThread(source) | Self::NoDescriptor(source) => {
                Some(source)
            }
            _ => None,
        }
    }
}

impl From<AsyncError> for io::Error {
    fn from(error: AsyncError) -> Self {
        let kind = match &error {
            AsyncError::NotAFutex => io::ErrorKind::InvalidInput,
            AsyncError::TooManyEnds => io::ErrorKind::QuotaExceeded,
            AsyncError::Unsupported(_) | AsyncError::Forked => io::ErrorKind::Unsupported,
            AsyncError::NoThread(source) | AsyncError::NoDescriptor(source) => source.kind(),
            AsyncError::ReactorDied => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}

/// Why an endpoint cannot be used in async code or in an event loop, and the endpoint.
///
/// # Examples
///
/// `?` converts it to any boxed error, and frees the role:
///
/// ```
/// # use std::error::Error;
/// fn wait(consumer: quoit::Consumer<u64>) -> Result<(), Box<dyn Error + Send + Sync>> {
///     let consumer = consumer.into_pollable()?;
///     # drop(consumer);
///     Ok(())
/// }
/// ```
pub struct IntoAsyncError<E> {
    // An endpoint is not `Sync`, and an error has to be.
    end: Mutex<E>,
    reason: AsyncError,
}

impl<E> IntoAsyncError<E> {
    pub(crate) fn new(end: E, reason: AsyncError) -> Self {
        let end = Mutex::new(end);
        Self { end, reason }
    }

    pub(in crate::adapters) fn into_parts(self) -> (E, AsyncError) {
        let end = self.end.into_inner();
        (end.unwrap_or_else(PoisonError::into_inner), self.reason)
    }

    /// The endpoint, unchanged, with its role.
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    pub fn into_inner(self) -> E {
        self.into_parts().0
    }

    /// The reason alone.
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    pub fn reason(&self) -> &AsyncError {
        &self.reason
    }
}

/// Shows the reason, never the endpoint.
impl<E> fmt::Debug for IntoAsyncError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.reason, f)
    }
}

impl<E> fmt::Display for IntoAsyncError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reason.fmt(f)
    }
}

impl<E> error::Error for IntoAsyncError<E> {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        self.reason.source()
    }
}

/// Drops the endpoint, and its role is free.
impl<E> From<IntoAsyncError<E>> for AsyncError {
    fn from(error: IntoAsyncError<E>) -> Self {
        error.reason
    }
}

/// Drops the endpoint, and its role is free.
impl<E> From<IntoAsyncError<E>> for io::Error {
    fn from(error: IntoAsyncError<E>) -> Self {
        error.reason.into()
    }
}
