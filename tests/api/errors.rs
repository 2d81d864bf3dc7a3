//! Every error says what is wrong and what to do, keeps its source, and converts to an
//! `io::Error` of the matching kind: `errors.txt` has all of that.

use std::error::Error as AnyError;
use std::fmt::{Debug, Display, Write};
use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use nix::errno::Errno;
use quoit::handoff::HandoffError;
use quoit::rpc::CallError;
use quoit::{
    AsyncError, ClaimError, Corrupt, Error, Holder, PeerError, PopError, PushError, RingOptions,
    Role, SelectError, Shape,
};

const CORRUPT: Corrupt = Corrupt {
    field: "tail",
    found: 0xbad,
};

/// Larger than any process id.
const NO_PROCESS: u32 = 4_711_000;

fn name() -> String {
    "ticks".to_owned()
}

fn denied() -> io::Error {
    ErrorKind::PermissionDenied.into()
}

/// The long form of `Debug`, in one line, and the text, which is the short form.
fn shown<E: Debug + Display>(error: &E) -> String {
    let (text, long) = (error.to_string(), format!("{error:#?}"));
    assert_eq!(format!("{error:?}"), text);
    let words: Vec<_> = long.split_whitespace().collect();
    format!("{}\n    {text}\n", words.join(" "))
}

/// The same, the kind, and the source. The `io::Error` has the same text, or is the source.
fn entry<E: AnyError + Send + Sync + 'static>(error: E) -> String
where
    io::Error: From<E>,
{
    let (shown, text) = (shown(&error), error.to_string());
    let source = error.source().map(ToString::to_string);
    let error = io::Error::from(error);
    let kept = error.to_string();
    assert!(
        kept == text || Some(kept) == source,
        "{text} becomes {error}"
    );
    let source = source.map(|source| format!("    source: {source}\n"));
    format!("{:?}: {shown}{}", error.kind(), source.unwrap_or_default())
}

/// An entry for each error of a type.
macro_rules! entries {
    ($type:ident: $($name:ident $(($($inner:expr),*))? $({ $($fields:tt)* })?;)*) => {
        [concat!("# ", stringify!($type), "\n").to_owned(), $(entry($type::$name $(($($inner),*))? $({ $($fields)* })?)),*].concat()
    };
}

/// Checks a page against the one in the repository.
fn is_page(name: &str, found: &str, expected: &str) {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, found).expect("a file below target");
    for (found, expected) in found.lines().zip(expected.lines()) {
        assert_eq!(found, expected, "the new page is {}", path.display());
    }
    assert_eq!(found.len(), expected.len(), "it is {}", path.display());
}

/// The error with which a ring of this capacity is refused.
fn refused<T: Shape + ?Sized>(capacity: u64) -> String {
    let refusal = RingOptions::new(capacity).heap::<T>().err();
    entry(refusal.expect("no such ring"))
}

#[test]
fn every_error_has_a_text_a_kind_and_its_source() {
    let mut page = entries! { Error:
        InvalidName { name: "a/".to_owned(), reason: "it must end in the name of a file" };
        AlreadyExists { name: name(), in_use: true };
        AlreadyExists { name: name(), in_use: false };
        NotFound { name: name() };
        InUse { role: Role::Producer, holder: Holder::Known(NO_PROCESS) };
        InUse { role: Role::Producer, holder: Holder::Unknown(4711) };
        InUse { role: Role::Consumer, holder: Holder::Unknown(0) };
        NotARing { name: name(), reason: "it is a directory" };
        WrongDescriptor { reason: "it is not a memfd" };
        VersionMismatch { found: 2, expected: 1 };
        ShapeMismatch { name: name(), found: "records", expected: "frames", in_use: true };
        SchemaMismatch { name: name(), found: 0xf0, expected: 0xe0, found_size: 40,
            expected_size: 8, in_use: true };
        SchemaMismatch { name: name(), found: 0xf0, expected: 0xe0, found_size: 40,
            expected_size: 8, in_use: false };
        SchemaMismatch { name: name(), found: 0xf0, expected: 0xe0, found_size: 8,
            expected_size: 8, in_use: true };
        CapacityMismatch { name: name(), found: 64, expected: 128, in_use: false };
        DoorbellMismatch { found: 0xd0 };
        NotEnoughMemory { wanted: 5000, available: 300, hint: "make the ring smaller".into() };
        FileSizeLimit { wanted: 5000, limit: 300 };
        Superseded { name: name() };
        NameElsewhere { name: name() };
        Corrupt(CORRUPT);
        Io { doing: "open", name: name(), source: denied() };
    };
    page += &[refused::<u64>(100), refused::<[u8]>(100)].concat();
    page += &[
        refused::<[u8]>(32),
        refused::<u64>(1 << 63),
        refused::<[u8]>(1 << 63),
    ]
    .concat();
    page += &entry(CORRUPT);
    page += &entries! { ClaimError:
        Full; TimedOut; Abandoned; Superseded; TooLong { max: 56 }; Corrupt; ReactorDied;
    };
    page += &entries! { PushError:
        Full(7); TimedOut(7); Abandoned(7); Superseded(7); Corrupt(7); ReactorDied(7);
    };
    page += &entries! { PopError:
        Empty; TimedOut; Abandoned; Superseded; TooShort { needed: 100 }; TooMany { max: 64 };
        Corrupt; ReactorDied;
    };
    page += &entries! { PeerError: TimedOut; Superseded; ReactorDied; };
    page += &entries! { SelectError:
        TimedOut; NoEnds; TooManyEnds { given: 128 }; NotAFutex { index: 3 };
        Unsupported(ErrorKind::Unsupported.into());
    };
    page += &entries! { CallError:
        TimedOut; NoServer; Superseded; Refused("too large".to_owned()); NotInFlight;
        TooLong { max: 56 }; WrongLength { expected: 8, found: 4 }; Corrupt;
    };
    page += &entries! { HandoffError:
        Named { name: name() }; Closed; TimedOut; OtherMessage;
        VersionMismatch { found: 0, expected: 1 }; NotOneDescriptor { found: 2 }; CutOff;
        Ring(Error::Corrupt(CORRUPT)); Io(ErrorKind::Interrupted.into());
        Io(ErrorKind::NotConnected.into());
    };
    page += &entries! { AsyncError:
        NotAFutex; TooManyEnds; Unsupported(denied()); NoThread(denied()); NoDescriptor(denied());
        Forked; ReactorDied;
    };
    is_page("errors.txt", &page, include_str!("errors.txt"));
}

/// What the system may refuse. For the first one there is only advice that fits any operation.
const DOING: &str = "examine, open, create, make the memfd of, set the mode of, \
    reserve memory for, seal, map, prefault, lock the memory of, lock, lock a role of, \
    lock the name of, query the locks of, link, unlink, replace, reopen, flush, \
    flush the directory of";

/// With each error.
#[test]
fn an_error_of_the_system_says_what_to_do() {
    let advice = |doing: &'static str, reason| {
        let (name, source) = (name(), io::Error::from(reason));
        let refusal = format!("could not {doing} \"ticks\": {source}");
        let refused = Error::Io {
            doing,
            name,
            source,
        };
        let text = refused.to_string();
        text.strip_prefix(&refusal).expect(&text).to_owned()
    };
    let mut page = String::new();
    for doing in DOING.split(", ") {
        for reason in (1..134).map(Errno::from_raw) {
            let text = advice(doing, reason);
            let is_new = doing == "examine" || text != advice("examine", reason);
            if let Some(advice) = text.strip_prefix("; ").filter(|_| is_new) {
                writeln!(page, "{doing}, {reason:?}: {advice}").expect("a string");
            }
        }
    }
    is_page("advice.txt", &page, include_str!("advice.txt"));
}

/// Every call of the fast paths returns one of these types.
#[test]
fn the_hot_errors_fit_into_two_registers() {
    assert!(size_of::<Result<u64, PopError>>() <= 16);
    assert!(size_of::<Result<(), PushError<u64>>>() <= 16);
    assert!(size_of::<PushError<u64>>() <= 16);
    assert!(size_of::<Result<u64, ClaimError>>() <= 16);
    assert!(size_of::<Result<(), PeerError>>() <= 16);
}

#[test]
fn a_process_that_has_the_role_itself_is_advised_to_drop_its_endpoint() {
    let (role, holder) = (Role::Producer, Holder::Known(std::process::id()));
    assert_eq!(
        Error::InUse { role, holder }.to_string(),
        "this process already has the ring's producer; drop that endpoint first"
    );
}
