//! A file that is a ring, or may be one.

use std::ffi::CStr;
use std::fs::{self, Metadata};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use quoit::{Corrupt, Error, Observer};

use crate::names::{is_draft, path_of};
use crate::sight::Look;

/// Bytes of a ring's header: what is not longer is none.
const HEADER: u64 = 16384;

/// What a listing has.
pub(crate) struct Entry {
    pub(crate) name: PathBuf,
    pub(crate) path: PathBuf,
    pub(crate) file: Metadata,
    pub(crate) ring: Result<Look, Trouble>,
}

/// Why a ring cannot be looked into.
pub(crate) enum Trouble {
    NoPermission,
    Corrupt(Corrupt),
    /// The version of its layout.
    Layout(u32),
    /// It is being made, or its maker died.
    Draft,
}

impl Entry {
    /// Of a file; nothing of one that is no ring, or was removed. An earlier look at a ring
    /// of this name saves a search for its processes. An error if this process can open no
    /// file at all.
    pub(crate) fn of(name: &Path, before: Option<&Look>) -> Result<Option<Self>, Error> {
        let path = path_of(name);
        let Ok(file) = fs::metadata(&path) else {
            return Ok(None);
        };
        let look = Observer::open(name).and_then(|observer| Look::at(&observer, before));
        let ring = match look {
            Ok(_) | Err(Error::NotARing { .. }) if is_draft(name) => Err(Trouble::Draft),
            Ok(look) => Ok(look),
            Err(Error::Corrupt(corrupt)) => Err(Trouble::Corrupt(corrupt)),
            Err(Error::VersionMismatch { found, .. }) => Err(Trouble::Layout(found)),
            Err(Error::Io { source, .. })
                if source.kind() == ErrorKind::PermissionDenied && may_be_a_ring(name, &file) =>
            {
                Err(Trouble::NoPermission)
            }
            Err(error) if is_exhausted(&error) => return Err(error),
            Err(_) => return Ok(None),
        };
        let name = name.to_owned();
        Ok(Some(Self {
            name,
            path,
            file,
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

    pub(crate) fn mode(&self) -> u32 {
        self.file.permissions().mode() & 0o7777
    }

    /// The owner's name, or number.
    pub(crate) fn owner(&self) -> String {
        let uid = self.file.uid();
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

    pub(crate) fn shown(&self) -> String {
        self.name.display().to_string()
    }

    /// In a program's word.
    pub(crate) fn state(&self) -> &'static str {
        match &self.ring {
            Ok(look) if look.corrupt.is_none() => "ok",
            Ok(_) | Err(Trouble::Corrupt(_)) => "corrupt",
            Err(Trouble::NoPermission) => "no_permission",
            Err(Trouble::Layout(_)) => "other_layout",
            Err(Trouble::Draft) => "draft",
        }
    }
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
