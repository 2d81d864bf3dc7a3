//! What each call that is refused answers under each condition of the system: `refusals.txt`. It is
//! an error that says what to do, never a signal, and leaves no file and no descriptor.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use quoit::{Error, RingOptions};
use rustix::process::Resource;

use crate::calls::{CALLS, Place};
use crate::common::descriptors::open_descriptors;
use crate::common::forbid::refuse_with;
use crate::common::fork::in_a_directory;
use crate::common::mounts::{mount, own_mounts};
use crate::common::names::files_in;
use crate::common::process::{drop_root, set_limit};
use crate::common::rings::named;

crate::common::suite::tests! {
    under_no_condition_a_call_is_refused,
    by_a_seccomp_profile,
    by_the_limits_of_a_process,
    by_the_rights_of_a_user,
    by_mounts,
    incarnations_differ_without_getrandom,
}

const REFUSALS: &str = include_str!("refusals.txt");
const WORDS: u64 = 1024;
const PRIVATE: u32 = 0o600;
const PUBLIC: u32 = 0o666;

/// Makes all calls in a child under a condition, in a place whose rings have this many words and
/// these mode bits. The calls of the page are refused, with its texts, and no other ones.
fn under(condition: &str, words: u64, mode: u32, set: impl Fn(&mut Place) -> io::Result<()>) {
    in_a_directory(|directory| {
        let actions = actions();
        let mut place = Place::new(directory, RingOptions::new(words).mode(mode));
        if let Err(error) = set(&mut place) {
            return eprintln!("[not {condition}: {error}] ");
        }
        let mut refusals: Vec<(String, Vec<&str>)> = Vec::new();
        for (name, call) in CALLS {
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

/// The action of each signal in this process.
fn actions() -> Vec<usize> {
    let action = |signal| {
        // SAFETY: all zero bytes are a valid record.
        let mut action: libc::sigaction = unsafe { core::mem::zeroed() };
        // SAFETY: the call sets nothing, and the record outlives it.
        unsafe { libc::sigaction(signal, core::ptr::null(), &raw mut action) };
        action.sa_sigaction
    };
    (1..=libc::SIGRTMAX()).map(action).collect()
}

fn under_no_condition_a_call_is_refused() {
    under("no condition", WORDS, PRIVATE, |_| Ok(()));
}

/// Or by a kernel other than Linux, such as gVisor, or an old one.
fn by_a_seccomp_profile() {
    // Open-file-description locks: set, query and wait.
    let locks = [libc::F_OFD_GETLK as u32, libc::F_OFD_SETLKW as u32];
    let only = |command: libc::c_int| Some([command as u32; 2]);
    let both = &[libc::EPERM, libc::ENOSYS][..];
    for (name, call, commands, answers) in [
        (
            "locks",
            libc::SYS_fcntl,
            Some(locks),
            &[libc::EINVAL, libc::ENOSYS, libc::EPERM][..],
        ),
        // By a security module: not as a lock that another process holds.
        (
            "F_OFD_SETLK",
            libc::SYS_fcntl,
            only(libc::F_OFD_SETLK),
            &[libc::EACCES],
        ),
        (
            "F_ADD_SEALS",
            libc::SYS_fcntl,
            only(libc::F_ADD_SEALS),
            both,
        ),
        ("memfd_create", libc::SYS_memfd_create, None, both),
        ("fallocate", libc::SYS_fallocate, None, both),
        ("linkat", libc::SYS_linkat, None, both),
        ("msync", libc::SYS_msync, None, both),
        ("fsync", libc::SYS_fsync, None, both),
    ] {
        for answer in answers {
            under(
                &format!("{name} with error {answer}"),
                WORDS,
                PRIVATE,
                |_| {
                    refuse_with(call, *answer, commands);
                    Ok(())
                },
            );
        }
    }
}

fn incarnations_differ_without_getrandom() {
    refuse_with(libc::SYS_getrandom, libc::EPERM, None);
    let rings = ["first", "second"].map(|test| named::<u64>(test, &RingOptions::new(64)));
    let [first, second] = rings.each_ref().map(|(ring, _)| ring.incarnation());
    assert_ne!(first, second);
}

fn by_the_limits_of_a_process() {
    let length = 16384 + 8 * WORDS;
    for (name, most) in [
        ("file size", length - 1),
        ("file size, just enough", length),
    ] {
        under(name, WORDS, PRIVATE, |_| {
            set_limit(Resource::Fsize, most);
            Ok(())
        });
    }
    // A ring has eight megabytes.
    for (name, more) in [("address space", 4), ("address space, enough", 32)] {
        under(name, 1 << 20, PRIVATE, |_| {
            let pages = fs::read_to_string("/proc/self/statm").expect("this process's memory");
            let (pages, _) = pages.split_once(' ').expect("several numbers");
            let used = pages.parse::<u64>().expect("a number") * 4096;
            set_limit(Resource::As, used + (more << 20));
            Ok(())
        });
    }
    for (name, most) in [("locked memory of 0", 0), ("locked memory of 4096", 4096)] {
        under(name, WORDS, PUBLIC, |place| {
            drop_root();
            set_limit(Resource::Memlock, most);
            place.options = place.options.clone().lock_memory(true);
            Ok(())
        });
    }
    for (name, words) in [("mlockall", 2 << 20), ("mlockall, small rings", WORDS)] {
        under(name, words, PUBLIC, |_| {
            drop_root();
            set_limit(Resource::Memlock, 8 << 20);
            // SAFETY: no pointer.
            let locks = unsafe { libc::mlockall(libc::MCL_FUTURE) };
            assert_eq!(locks, 0, "{}", io::Error::last_os_error());
            Ok(())
        });
    }
}

/// Another user, for which the rings grant nothing, to read, or everything.
fn by_the_rights_of_a_user() {
    for mode in [0, 0o444, PUBLIC] {
        under(&format!("mode {mode:o}"), WORDS, mode, |_| {
            drop_root();
            Ok(())
        });
    }
    under("the directory of another user", WORDS, PUBLIC, |place| {
        fs::set_permissions(&place.directory, Permissions::from_mode(0o555))?;
        drop_root();
        Ok(())
    });
}

fn by_mounts() {
    under("a read-only file system", WORDS, PRIVATE, |_| {
        own_mounts()?;
        let flags = libc::MS_BIND | libc::MS_NOSUID | libc::MS_NODEV;
        mount(c"/dev/shm", Path::new("/dev/shm"), c"", flags, c"")?;
        let flags = flags | libc::MS_REMOUNT | libc::MS_RDONLY;
        mount(c"", Path::new("/dev/shm"), c"", flags, c"")
    });
    // A draft then has a name, because a nameless file cannot be linked.
    under("no /proc", WORDS, PRIVATE, |_| {
        own_mounts()?;
        mount(c"none", Path::new("/proc"), c"tmpfs", 0, c"")
    });
}
