//! What each call that is refused answers under each condition of the system: `refusals.txt`. It is
//! an error that says what to do, never a signal, and leaves no file and no descriptor.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use quoit::{Error, Producer, RingOptions};
use rustix::process::Resource;

use crate::calls::{CALLS, Place};
use crate::common::descriptors::open_descriptors;
use crate::common::forbid::refuse_with;
use crate::common::fork::{in_a_child, in_a_directory};
use crate::common::mounts::{mount, mount_a_megabyte, own_mounts};
use crate::common::names::{files_in, shared_memory_directory};
use crate::common::process::{drop_root, set_limit};
use crate::common::refused::{is, refused};
use crate::common::rings::named;

crate::common::suite::tests! {
    by_the_system,
    by_a_seccomp_profile,
    a_ring_stays_if_its_creator_gets_no_role,
    a_ring_larger_than_all_of_shared_memory_is_an_error,
    incarnations_differ_without_getrandom,
    a_dropped_ring_takes_no_addresses,
}

const REFUSALS: &str = include_str!("refusals.txt");
const WORDS: u64 = 1024;
const PRIVATE: u32 = 0o600;
const PUBLIC: u32 = 0o666;

/// Makes all calls in a child under a condition, in a place whose rings have this many words and
/// these mode bits. The calls of the page are refused, with its texts, and no other ones.
fn under(condition: &str, words: u64, mode: u32, set: impl Fn(&mut Place) -> io::Result<()>) {
    in_a_directory(|directory| {
        let mut place = Place::new(directory, RingOptions::new(words).mode(mode));
        if let Err(error) = set(&mut place) {
            return eprintln!("[not {condition}: {error}] ");
        }
        let actions = actions();
        let mut refusals: Vec<(String, Vec<&str>)> = Vec::new();
        for &(name, call) in CALLS {
            let before = open_descriptors();
            let refusal = call(&place).err();
            assert_eq!(open_descriptors(), before, "{condition}, {name}");
            let is_refused = refusal.is_some();
            let is_made = fs::remove_file(place.new_name()).is_ok();
            assert!(!(is_refused && is_made), "{condition}, {name}");
            let files = files_in(directory);
            let is_unlinked = name == "unlink" && !is_refused;
            assert!(
                is_unlinked || files == ["there"],
                "{condition}, {name}: {files:?}"
            );
            let Some(text) = refusal.map(|error| text(&error, directory)) else {
                continue;
            };
            match refusals.iter_mut().find(|(known, _)| *known == text) {
                Some((_, calls)) => calls.push(name),
                None => refusals.push((text, vec![name])),
            }
        }
        assert_eq!(self::actions(), actions, "signal actions are unchanged");
        let mut page = format!("# {condition}");
        for (text, calls) in refusals {
            page += &format!("\n{}: {text}", calls.join(", "));
        }
        let mut parts = REFUSALS.trim_end().split("\n\n");
        assert!(parts.any(|part| part == page), "{page}");
    });
}

/// Without what differs between machines: the directory, and the C library's texts.
fn text(error: &Error, directory: &Path) -> String {
    let mut text = error
        .to_string()
        .replace(&directory.display().to_string(), "DIR");
    if let Error::Io { source, .. } = error {
        let number = source.raw_os_error().expect("the system's error");
        text = text.replace(&source.to_string(), &format!("error {number}"));
    }
    text
}

/// The signals that this process ignores, and those that it handles; nothing without `/proc`.
fn actions() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let actions = status
        .lines()
        .filter(|line| line.starts_with("SigIgn") || line.starts_with("SigCgt"));
    actions.collect()
}

/// The name, the words of a ring, the mode bits, and how it is set.
type Condition = (&'static str, u64, u32, fn(&mut Place) -> io::Result<()>);

const LENGTH: u64 = 16384 + 8 * WORDS;

#[rustfmt::skip]
const CONDITIONS: [Condition; 17] = [
    ("no condition", WORDS, PRIVATE, |_| Ok(())),
    ("all mode bits", WORDS, 0o777, |_| Ok(())),
    ("file size", WORDS, PRIVATE, |_| limited(Resource::Fsize, LENGTH - 1)),
    ("file size, just enough", WORDS, PRIVATE, |_| limited(Resource::Fsize, LENGTH)),
    // A ring has eight megabytes.
    ("address space", 1 << 20, PRIVATE, |_| with_more_addresses(4 << 20)),
    ("address space, enough", 1 << 20, PRIVATE, |_| with_more_addresses(32 << 20)),
    ("locked memory of 0", WORDS, PUBLIC, |place| locked(place, 0)),
    ("locked memory of 4096", WORDS, PUBLIC, |place| locked(place, 4096)),
    ("mlockall", 2 << 20, PUBLIC, |_| locks_all()),
    ("mlockall, small rings", WORDS, PUBLIC, |_| locks_all()),
    // Another user, for which the rings grant nothing, to read, or everything.
    ("mode 0", WORDS, 0, |_| as_another_user()),
    ("mode 444", WORDS, 0o444, |_| as_another_user()),
    ("mode 666", WORDS, PUBLIC, |_| as_another_user()),
    ("the directory of another user", WORDS, PUBLIC, |place| {
        fs::set_permissions(&place.directory, Permissions::from_mode(0o555))?;
        as_another_user()
    }),
    // A new ring would be larger than that.
    ("a file system of a megabyte", WORDS, PRIVATE, |place| {
        mount_a_megabyte(&place.directory)?;
        *place = Place::new(&place.directory, place.options.clone());
        place.options = place.options.clone().capacity(1 << 17);
        Ok(())
    }),
    ("a read-only file system", WORDS, PRIVATE, |_| {
        own_mounts()?;
        let flags = libc::MS_BIND | libc::MS_NOSUID | libc::MS_NODEV;
        mount(c"/dev/shm", Path::new("/dev/shm"), c"", flags, c"")?;
        let flags = flags | libc::MS_REMOUNT | libc::MS_RDONLY;
        mount(c"", Path::new("/dev/shm"), c"", flags, c"")
    }),
    // A draft then has a name, because a nameless file cannot be linked.
    ("no /proc", WORDS, PRIVATE, |_| {
        own_mounts()?;
        mount(c"none", Path::new("/proc"), c"tmpfs", 0, c"")
    }),
];

fn as_another_user() -> io::Result<()> {
    drop_root();
    Ok(())
}

fn limited(resource: Resource, most: u64) -> io::Result<()> {
    set_limit(resource, most);
    Ok(())
}

fn with_more_addresses(more: u64) -> io::Result<()> {
    let pages = fs::read_to_string("/proc/self/statm")?;
    let (pages, _) = pages.split_once(' ').expect("several numbers");
    let used = pages.parse::<u64>().expect("a number") * 4096;
    limited(Resource::As, used + more)
}

fn locked(place: &mut Place, most: u64) -> io::Result<()> {
    drop_root();
    place.options = place.options.clone().lock_memory(true);
    limited(Resource::Memlock, most)
}

fn locks_all() -> io::Result<()> {
    drop_root();
    set_limit(Resource::Memlock, 8 << 20);
    // SAFETY: no pointer.
    match unsafe { libc::mlockall(libc::MCL_FUTURE) } {
        0 => Ok(()),
        _ => panic!("{}", io::Error::last_os_error()),
    }
}

fn by_the_system() {
    for (name, words, mode, set) in CONDITIONS {
        under(name, words, mode, set);
    }
}

/// A name, a system call, some of its commands, and what it answers.
type Profile = (
    &'static str,
    libc::c_long,
    Option<[u32; 2]>,
    &'static [libc::c_int],
);

const BOTH: &[libc::c_int] = &[libc::EPERM, libc::ENOSYS];

#[rustfmt::skip]
const PROFILES: [Profile; 9] = [
    // Open-file-description locks: query and wait.
    ("locks", libc::SYS_fcntl, Some([libc::F_OFD_GETLK as u32, libc::F_OFD_SETLKW as u32]),
        &[libc::EINVAL, libc::ENOSYS, libc::EPERM]),
    // By a security module: not as a lock that another process holds.
    ("F_OFD_SETLK", libc::SYS_fcntl, Some([libc::F_OFD_SETLK as u32; 2]), &[libc::EACCES]),
    ("F_ADD_SEALS", libc::SYS_fcntl, Some([libc::F_ADD_SEALS as u32; 2]), BOTH),
    ("memfd_create", libc::SYS_memfd_create, None, BOTH),
    ("fallocate", libc::SYS_fallocate, None, BOTH),
    ("linkat", libc::SYS_linkat, None, BOTH),
    ("fdatasync", libc::SYS_fdatasync, None, BOTH),
    ("fsync", libc::SYS_fsync, None, BOTH),
    // The lock of the directory is advice.
    ("flock", libc::SYS_flock, None, BOTH),
];

/// Or by a kernel other than Linux, such as gVisor, or an old one.
fn by_a_seccomp_profile() {
    for (name, call, commands, answers) in PROFILES {
        for answer in answers {
            let name = format!("{name} with error {answer}");
            under(&name, WORDS, PRIVATE, |_| {
                refuse_with(call, *answer, commands);
                Ok(())
            });
        }
    }
}

/// The next call opens it.
fn a_ring_stays_if_its_creator_gets_no_role() {
    let directory = shared_memory_directory();
    let name = directory.path().join("ring");
    in_a_child(|| {
        let lock = [libc::F_OFD_SETLK as u32; 2];
        refuse_with(libc::SYS_fcntl, libc::EACCES, Some(lock));
        let refused = Producer::<u64>::create(&name, 64);
        is!(refused => Err(Error::Io { doing: "lock a role of", .. }));
    });
    drop(Producer::<u64>::open(&name).expect("the ring"));
}

fn incarnations_differ_without_getrandom() {
    refuse_with(libc::SYS_getrandom, libc::EPERM, None);
    let rings = ["first", "second"].map(|test| named::<u64>(test, &RingOptions::new(64)));
    let [first, second] = rings.each_ref().map(|(ring, _)| ring.incarnation());
    assert_ne!(first, second);
}

/// Or than the machine. Also where no process may mount.
fn a_ring_larger_than_all_of_shared_memory_is_an_error() {
    let directory = shared_memory_directory();
    let stat = rustix::fs::statvfs(directory.path()).expect("the directory is there");
    let capacity = (stat.f_blocks * stat.f_frsize).next_power_of_two();
    let (options, larger) = (RingOptions::new(capacity), RingOptions::new(1 << 57));
    let refusals = [
        (
            options.create::<u64>(directory.path().join("ring")).err(),
            capacity,
            "remount,size=",
        ),
        (
            larger.create_anonymous::<u64>().err(),
            1 << 57,
            "make the ring smaller",
        ),
        (larger.heap::<u64>().err(), 1 << 57, "make the ring smaller"),
    ];
    for (refusal, capacity, advice) in refusals {
        refused!(refusal => Error::NotEnoughMemory { wanted, available, hint });
        assert_eq!(wanted, 16384 + capacity * 8);
        assert!(
            (1..wanted).contains(&available) && hint.contains(advice),
            "{hint}"
        );
    }
    assert_eq!(files_in(directory.path()), [""; 0]);
}

/// On the heap, and mapped.
fn a_dropped_ring_takes_no_addresses() {
    const BYTES: u64 = 8 << 20;
    let options = RingOptions::new(BYTES);
    let makes: [&dyn Fn() -> Result<(), Error>; 2] = [&|| options.heap::<u8>().map(drop), &|| {
        options.create_anonymous::<u8>()?.producer().map(drop)
    }];
    in_a_child(|| {
        with_more_addresses(4 * BYTES).expect("its own limit");
        for make in makes {
            (0..16).for_each(|_| make().expect("the last one is dropped"));
        }
    });
}
