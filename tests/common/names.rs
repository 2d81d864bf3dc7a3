//! Names that belong to one test of one process.

use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::{Mutex, PoisonError};

use tempfile::TempDir;

/// A ring's name that no other test has. Whatever it leads to is removed when
/// the test is over, however it ends.
pub(crate) struct RingName(OsString);

impl RingName {
    pub(crate) fn new(test: &str) -> Self {
        static NAMES: Mutex<u64> = Mutex::new(0);
        let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
        *names += 1;
        Self(format!("quoit-test-{}-{names}-{test}", process::id()).into())
    }

    /// A name that is like this one and continues with these bytes.
    pub(crate) fn and(&self, more: impl Into<OsString>) -> Self {
        let mut name = self.0.clone();
        name.push(more.into());
        Self(name)
    }

    /// The name for code that takes a `str`, such as a child.
    pub(crate) fn as_str(&self) -> &str {
        self.0.to_str().expect("a name in UTF-8")
    }

    /// The file behind the name.
    pub(crate) fn file(&self) -> PathBuf {
        Path::new("/dev/shm").join(&self.0)
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
        // A few tests put a directory in the way.
        let _ = fs::remove_file(&file).or_else(|_| fs::remove_dir(&file));
    }
}

/// A directory of the test's own on tmpfs, where rings with paths live.
pub(crate) fn shared_memory_directory() -> TempDir {
    directory_in(Path::new("/dev/shm"))
}

/// A directory of the test's own on whatever holds temporary files.
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
