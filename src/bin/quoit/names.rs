//! Names of rings: which files there are, and which of them a pattern means.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use glob::Pattern;

use crate::stop::{Code, Stop};

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

/// What the names mean, each once: a file of that very name, or all that a pattern fits, or
/// the pattern itself if there are none. No names mean all files in shared memory.
pub(crate) fn expanded(names: &[PathBuf]) -> Result<Vec<PathBuf>, Stop> {
    if names.is_empty() {
        return files(Path::new(SHARED_MEMORY));
    }
    let mut found = Vec::new();
    for name in names {
        let path = path_of(name);
        let text = last(&path);
        if !text.contains(['*', '?', '[']) || path.exists() {
            found.push(name.clone());
            continue;
        }
        let wrong = |error| Stop::new(Code::Usage, format!("{text}: {error}"));
        let pattern = Pattern::new(&text).map_err(wrong)?;
        let mut files = files(path.parent().unwrap_or(&path))?;
        files.retain(|file| pattern.matches(&last(file)));
        match files.is_empty() {
            true => found.push(name.clone()),
            false => found.extend(files),
        }
    }
    let mut given = BTreeSet::new();
    found.retain(|name| given.insert(name.clone()));
    Ok(found)
}

/// The last part of a path, in which a pattern may be.
fn last(path: &Path) -> Cow<'_, str> {
    path.file_name().unwrap_or_default().to_string_lossy()
}

/// Whether this is the name of a ring that is being created: if it stays, its creator crashed.
pub(crate) fn is_draft(name: &Path) -> bool {
    let draft = format!(".quoit-{}.new", "[0-9a-fA-F]".repeat(16));
    Pattern::new(&draft).is_ok_and(|draft| draft.matches(&last(name)))
}

/// The name as a command of a shell takes it, and not for an option.
pub(crate) fn quoted(name: &str) -> String {
    let is_plain = |letter: char| letter.is_alphanumeric() || "_-./".contains(letter);
    let word = match name.chars().all(is_plain) {
        true => name.to_owned(),
        false => format!("'{}'", name.replace('\'', r"'\''")),
    };
    match name.starts_with('-') {
        true => format!("-- {word}"),
        false => word,
    }
}

/// Cores, each once, as in `2,4` or `0-3,8`.
pub(crate) fn cores(text: &str) -> Result<Vec<u32>, String> {
    /// More than any kernel knows.
    const MOST: u32 = 1 << 16;
    let wrong = || "numbers, as in 2,4".to_owned();
    let mut numbers = Vec::new();
    for range in text.split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let [first, last] = [first, last].map(|number| number.trim().parse::<u32>());
        let range = first.map_err(|_| wrong())?..=last.map_err(|_| wrong())?;
        if range.is_empty() || *range.end() > MOST {
            return Err(wrong());
        }
        numbers.extend(range);
    }
    match numbers.iter().collect::<BTreeSet<_>>().len() == numbers.len() {
        true => Ok(numbers),
        false => Err("each endpoint needs a core of its own".to_owned()),
    }
}
