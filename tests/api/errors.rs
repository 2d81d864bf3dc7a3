//! Every error says what is wrong and what to do, keeps its source, and converts to an
//! `io::Error` of the matching kind.

use std::fmt::{Debug, Display};
use std::io::{self, ErrorKind};
use std::time::Duration;

use quoit::handoff::HandoffError;
use quoit::rpc::CallError;
use quoit::{
    AsyncError, ClaimError, Corrupt, Error, Holder, PeerError, PopError, PushError, RingOptions,
    Role, SelectError,
};

const CORRUPT: Corrupt = Corrupt {
    field: "tail",
    found: 0xbad,
};

fn name() -> String {
    "ticks".to_owned()
}

/// An error's variant, the error, its kind, and parts of its text.
type Row<E> = (&'static str, E, ErrorKind, &'static [&'static str]);

macro_rules! rows {
    ($type:ident: $($name:ident $(($($inner:expr),*))? $({ $($fields:tt)* })?
        => $kind:ident, $($part:literal),*;)*) => {
        vec![$((stringify!($name), $type::$name $(($($inner),*))? $({ $($fields)* })?,
            ErrorKind::$kind, &[$($part),*][..])),*]
    };
}

/// Checks the text of each error, both forms of `Debug`, the kind, and which have a source.
fn check<E: std::error::Error>(rows: Vec<Row<E>>, has_source: fn(&E) -> bool)
where
    io::Error: From<E>,
{
    for (variant, error, kind, parts) in rows {
        let (text, caused) = (error.to_string(), error.source().is_some());
        for part in parts {
            assert!(text.contains(part), "{text:?} does not say {part:?}");
        }
        is_shown_as(&error, variant);
        assert_eq!(caused, has_source(&error), "{text}");
        let error = io::Error::from(error);
        assert_eq!(error.kind(), kind, "{variant}");
        assert!(caused || error.to_string() == text, "{variant}: {error}");
    }
}

/// Checks both forms of `Debug` of an error.
fn is_shown_as<E: Debug + Display>(error: &E, variant: &str) {
    assert_eq!(format!("{error:?}"), error.to_string());
    let long = format!("{error:#?}");
    let rest = long.strip_prefix(variant);
    let rest = rest.unwrap_or_else(|| panic!("{long:?} does not begin with {variant:?}"));
    let ends = rest.is_empty() || rest.starts_with('(') || rest.starts_with(" {");
    assert!(ends, "{long:?} is not {variant:?}");
    assert_ne!(long, error.to_string());
}

fn denied() -> io::Error {
    ErrorKind::PermissionDenied.into()
}

/// Every cold error.
fn cold_errors() -> Vec<Row<Error>> {
    rows! { Error:
        InvalidName { name: "a/".to_owned(), reason: "it must end in the name of a file" } =>
            InvalidInput, "\"a/\"", "it must end in the name of a file";
        InvalidCapacity { capacity: 1000, reason: "a capacity is a power of two" } =>
            InvalidInput, "1000", "power of two";
        AlreadyExists { name: name(), in_use: true } =>
            AlreadyExists, "\"ticks\"", "in use", "open it";
        AlreadyExists { name: name(), in_use: false } =>
            AlreadyExists, "\"ticks\"", "no process holds it", "StalePolicy::Replace";
        NotFound { name: name() } => NotFound, "\"ticks\"", "create it", "open_or_create";
        InUse { role: Role::Producer, holder: Holder::Known(4711) } =>
            ResourceBusy, "producer", "process 4711", "stop that process first";
        InUse { role: Role::Producer, holder: Holder::Unknown(4711) } =>
            ResourceBusy, "calls itself process 4711", "quoit stat as root";
        InUse { role: Role::Consumer, holder: Holder::Unknown(0) } =>
            ResourceBusy, "consumer", "has not said which process", "quoit stat as root";
        NotARing { name: name(), reason: "it is a directory" } =>
            InvalidData, "\"ticks\"", "it is a directory", "another name";
        WrongDescriptor { reason: "it is not a memfd" } =>
            InvalidData, "it is not a memfd", "create_anonymous";
        VersionMismatch { found: 2, expected: 1 } =>
            InvalidData, "version 2", "knows 1", "both programs";
        ShapeMismatch { name: name(), found: "records", expected: "frames", in_use: true } =>
            InvalidData, "\"ticks\" holds records, not frames", "the type of the other";
        SchemaMismatch { name: name(), found: 0xf0, expected: 0xe0, found_size: 40,
            expected_size: 8, in_use: true } =>
            InvalidData, "40 bytes, not 8", "a process holds", "stop that process";
        SchemaMismatch { name: name(), found: 0xf0, expected: 0xe0, found_size: 40,
            expected_size: 8, in_use: false } => InvalidData, "no process holds",
            "quoit rm \"ticks\"", "RingOptions::stale(StalePolicy::Replace)";
        SchemaMismatch { name: name(), found: 0xf0, expected: 0xe0, found_size: 8,
            expected_size: 8, in_use: true } => InvalidData, "0x00000000000000f0",
            "0x00000000000000e0", "RingOptions::schema_tag";
        CapacityMismatch { name: name(), found: 64, expected: 128, in_use: false } =>
            InvalidData, "capacity 64, not 128", "use open", "quoit rm \"ticks\"";
        DoorbellMismatch { found: 0xd0 } =>
            InvalidData, "0xd0", "same C library", "DoorbellKind::Futex";
        NotEnoughMemory { wanted: 5000, available: 300, hint: "make the ring smaller".into() } =>
            StorageFull, "5000", "300", "make the ring smaller";
        FileSizeLimit { wanted: 5000, limit: 300 } => FileTooLarge, "5000", "300", "ulimit -f";
        Superseded { name: name() } => StaleNetworkFileHandle, "\"ticks\"", "open it again";
        NameElsewhere { name: name() } => NotFound,
            "\"ticks\" does not lead to the ring", "renamed", "unlink it by";
        Corrupt(CORRUPT) => InvalidData, "tail", "0xbad", "replace the ring";
        Io { doing: "open", name: name(), source: denied() } =>
            PermissionDenied, "could not open \"ticks\"", "permission denied";
    }
}

#[test]
fn every_error_has_a_text_a_kind_and_its_source() {
    for (_, error, kind, _) in cold_errors() {
        let text = error.to_string();
        let source = std::error::Error::source(&error);
        match &error {
            Error::Io { .. } => {
                let source = source.and_then(|source| source.downcast_ref());
                assert_eq!(source.map(io::Error::kind), Some(kind));
            }
            Error::Corrupt(_) => {
                let source = source.and_then(|source| source.downcast_ref());
                assert_eq!(source, Some(&CORRUPT));
            }
            _ => assert!(source.is_none(), "{error}"),
        }
        assert_eq!(io::Error::from(error).to_string(), text, "the text is kept");
    }
    let has_source: fn(&Error) -> bool =
        |error| matches!(error, Error::Io { .. } | Error::Corrupt(_));
    check(cold_errors(), has_source);
    is_shown_as(&CORRUPT, "Corrupt");
    let hot = rows! { ClaimError:
        Full => WouldBlock, "full";
        TimedOut => TimedOut, "in time";
        Abandoned => BrokenPipe, "consumer has closed or crashed";
        Superseded => StaleNetworkFileHandle, "open its name again";
        TooLong { max: 56 } => InvalidInput, "longest claim of this ring is 56";
        Corrupt => InvalidData, "corrupt", "corruption() says what was found", "StalePolicy::Replace";
        ReactorDied => Other, "quoit-reactor";
    };
    check(hot, |_| false);
    let hot = rows! { PopError:
        Empty => WouldBlock, "empty";
        TimedOut => TimedOut, "in time";
        Abandoned => UnexpectedEof, "producer has closed or crashed";
        Superseded => StaleNetworkFileHandle, "open its name again";
        TooShort { needed: 100 } => InvalidInput, "has 100 bytes";
        TooMany { max: 64 } => InvalidInput, "has 64 slots";
        Corrupt => InvalidData, "corrupt", "corruption() says what was found", "StalePolicy::Replace";
        ReactorDied => Other, "quoit-reactor";
    };
    check(hot, |_| false);
    let of_a_peer = rows! { PeerError:
        TimedOut => TimedOut, "no peer attached in time";
        Superseded => StaleNetworkFileHandle, "open its name again";
        ReactorDied => Other, "quoit-reactor";
    };
    for (_, error, ..) in &of_a_peer {
        let text = error.to_string();
        assert!(!text.contains("full") && !text.contains("empty"), "{text}");
    }
    check(of_a_peer, |_| false);
    let of_a_select = rows! { SelectError:
        TimedOut => TimedOut, "in time";
        NoEnds => InvalidInput, "at least one";
        TooManyEnds { given: 128 } => InvalidInput, "127 at once";
        NotAFutex { index: 3 } => InvalidInput, "DoorbellKind::Futex";
        Unsupported(ErrorKind::Unsupported.into()) => Unsupported, "Linux 5.16";
    };
    check(of_a_select, |error| {
        matches!(error, SelectError::Unsupported(_))
    });
    let of_a_call = rows! { CallError:
        TimedOut => TimedOut, "in time";
        NoServer => ConnectionReset, "waits for another one";
        Superseded => StaleNetworkFileHandle, "open its name again";
        Refused("too large".to_owned()) => Other, "too large";
        NotInFlight => InvalidInput, "finished or forgotten";
        TooLong { max: 56 } => InvalidInput, "longest has 56 bytes";
        WrongLength { expected: 8, found: 4 } => InvalidData, "4 bytes, not 8";
        Corrupt => InvalidData, "a ring of the call is corrupt";
    };
    check(of_a_call, |_| false);
    let of_a_handoff = rows! { HandoffError:
        Named { name: name() } => InvalidInput, "create_anonymous";
        Closed => UnexpectedEof, "other side of the socket is closed";
        TimedOut => TimedOut, "try again";
        OtherMessage => InvalidData, "close the socket";
        VersionMismatch { found: 0, expected: 1 } => InvalidData,
            "message version 0, this program 1";
        NotOneDescriptor { found: 2 } => InvalidData, "2 descriptors instead of one";
        CutOff => QuotaExceeded, "ulimit -n";
        Ring(Error::Corrupt(CORRUPT)) => InvalidData, "0xbad";
        Io(ErrorKind::Interrupted.into()) => Interrupted, "call again";
        Io(ErrorKind::NotConnected.into()) => NotConnected, "connect again";
    };
    let has_source: fn(&HandoffError) -> bool =
        |error| matches!(error, HandoffError::Ring(_) | HandoffError::Io(_));
    check(of_a_handoff, has_source);
    let of_a_loop = rows! { AsyncError:
        NotAFutex => InvalidInput, "DoorbellKind::Futex";
        TooManyEnds => QuotaExceeded, "drop one";
        Unsupported(denied()) => Unsupported, "Linux 5.16";
        NoThread(denied()) => PermissionDenied, "could not start";
        NoDescriptor(denied()) => PermissionDenied, "ulimit -n";
        Forked => Unsupported, "after the fork";
        ReactorDied => Other, "starts it again";
    };
    check(of_a_loop, |error| {
        use AsyncError::{NoDescriptor, NoThread, Unsupported};
        matches!(error, Unsupported(_) | NoThread(_) | NoDescriptor(_))
    });
}

/// The error of the system, and the text for it.
const REFUSALS: [(&str, i32, &str); 38] = [
    ("open", libc::EACCES, "RingOptions::mode"),
    ("open", libc::EROFS, "an Observer"),
    ("open", libc::EPERM, "lsattr"),
    ("open", libc::ENFILE, "fs.file-max"),
    ("open", libc::ENOTDIR, "make its directory"),
    ("open", libc::ENAMETOOLONG, "a shorter path"),
    ("create", libc::EMFILE, "ulimit -n"),
    ("create", libc::EROFS, "can be written"),
    ("create", libc::ENOENT, "make its directory"),
    ("create", libc::EACCES, "may not write in its directory"),
    ("create", libc::EDQUOT, "quota"),
    ("create", libc::EOVERFLOW, "user namespace"),
    ("make the memfd of", libc::ENOSYS, "allow memfd_create"),
    ("make the memfd of", libc::EPERM, "a ring with a name"),
    ("make the memfd of", libc::EACCES, "vm.memfd_noexec"),
    ("make the memfd of", libc::EMFILE, "ulimit -n"),
    ("set the mode of", libc::EPERM, "no mode bits"),
    ("reserve memory for", libc::EPERM, "allow fallocate"),
    ("reserve memory for", libc::EOPNOTSUPP, "cannot reserve"),
    ("reserve memory for", libc::EDQUOT, "quota"),
    ("reserve memory for", libc::EFBIG, "a file of this size"),
    ("seal", libc::EINVAL, "F_ADD_SEALS"),
    ("map", libc::ENOMEM, "ulimit -v"),
    ("map", libc::ENODEV, "/dev/shm"),
    ("map", libc::EAGAIN, "mlockall"),
    ("lock the memory of", libc::ENOMEM, "ulimit -l"),
    ("lock the memory of", libc::EPERM, "ulimit -l"),
    ("lock the memory of", libc::EAGAIN, "ulimit -l"),
    ("lock a role of", libc::EINVAL, "gVisor"),
    ("query the locks of", libc::EPERM, "rm (/dev/shm/NAME)"),
    ("lock", libc::EACCES, "SELinux"),
    ("lock", libc::ENOLCK, "has no locks"),
    ("link", libc::ENOSPC, "make room"),
    ("link", libc::EPERM, "no hard links"),
    ("unlink", libc::EPERM, "sticky directory"),
    ("replace", libc::EACCES, "directory's mode bits"),
    ("reopen", libc::ENOENT, "mount /proc"),
    ("reopen", libc::EACCES, "another user's"),
];

#[test]
fn an_error_of_the_system_says_what_to_do() {
    for (doing, reason, advice) in REFUSALS {
        let source = io::Error::from_raw_os_error(reason);
        let refusal = format!("could not {doing} \"ticks\": {source}; ");
        let name = name();
        let error = Error::Io {
            doing,
            name,
            source,
        };
        let text = error.to_string();
        assert!(text.starts_with(&refusal), "{text:?}");
        assert!(text.contains(advice), "{text:?} does not say {advice:?}");
    }
}

#[test]
fn the_long_form_of_debug_shows_the_variant_and_its_fields() {
    let error = Error::InUse {
        role: Role::Producer,
        holder: Holder::Known(4711),
    };
    let shown = format!("{error:#?}");
    assert_eq!(
        shown,
        "InUse {\n    role: Producer,\n    holder: Known(\n        4711,\n    ),\n}"
    );
    let shown = format!("{:#?}", Error::Corrupt(CORRUPT));
    let expected =
        "Corrupt(\n    Corrupt {\n        field: \"tail\",\n        found: 2989,\n    },\n)";
    assert_eq!(shown, expected);
}

/// Every call of the fast paths returns one of these types.
#[test]
fn the_hot_errors_fit_into_two_registers() {
    assert!(size_of::<Result<u64, PopError>>() <= 16);
    assert!(size_of::<Result<(), PushError<u64>>>() <= 16);
    assert!(size_of::<PushError<u64>>() <= 16);
    assert!(size_of::<PopError>() <= 16);
    assert!(size_of::<ClaimError>() <= 16);
    assert!(size_of::<PeerError>() <= 16);
}

#[test]
fn the_error_of_a_wait_for_a_peer_is_about_the_peer() {
    let ring = RingOptions::new(8).create_anonymous::<u32>();
    let ring = ring.expect("a ring");
    let moment = Duration::from_millis(1);
    // No peer has ever attached, and nothing was ever pushed.
    let mut producer = ring.producer().expect("the role is free");
    let no_consumer = producer.wait_for_peer_timeout(moment);
    drop(producer);
    let mut consumer = ring.consumer().expect("the role is free");
    let no_producer = consumer.wait_for_peer_timeout(moment);
    assert_eq!([no_consumer, no_producer], [Err(PeerError::TimedOut); 2]);

    let (mut producer, consumer) = RingOptions::new(8).heap::<u32>().expect("a ring");
    drop(consumer);
    assert_eq!(producer.wait_for_peer(), Err(PeerError::Superseded));
}

#[test]
fn a_push_error_returns_the_record_and_has_the_text_of_a_claim_error() {
    let errors = [
        (PushError::Full(7), ClaimError::Full),
        (PushError::Abandoned(7), ClaimError::Abandoned),
        (PushError::Superseded(7), ClaimError::Superseded),
        (PushError::TimedOut(7), ClaimError::TimedOut),
        (PushError::Corrupt(7), ClaimError::Corrupt),
        (PushError::ReactorDied(7), ClaimError::ReactorDied),
    ];
    for (error, reason) in errors {
        assert_eq!(error.into_inner(), 7);
        let long = format!("{error:#?}");
        let expected = format!("{reason:#?}(\n    ..,\n)");
        assert_eq!(long, expected, "and never the record");
        assert_eq!(error.to_string(), reason.to_string());
        assert_eq!(format!("{error:?}"), format!("{reason:?}"));
        let kind = io::Error::from(reason).kind();
        assert_eq!(io::Error::from(error).kind(), kind);
    }
    assert!(std::error::Error::source(&PushError::Corrupt(7)).is_none());
}

#[test]
fn errors_pass_through_boxes_and_threads() {
    fn travels<E: std::error::Error + Send + Sync + 'static>() {}
    travels::<Error>();
    travels::<Corrupt>();
    travels::<ClaimError>();
    travels::<PopError>();
    travels::<PeerError>();
    travels::<HandoffError>();
    travels::<SelectError>();
    travels::<CallError>();
    travels::<PushError<[u64; 100]>>();
}

#[cfg(feature = "futures")]
#[test]
fn an_error_of_an_async_endpoint_shows_its_text_and_returns_the_endpoint() {
    use quoit::{DoorbellKind, IntoAsyncError};

    let options = RingOptions::new(8).doorbell(DoorbellKind::Semaphore);
    let (_producer, consumer) = options.heap::<u64>().expect("a ring");
    let refused: IntoAsyncError<_> = consumer.into_async().expect_err("a semaphore");
    is_shown_as(&refused, "NotAFutex");
    assert_eq!(refused.to_string(), refused.reason().to_string());
    let mut consumer = refused.into_inner();
    assert_eq!(consumer.try_pop(), Err(PopError::Empty), "it is unchanged");
}
