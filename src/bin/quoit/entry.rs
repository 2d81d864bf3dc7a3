//! A file that is a ring, or may be one, and what looks wrong with it.

use std::ffi::CStr;
use std::fs::{self, Metadata};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use quoit::{Corrupt, DoorbellKind, Error, Observer, Role};

use crate::names::{is_draft, path_of, quoted};
use crate::sight::{Look, Motion, Peer};

/// What is as good as full, in percent.
pub(crate) const FULL: u64 = 95;
/// Bytes of a ring's header: what is not longer is none.
const HEADER: u64 = 16384;

/// What a listing has.
pub(crate) struct Entry {
    pub(crate) name: PathBuf,
    pub(crate) path: PathBuf,
    pub(crate) file: Metadata,
    pub(crate) mode: u32,
    pub(crate) ring: Result<Look, Trouble>,
}

/// Why a ring cannot be looked into: in a program's word, and in plain ones with the command
/// that helps.
pub(crate) type Trouble = (&'static str, String);

impl Entry {
    /// Of a file; nothing of one that is not a ring, or was removed. An earlier look at a ring
    /// of this name saves a search for its processes. An error if this process can open no
    /// file at all.
    pub(crate) fn of(name: &Path, before: Option<&Look>) -> Result<Option<Self>, Error> {
        let path = path_of(name);
        let Ok(file) = fs::metadata(&path) else {
            return Ok(None);
        };
        let mode = file.permissions().mode() & 0o7777;
        let shown = quoted(&name.to_string_lossy());
        let look = Observer::open(name).and_then(|observer| Look::at(&observer, before));
        let ring = match look {
            Ok(_) | Err(Error::NotARing { .. }) if is_draft(name) => {
                let path = quoted(&path.to_string_lossy());
                let why = "a ring that is being created; if it stays, its creator crashed";
                Err(("draft", format!("{why}: rm {path}")))
            }
            Ok(look) => Ok(look),
            Err(Error::Corrupt(found)) => Err(("corrupt", corrupt(&found, &shown, ""))),
            Err(Error::VersionMismatch { found, .. }) => {
                let why = format!("it has layout version {found}; use the quoit that made it");
                Err(("other_layout", why))
            }
            Err(Error::Io { source, .. })
                if source.kind() == ErrorKind::PermissionDenied && may_be_a_ring(name, &file) =>
            {
                let owner = owner(file.uid());
                let why = format!("no permission: its owner is {owner}, its mode {mode:o}");
                Err(("no_permission", format!("{why}; sudo quoit stat {shown}")))
            }
            Err(error) if is_exhausted(&error) => return Err(error),
            Err(_) => return Ok(None),
        };
        Ok(Some(Self {
            name: name.to_owned(),
            path,
            file,
            mode,
            ring,
        }))
    }

    /// Whether this is the ring that the other entry of the same name was.
    pub(crate) fn is_still(&self, before: &Self) -> bool {
        match (&self.ring, &before.ring) {
            // A copy in an overlayfs has another inode.
            (Ok(now), Ok(then)) => now.info.incarnation == then.info.incarnation,
            _ => self.file.ino() == before.file.ino(),
        }
    }

    pub(crate) fn shown(&self) -> String {
        self.name.display().to_string()
    }

    /// In a program's word.
    pub(crate) fn state(&self) -> &'static str {
        match &self.ring {
            Ok(look) if look.corrupt.is_none() => "ok",
            Ok(_) => "corrupt",
            Err((state, _)) => state,
        }
    }

    /// What looks wrong, in plain words and with the command that helps; with the motion since
    /// another look.
    pub(crate) fn wrong(&self, motion: Option<&Motion>) -> Vec<String> {
        let look = match &self.ring {
            Ok(look) => look,
            Err((_, why)) => return vec![why.clone()],
        };
        let (name, mut wrong) = (quoted(&self.shown()), Vec::new());
        if let Some(found) = &look.corrupt {
            let held = look
                .is_held()
                .then(|| format!("stop {} and ", look.holders()));
            wrong.push(corrupt(found, &name, &held.unwrap_or_default()));
        }
        for peer in &look.peers {
            let (role, named, rescues) = (peer.role, peer.named(), peer.state.rescues);
            let crashed = || format!("the {role} ({named}) crashed; restart it, and it resumes");
            wrong.extend(peer.has_crashed().then(crashed));
            if let Some(pid) = peer.pid().filter(|_| peer.running().is_stopped()) {
                let stopped = format!("the {role} ({named}) is stopped; kill -CONT {pid}");
                wrong.push(stopped);
            } else if role == Role::Consumer && look.corrupt.is_none() {
                wrong.extend(motion.and_then(|motion| stalled(look, peer, motion)));
            }
            wrong.extend((rescues > 0).then(|| rescued(role, rescues, look.info.doorbell)));
        }
        let is_full = look.corrupt.is_none() && look.percent() >= FULL;
        if is_full && !look.peer(Role::Consumer).is_alive {
            wrong.push("it is full, and no process reads it; start a consumer".to_owned());
        }
        if look.is_superseded {
            wrong.push(
                "it was removed or replaced; attached processes should open its name again"
                    .to_owned(),
            );
        }
        if look.is_half_removed {
            wrong.push(format!(
                "a process that removes or replaces it crashed, or has not finished; the next \
                 process that opens the ring to write removes it, or continues with it if it may \
                 not; quoit rm {name} removes it for its owner, the owner of its directory, and root"
            ));
        }
        wrong
    }
}

/// What is wrong with a corrupt ring, and what to do before it is removed.
fn corrupt(found: &Corrupt, name: &str, before: &str) -> String {
    let Corrupt { field, found } = found;
    format!("it is corrupt: its {field} cannot be {found:#x}; {before}remove it: quoit rm {name}")
}

/// A consumer that takes nothing.
fn stalled(look: &Look, peer: &Peer, motion: &Motion) -> Option<String> {
    let full = match look.percent() {
        FULL.. => "full: ",
        _ => "",
    };
    let (named, seconds) = (peer.named(), motion.stalled_seconds);
    let (unread, unit) = (look.fill(), look.unit());
    (seconds > 0.0).then(|| {
        let does = peer.running().words();
        format!(
            "{full}the consumer ({named}) has taken nothing for {seconds:.1} s, and {unread} \
             {unit} are unread{does}"
        )
    })
}

/// What a counter of rescues says, and what to check. It proves nothing: any process that
/// may write to the ring can raise it.
fn rescued(role: Role, count: u64, doorbell: DoorbellKind) -> String {
    let (peer, waiting, moves) = match role {
        Role::Producer => (Role::Consumer, "there was room", "release"),
        _ => (Role::Producer, "messages were waiting", "publish"),
    };
    let wake = match doorbell {
        DoorbellKind::Semaphore => format!("sem_post on the {role}'s semaphore"),
        _ => "FUTEX_WAKE without FUTEX_PRIVATE_FLAG".to_owned(),
    };
    format!(
        "{count} sleeps of the {role} lasted until a timeout although {waiting}, as its counter \
         says; check that the {peer} wakes after each {moves}, by {wake} (any process that may \
         write to the ring can raise the counter)"
    )
}

/// A user's name, or number.
pub(crate) fn owner(uid: u32) -> String {
    // SAFETY: this process has one thread that asks for users.
    let entry = unsafe { libc::getpwuid(uid) };
    if entry.is_null() {
        return uid.to_string();
    }
    // SAFETY: the entry is there until the next call.
    let name = unsafe { (*entry).pw_name };
    // SAFETY: the name of an entry is a C string.
    let name = unsafe { CStr::from_ptr(name) };
    name.to_string_lossy().into_owned()
}

/// As far as a stranger can tell; `sem.*` are semaphores of the C library.
fn may_be_a_ring(name: &Path, file: &Metadata) -> bool {
    let name = name.file_name().unwrap_or_default();
    file.len() > HEADER && !name.as_encoded_bytes().starts_with(b"sem.")
}

/// Whether it is this process that has no room for another file.
fn is_exhausted(error: &Error) -> bool {
    let Error::Io { source, .. } = error else {
        return false;
    };
    let number = source.raw_os_error();
    number.is_some_and(|number| matches!(number, libc::EMFILE | libc::ENFILE | libc::ENOMEM))
}
