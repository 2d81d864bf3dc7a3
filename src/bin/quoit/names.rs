//! Names of rings: which files there are, and which of them a pattern means.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use glob::Pattern;
use quoit::Error;

use crate::stop::Stop;

/// Where rings with plain names are.
pub(crate) const SHARED_MEMORY: &str = "/dev/shm";

/// Where the ring of a name is.
pub(crate) fn path_of(name: &Path) -> PathBuf {
    match name.as_os_str().as_encoded_bytes().contains(&b'/') {
        true => name.to_owned(),
        false => Path::new(SHARED_MEMORY).join(name),
    }
}

/// The files in a directory, sorted; those in shared memory by their plain names.
pub(crate) fn files(directory: &Path) -> Result<Vec<PathBuf>, Stop> {
    let found = entries(directory);
    found.map_err(Stop::io(format!("list {}", directory.display())))
}

/// All files in shared memory.
pub(crate) fn all() -> Result<Vec<PathBuf>, Stop> {
    files(Path::new(SHARED_MEMORY))
}

fn entries(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            files.push(match directory == Path::new(SHARED_MEMORY) {
                true => entry.file_name().into(),
                false => entry.path(),
            });
        }
    }
    files.sort();
    Ok(files)
}

/// What the names mean: a file of that very name, or all that a pattern fits.
pub(crate) fn expanded(names: &[PathBuf]) -> Result<Vec<PathBuf>, Stop> {
    let mut found = Vec::new();
    for name in names {
        let text = name.to_string_lossy();
        if !text.contains(['*', '?', '[']) || path_of(name).exists() {
            found.push(name.clone());
            continue;
        }
        let wrong = |error| Stop::Pattern(format!("{text}: {error}"));
        let pattern = Pattern::new(&text).map_err(wrong)?;
        let directory = match name.parent() {
            Some(parent) if text.contains('/') => parent,
            _ => Path::new(SHARED_MEMORY),
        };
        let mut files = files(directory)?;
        files.retain(|file| pattern.matches_path(file));
        if files.is_empty() {
            let name = text.into_owned();
            return Err(Error::NotFound { name }.into());
        }
        found.extend(files);
    }
    Ok(found)
}

/// Whether this is the name of a ring that is being made: if it stays, its maker died.
pub(crate) fn is_draft(name: &Path) -> bool {
    let name = name.file_name().unwrap_or_default().to_string_lossy();
    let number = name
        .strip_prefix(".quoit-")
        .and_then(|rest| rest.strip_suffix(".new"));
    number.is_some_and(|digits| {
        digits.len() == 16 && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
    })
}

/// The name as a shell takes it.
pub(crate) fn quoted(name: &str) -> String {
    let is_plain = |letter: char| letter.is_alphanumeric() || "_-./".contains(letter);
    match name.chars().all(is_plain) {
        true => name.to_owned(),
        false => format!("'{}'", name.replace('\'', r"'\''")),
    }
}
