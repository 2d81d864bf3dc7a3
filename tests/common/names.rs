//! Ring names that are unique to a test and a process.

use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::{Mutex, PoisonError};

use tempfile::TempDir;

/// A ring's name that no other test has. Dropping it removes the file with that name.
pub(crate) struct RingName(OsString);

impl RingName {
    pub(crate) fn new(test: &str) -> Self {
        static NAMES: Mutex<u64> = Mutex::new(0);
        let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
        *names += 1;
        Self(format!("quoit-test-{}-{names}-{test}", process::id()).into())
    }

    /// This name with a suffix.
    pub(crate) fn and(&self, more: impl Into<OsString>) -> Self {
        let mut name = self.0.clone();
        name.push(more.into());
        Self(name)
    }

    /// The name as a `str`, such as for a child.
    pub(crate) fn as_str(&self) -> &str {
        self.0.to_str().expect("a name in UTF-8")
    }

    /// The file with the name.
    pub(crate) fn file(&self) -> PathBuf {
        Path::new("/dev/shm").join(&self.0)
    }
}

impl Deref for RingName {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<Path> for RingName {
    fn as_ref(&self) -> &Path {
        self.0.as_ref()
    }
}

impl fmt::Display for RingName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

impl Drop for RingName {
    fn drop(&mut self) {
        let file = self.file();
        // A few tests create a directory with the name.
        let _ = fs::remove_file(&file).or_else(|_| fs::remove_dir(&file));
    }
}

/// A private directory on tmpfs, for rings with paths.
pub(crate) fn shared_memory_directory() -> TempDir {
    directory_in(Path::new("/dev/shm"))
}

/// A private directory among the temporary files.
pub(crate) fn file_directory() -> TempDir {
    directory_in(&std::env::temp_dir())
}

fn directory_in(parent: &Path) -> TempDir {
    tempfile::Builder::new()
        .prefix("quoit-test-")
        .tempdir_in(parent)
        .expect("a temporary directory")
}

/// The names of the files in `directory`, sorted.
pub(crate) fn files_in(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("the directory can be read");
    let name = |entry: std::io::Result<fs::DirEntry>| {
        let name = entry.expect("an entry").file_name();
        name.to_string_lossy().into_owned()
    };
    let mut names: Vec<_> = entries.map(name).collect();
    names.sort();
    names
}
