//! A ring's name: `ticks` for POSIX shared memory, or a path.

use std::ffi::{CStr, CString};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::off_standard;
use crate::error::Error;

/// Where `shm_open` of glibc and of musl keeps its objects.
const SHM: &str = "/dev/shm";

/// A checked name.
#[derive(Debug, Clone)]
pub(crate) struct Name {
    shown: String,
    /// For `shm_open`; `None` for a path.
    shm: Option<CString>,
    path: CString,
    directory: PathBuf,
}

impl Name {
    pub(crate) fn parse(name: &Path) -> Result<Self, Error> {
        let shown = name.to_string_lossy().into_owned();
        let invalid = |reason| Error::InvalidName {
            name: shown.clone(),
            reason,
        };
        let bytes = name.as_os_str().as_bytes();
        if bytes.is_empty() {
            return Err(invalid("it is empty"));
        }
        let is_path = bytes.contains(&b'/');
        let last = bytes
            .rsplit(|&byte| byte == b'/')
            .next()
            .unwrap_or_default();
        if matches!(last, b"" | b"." | b"..") {
            return Err(invalid("it must end in the name of a file"));
        }
        if last.len() > 255 {
            return Err(invalid("no file name is longer than 255 bytes"));
        }
        let c_string =
            |bytes: &[u8]| CString::new(bytes).map_err(|_| invalid("it holds a zero byte"));
        let (path, shm) = if is_path {
            (name.to_path_buf(), None)
        } else {
            let slashed = [b"/", bytes].concat();
            (Path::new(SHM).join(name), Some(c_string(&slashed)?))
        };
        let directory = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
            _ => PathBuf::from("."),
        };
        let path = c_string(path.as_os_str().as_bytes())?;
        Ok(Self {
            shown,
            shm,
            path,
            directory,
        })
    }

    /// The name as the user gave it.
    pub(crate) fn display_name(&self) -> &str {
        &self.shown
    }

    pub(crate) fn shm(&self) -> Option<&CStr> {
        self.shm.as_deref()
    }

    pub(crate) fn path(&self) -> &CStr {
        &self.path
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// A FIFO in its place would block a plain open, and a terminal would become this process's.
    pub(super) fn open_directory(&self) -> io::Result<File> {
        let mut options = OpenOptions::new();
        let options = options.read(true).custom_flags(libc::O_DIRECTORY);
        options.open(&self.directory).and_then(off_standard)
    }
}
