//! Every error that the crate returns.
//!
//! Hot errors ([`PushError`], [`ClaimError`], [`PopError`]) are small enums;
//! cold ones ([`Error`]) say what to do. All convert into [`io::Error`].

mod advice;
mod hot;

use core::fmt;
use std::borrow::Cow;
use std::error;
use std::io;
use std::process;

use self::advice::{remedy, way_out};
pub(crate) use self::hot::NoRoom;
pub use self::hot::{ClaimError, PeerError, PopError, PushError};

/// `Debug` for an error: the text of its `Display`, so that `unwrap`, `expect` and
/// a `main` that returns it show what to do. `{:#?}` shows the variant and its
/// fields, as the derived form does.
///
/// ```text
/// debug_as_display!(struct Wrong { field, found });
/// debug_as_display!(enum Failure { TimedOut, NotFound { name }, Io(source) });
/// debug_as_display!(enum PushError<T> { Full(..), Corrupt(_, corrupt) });
/// ```
///
/// `..` and `_` leave out what is not to be shown.
macro_rules! debug_as_display {
    (struct $type:ident { $($field:ident),* $(,)? }) => {
        impl ::core::fmt::Debug for $type {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                if !f.alternate() {
                    return ::core::fmt::Display::fmt(self, f);
                }
                let Self { $($field),* } = self;
                f.debug_struct(stringify!($type))$(.field(stringify!($field), $field))*.finish()
            }
        }
    };
    (enum $type:ident $(<$parameter:ident>)? {
        $($variant:ident $({ $($field:ident),* })? $(( $($item:tt),* ))?),* $(,)?
    }) => {
        impl$(<$parameter>)? ::core::fmt::Debug for $type$(<$parameter>)? {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                if !f.alternate() {
                    return ::core::fmt::Display::fmt(self, f);
                }
                match self {
                    $(Self::$variant $({ $($field),* })? $(( $($item),* ))? => {
                        $crate::error::debug_as_display!(
                            @variant f, $variant $({ $($field),* })? $(( $($item),* ))?
                        )
                    })*
                }
            }
        }
    };
    (@variant $f:ident, $variant:ident) => {
        $f.write_str(stringify!($variant))
    };
    (@variant $f:ident, $variant:ident { $($field:ident),* }) => {
        $f.debug_struct(stringify!($variant))$(.field(stringify!($field), $field))*.finish()
    };
    (@variant $f:ident, $variant:ident ( $($item:tt),* )) => {
        $f.debug_tuple(stringify!($variant))
            $(.field($crate::error::debug_as_display!(@item $item)))*
            .finish()
    };
    (@item _) => { &::core::format_args!("_") };
    (@item ..) => { &::core::format_args!("..") };
    (@item $item:ident) => { $item };
}
pub(crate) use debug_as_display;

/// One of the two endpoints of a ring, for errors and for an [`Observer`](crate::Observer).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "complete: docs::api")]
pub enum Role {
    /// The endpoint that writes.
    Producer,
    /// The endpoint that reads.
    Consumer,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Producer => "producer",
            Self::Consumer => "consumer",
        })
    }
}

/// The process that holds a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Holder {
    /// The process with this id: the kernel shows that it has the lock.
    Known(u32),
    /// A process that this one cannot inspect: of another user, or in another PID namespace. The
    /// number is what the holder stored, and may be another process here.
    Unknown(u32),
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(pid) => write!(f, "process {pid}"),
            // Before a process has attached, or if one only locks the byte.
            Self::Unknown(0) => f.write_str("it has not said which process it is"),
            Self::Unknown(pid) => write!(
                f,
                "it calls itself process {pid}, perhaps in another PID namespace"
            ),
        }
    }
}

/// A value in the segment that breaks the rules of the layout.
///
/// The endpoint that found it is poisoned. Every later call that moves messages fails with
/// `Corrupt` and stores nothing; the endpoint's `corruption()` returns this value. Drop the
/// endpoint: that frees its role. Then take the role again, which checks both positions again; or
/// replace the ring, since the program that wrote this value may have written others, with
/// [`StalePolicy::Replace`](crate::StalePolicy::Replace).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Corrupt {
    /// The word or field, as `layout.md` calls it.
    pub field: &'static str,
    /// The value that was found.
    pub found: u64,
}

impl fmt::Display for Corrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the ring is corrupt: its {} cannot be {:#x}; replace the ring",
            self.field, self.found
        )
    }
}

debug_as_display!(struct Corrupt { field, found });

impl error::Error for Corrupt {}

/// Why a ring could not be created or opened, or a role not be taken.
///
/// The text of each error says what to do. `Debug` prints the same text, and
/// `{:#?}` the variant with its fields.
///
/// ```
/// use quoit::{Error, Holder, Producer, RingOptions};
///
/// # let name = &format!("quoit-doc-error-{}", std::process::id());
/// let ring = RingOptions::new(64).create::<u64>(name)?;
/// let producer = ring.producer()?;
/// match Producer::<u64>::open(name) {
///     Err(Error::InUse { holder, .. }) => assert_eq!(holder, Holder::Known(std::process::id())),
///     other => panic!("two producers, or {other:?}"),
/// }
/// # drop(producer);
/// # ring.unlink()?;
/// # Ok::<(), Error>(())
/// ```
#[non_exhaustive]
pub enum Error {
    /// The name is not valid for a ring.
    InvalidName {
        /// The name as given.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The ring cannot have this capacity or first position.
    InvalidCapacity {
        /// The number as given; 0 if none was.
        capacity: u64,
        /// What to do about it.
        reason: &'static str,
    },
    /// `create` found a ring of this name, or `open_or_create` a stale one with
    /// [`StalePolicy::Fail`](crate::StalePolicy::Fail).
    AlreadyExists {
        /// The ring's name.
        name: String,
        /// Whether a producer or a consumer holds it.
        in_use: bool,
    },
    /// There is nothing of this name.
    NotFound {
        /// The ring's name.
        name: String,
    },
    /// Another endpoint, here or in another process, holds the role.
    InUse {
        /// The role.
        role: Role,
        /// The process that has it.
        holder: Holder,
    },
    /// The file is not a quoit ring.
    NotARing {
        /// The file's name.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The descriptor is not that of an anonymous ring.
    WrongDescriptor {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The ring has a layout version that this crate does not know.
    VersionMismatch {
        /// The ring's layout version.
        found: u32,
        /// This crate's.
        expected: u32,
    },
    /// The ring holds records where frames were asked for, or vice versa.
    ShapeMismatch {
        /// The ring's name.
        name: String,
        /// `"records"` or `"frames"`, as found.
        found: &'static str,
        /// What was asked for.
        expected: &'static str,
        /// Whether a process holds the ring, by its locks; `true` if the system
        /// cannot tell.
        in_use: bool,
    },
    /// The ring holds other records: another size, alignment or tag.
    SchemaMismatch {
        /// The ring's name.
        name: String,
        /// The ring's fingerprint.
        found: u64,
        /// The fingerprint that was asked for.
        expected: u64,
        /// Bytes of the ring's records; 1 for frames.
        found_size: u64,
        /// Bytes of the records that were asked for; 1 for frames.
        expected_size: u64,
        /// Whether a process holds the ring, by its locks; `true` if the system
        /// cannot tell.
        in_use: bool,
    },
    /// `open_or_create` found a ring of another capacity.
    CapacityMismatch {
        /// The ring's name.
        name: String,
        /// The ring's capacity.
        found: u64,
        /// The capacity that was asked for.
        expected: u64,
        /// Whether a process holds the ring, by its locks; `true` if the system
        /// cannot tell.
        in_use: bool,
    },
    /// The ring's endpoints sleep on something that this build cannot wake: the
    /// semaphore of another C library, or a doorbell of a later version.
    DoorbellMismatch {
        /// The header's field.
        found: u32,
    },
    /// There is not enough memory for the ring: in the file system, or within the limit
    /// of this process's memory control group, or in the machine. Nothing was created.
    NotEnoughMemory {
        /// Bytes that the ring takes.
        wanted: u64,
        /// Bytes that were free.
        available: u64,
        /// What limits it, and where to find more.
        hint: Cow<'static, str>,
    },
    /// RLIMIT_FSIZE of this process is too low. Nothing was created.
    FileSizeLimit {
        /// Bytes that the ring takes.
        wanted: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// The segment was unlinked or replaced, or this is the copy that a child of
    /// `fork` has of a ring in use; open the name again.
    Superseded {
        /// The ring's name.
        name: String,
    },
    /// The ring has a name, but the name that it was opened by does not refer to it from here: it
    /// was renamed, or the root, the mounts or the working directory of this process have changed.
    NameElsewhere {
        /// The name that the ring was opened by.
        name: String,
    },
    /// A value in the segment breaks the rules of the layout.
    Corrupt(Corrupt),
    /// A system call failed.
    Io {
        /// The operation.
        doing: &'static str,
        /// The ring's name.
        name: String,
        /// The OS error.
        source: io::Error,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidName { name, reason } => {
                write!(f, "{name:?} cannot name a ring: {reason}")
            }
            Self::InvalidCapacity {
                capacity: 0,
                reason,
            } => f.write_str(reason),
            Self::InvalidCapacity { capacity, reason } => write!(f, "{capacity}: {reason}"),
            Self::AlreadyExists { name, in_use: true } => write!(
                f,
                "ring {name:?} exists and is in use; open it, or choose another name"
            ),
            Self::AlreadyExists {
                name,
                in_use: false,
            } => write!(
                f,
                "ring {name:?} exists, and no process holds it; open it to continue with it, \
                 use create with RingOptions::stale(StalePolicy::Replace), or unlink it"
            ),
            Self::NotFound { name } => write!(
                f,
                "there is no ring {name:?}; create it first, or use open_or_create"
            ),
            Self::InUse {
                role,
                holder: Holder::Known(pid),
            } if *pid == process::id() => write!(
                f,
                "this process already has the ring's {role}; drop that endpoint first"
            ),
            Self::InUse {
                role,
                holder: holder @ Holder::Known(_),
            } => write!(
                f,
                "the ring already has a {role} ({holder}); stop that process first"
            ),
            Self::InUse { role, holder } => write!(
                f,
                "the ring already has a {role} ({holder}); stop it there first (quoit stat as root \
                 finds it)"
            ),
            Self::NotARing { name, reason } => write!(
                f,
                "{name:?} is not a quoit ring: {reason}; choose another name or remove the file"
            ),
            Self::WrongDescriptor { reason } => write!(
                f,
                "the descriptor does not refer to an anonymous ring: {reason}; send one that \
                 RingOptions::create_anonymous has made"
            ),
            Self::VersionMismatch { found, expected } => write!(
                f,
                "the ring has layout version {found}, this program knows {expected}; \
                 build both programs with the same version of quoit"
            ),
            Self::ShapeMismatch {
                name,
                found,
                expected,
                in_use,
            } => {
                write!(f, "ring {name:?} holds {found}, not {expected}; ")?;
                way_out(f, name, *in_use, "use the type of the other program")
            }
            Self::SchemaMismatch {
                name,
                found_size,
                expected_size,
                in_use,
                ..
            } if found_size != expected_size => {
                write!(
                    f,
                    "ring {name:?} holds records of {found_size} bytes, not {expected_size}; "
                )?;
                way_out(f, name, *in_use, "use the type of the other program")
            }
            Self::SchemaMismatch {
                name,
                found,
                expected,
                in_use,
                ..
            } => {
                write!(
                    f,
                    "ring {name:?} has the schema {found:#018x}, not {expected:#018x}: the \
                     record's alignment or tag differs; "
                )?;
                let same = "use the type and the RingOptions::schema_tag of the other program";
                way_out(f, name, *in_use, same)
            }
            Self::CapacityMismatch {
                name,
                found,
                expected,
                in_use,
            } => {
                write!(
                    f,
                    "ring {name:?} has capacity {found}, not {expected}; ask for {found}, or use \
                     open, which takes any; "
                )?;
                way_out(f, name, *in_use, "keep its capacity")
            }
            Self::DoorbellMismatch { found } => write!(
                f,
                "the ring's doorbell is {found:#x}, which this build cannot wake; build both \
                 programs with the same C library, or create the ring with DoorbellKind::Futex"
            ),
            Self::NotEnoughMemory {
                wanted,
                available,
                hint,
            } => write!(
                f,
                "the ring takes {wanted} bytes, and {available} are available; {hint}"
            ),
            Self::FileSizeLimit { wanted, limit } => write!(
                f,
                "the ring takes {wanted} bytes, and this process may write files of {limit}; \
                 raise it with ulimit -f"
            ),
            Self::Superseded { name } => write!(
                f,
                "ring {name:?} was unlinked or replaced, or this process forked, since it was \
                 opened; open it again"
            ),
            Self::NameElsewhere { name } => write!(
                f,
                "{name:?} does not refer to the ring from here, which has a name elsewhere: it was \
                 renamed, or this process changed its root, its mounts or its directory; open it \
                 by that name, in a process that sees it"
            ),
            Self::Corrupt(corrupt) => corrupt.fmt(f),
            Self::Io {
                doing,
                name,
                source,
            } => {
                write!(f, "could not {doing} {name:?}: {source}")?;
                match remedy(doing, source) {
                    Some(advice) => write!(f, "; {advice}"),
                    None => Ok(()),
                }
            }
        }
    }
}

debug_as_display!(enum Error {
    InvalidName { name, reason },
    InvalidCapacity { capacity, reason },
    AlreadyExists { name, in_use },
    NotFound { name },
    InUse { role, holder },
    NotARing { name, reason },
    WrongDescriptor { reason },
    VersionMismatch { found, expected },
    ShapeMismatch { name, found, expected, in_use },
    SchemaMismatch { name, found, expected, found_size, expected_size, in_use },
    CapacityMismatch { name, found, expected, in_use },
    DoorbellMismatch { found },
    NotEnoughMemory { wanted, available, hint },
    FileSizeLimit { wanted, limit },
    Superseded { name },
    NameElsewhere { name },
    Corrupt(corrupt),
    Io { doing, name, source },
});

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            Self::Corrupt(corrupt) => Some(corrupt),
            _ => None,
        }
    }
}

impl From<Corrupt> for Error {
    fn from(corrupt: Corrupt) -> Self {
        Self::Corrupt(corrupt)
    }
}

impl From<Corrupt> for io::Error {
    fn from(corrupt: Corrupt) -> Self {
        Error::from(corrupt).into()
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        use io::ErrorKind as Kind;
        let kind = match &error {
            Error::InvalidName { .. } | Error::InvalidCapacity { .. } => Kind::InvalidInput,
            Error::AlreadyExists { .. } => Kind::AlreadyExists,
            Error::NotFound { .. } | Error::NameElsewhere { .. } => Kind::NotFound,
            Error::InUse { .. } => Kind::ResourceBusy,
            Error::NotARing { .. }
            | Error::WrongDescriptor { .. }
            | Error::VersionMismatch { .. }
            | Error::ShapeMismatch { .. }
            | Error::SchemaMismatch { .. }
            | Error::CapacityMismatch { .. }
            | Error::DoorbellMismatch { .. }
            | Error::Corrupt(_) => Kind::InvalidData,
            Error::NotEnoughMemory { .. } => Kind::StorageFull,
            Error::FileSizeLimit { .. } => Kind::FileTooLarge,
            Error::Superseded { .. } => Kind::StaleNetworkFileHandle,
            Error::Io { source, .. } => source.kind(),
        };
        Self::new(kind, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    enum Failure<T> {
        TimedOut,
        Full(T),
        Missing { name: &'static str },
        Corrupt(T, Corrupt),
    }

    impl<T> fmt::Display for Failure<T> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("do something about it")
        }
    }

    debug_as_display!(enum Failure<T> {
        TimedOut,
        Full(..),
        Missing { name },
        Corrupt(_, corrupt),
    });

    #[test]
    fn debug_shows_the_text_and_its_long_form_the_variant() {
        struct NoDebug;
        let corrupt = Corrupt {
            field: "tail",
            found: 1,
        };
        let errors = [
            (Failure::TimedOut, "TimedOut"),
            (Failure::Full(NoDebug), "Full(\n    ..,\n)"),
            (
                Failure::Missing { name: "a" },
                "Missing {\n    name: \"a\",\n}",
            ),
            (
                Failure::Corrupt(NoDebug, corrupt),
                "Corrupt(\n    _,\n    Corrupt {\n        field: \"tail\",\n        found: 1,\n    },\n)",
            ),
        ];
        for (error, long) in errors {
            assert_eq!(format!("{error:?}"), "do something about it");
            assert_eq!(format!("{error:#?}"), long);
        }
    }
}
