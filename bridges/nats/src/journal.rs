//! Which message of the stream is the last one in the ring.
//!
//! A batch is published by one store of the tail. Before that store the bridge writes
//! here where the tail is, where it will be, and which sequence belongs to each of the
//! two. After a crash the ring itself says which of them holds:
//!
//! ```text
//! journal: tail 4096 <-> sequence 17, tail 5120 <-> sequence 25      then   tail = 5120
//!
//! killed before the store: the tail is 4096, and 18 is the next message
//! killed after it:         the tail is 5120, and 26 is the next message
//! ```
//!
//! So a message is in the ring if and only if the journal says so, without a transaction
//! over both. The file has two entries, and the older one is written over: an entry that
//! was cut short belongs to a batch that was not published.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::error::Error;

const MAGIC: u64 = u64::from_le_bytes(*b"QUOITNJ1");
/// Words of an entry, with the checksum.
const WORDS: usize = 9;
const BYTES: usize = WORDS * 8;
/// Where the second entry begins.
const STRIDE: u64 = 128;

/// A place in the ring, and the last message of the stream before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) tail: u64,
    pub(crate) sequence: u64,
}

/// Which ring and which stream belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) incarnation: u64,
    /// When the stream was created, in ns since 1970: another one of the name begins at 1.
    pub(crate) created: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    number: u64,
    pair: Pair,
    before: Mark,
    after: Mark,
}

/// What the journal knows of a ring and a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// This was the last message.
    Last(u64),
    /// Nothing: another ring, another stream, or no journal.
    Nothing,
    /// The tail is nowhere near: another producer has used the ring. The last place that
    /// is known.
    Elsewhere(Mark),
}

/// The file.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    file: File,
    newest: Option<Entry>,
}

impl Journal {
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let path = path.to_owned();
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).mode(0o600);
        let file = options
            .open(&path)
            .map_err(|source| Error::file("open the journal", &path, source))?;
        // Other errors are of a file system without locks.
        if let Err(TryLockError::WouldBlock) = file.try_lock() {
            return Err(Error::Config(format!(
                "another bridge uses the journal {}; give each ring a file of its own",
                path.display()
            )));
        }
        let failed = |source| Error::file("read the journal", &path, source);
        let metadata = file.metadata().map_err(failed)?;
        let mut newest: Option<Entry> = None;
        let (mut has_magic, mut is_empty) = (false, true);
        for at in [0, STRIDE] {
            let mut bytes = [0; BYTES];
            file.read_at(&mut bytes, at).map_err(failed)?;
            has_magic |= bytes[..8] == MAGIC.to_le_bytes();
            is_empty &= bytes == [0; BYTES];
            newest = newest.max_by_number(decode(&bytes));
        }
        // Nothing is written over another file.
        let is_own = metadata.is_file() && metadata.len() <= STRIDE + BYTES as u64;
        match is_own && (has_magic || is_empty) {
            true => Ok(Self { path, file, newest }),
            false => Err(Error::Config(format!(
                "{} is not a journal of quoit-nats, and is left as it is; choose another file",
                path.display()
            ))),
        }
    }

    /// What it knows of this ring, whose tail is here, and of this stream.
    pub(crate) fn find(&self, pair: Pair, tail: u64) -> Found {
        match self.newest {
            Some(entry) if entry.pair == pair => {
                let marks = [entry.after, entry.before];
                let mark = marks.iter().find(|mark| mark.tail == tail);
                mark.map_or(Found::Elsewhere(entry.after), |mark| {
                    Found::Last(mark.sequence)
                })
            }
            _ => Found::Nothing,
        }
    }

    /// Writes what is about to be true.
    pub(crate) fn write(&mut self, pair: Pair, before: Mark, after: Mark) -> Result<(), Error> {
        let number = self.newest.map_or(1, |entry| entry.number + 1);
        let entry = Entry {
            number,
            pair,
            before,
            after,
        };
        let at = number % 2 * STRIDE;
        let written = self.file.write_all_at(&encode(&entry), at);
        written.map_err(|source| Error::file("write the journal", &self.path, source))?;
        self.newest = Some(entry);
        Ok(())
    }
}

trait Newer {
    fn max_by_number(self, other: Self) -> Self;
}

impl Newer for Option<Entry> {
    fn max_by_number(self, other: Self) -> Self {
        match (self, other) {
            (Some(one), Some(two)) if two.number > one.number => Some(two),
            (one, two) => one.or(two),
        }
    }
}

fn encode(entry: &Entry) -> [u8; BYTES] {
    let words = [
        MAGIC,
        entry.number,
        entry.pair.incarnation,
        entry.pair.created,
        entry.before.tail,
        entry.before.sequence,
        entry.after.tail,
        entry.after.sequence,
    ];
    let mut bytes = [0; BYTES];
    for (place, word) in bytes.chunks_exact_mut(8).zip(words) {
        place.copy_from_slice(&word.to_le_bytes());
    }
    let sum = checksum(&bytes[..BYTES - 8]).to_le_bytes();
    bytes[BYTES - 8..].copy_from_slice(&sum);
    bytes
}

fn decode(bytes: &[u8; BYTES]) -> Option<Entry> {
    let mut words = [0; WORDS];
    for (word, place) in words.iter_mut().zip(bytes.chunks_exact(8)) {
        let mut eight = [0; 8];
        eight.copy_from_slice(place);
        *word = u64::from_le_bytes(eight);
    }
    let [
        magic,
        number,
        incarnation,
        created,
        before_tail,
        before_sequence,
        after_tail,
        after_sequence,
        sum,
    ] = words;
    let is_whole = magic == MAGIC && sum == checksum(&bytes[..BYTES - 8]);
    is_whole.then_some(Entry {
        number,
        pair: Pair {
            incarnation,
            created,
        },
        before: Mark {
            tail: before_tail,
            sequence: before_sequence,
        },
        after: Mark {
            tail: after_tail,
            sequence: after_sequence,
        },
    })
}

/// FNV-1a.
fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const PAIR: Pair = Pair {
        incarnation: 7,
        created: 9,
    };

    fn mark(tail: u64, sequence: u64) -> Mark {
        Mark { tail, sequence }
    }

    #[test]
    fn the_tail_says_whether_the_batch_was_published() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("journal");
        let mut journal = Journal::open(&path).expect("a journal");
        assert_eq!(journal.find(PAIR, 0), Found::Nothing);
        for (before, after) in [(mark(0, 0), mark(64, 3)), (mark(64, 3), mark(128, 5))] {
            journal.write(PAIR, before, after).expect("a write");
            // As the next process finds it.
            let error = Journal::open(&path).expect_err("it is in use");
            assert!(error.to_string().contains("another bridge"), "{error}");
            drop(journal);
            journal = Journal::open(&path).expect("the journal");
            assert_eq!(
                journal.find(PAIR, before.tail),
                Found::Last(before.sequence)
            );
            assert_eq!(journal.find(PAIR, after.tail), Found::Last(after.sequence));
        }
        assert_eq!(journal.find(PAIR, 0), Found::Elsewhere(mark(128, 5)));
        let other = Pair { created: 8, ..PAIR };
        assert_eq!(journal.find(other, 128), Found::Nothing);
    }

    #[test]
    fn another_file_is_left_as_it_is() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("notes");
        for text in ["a short note".to_owned(), "a long note\n".repeat(100)] {
            fs::write(&path, &text).expect("a file");
            let error = Journal::open(&path).expect_err("no journal");
            assert!(error.to_string().contains("choose another file"), "{error}");
            assert_eq!(fs::read_to_string(&path).expect("the file"), text);
        }
    }

    #[test]
    fn a_message_that_took_no_room_is_the_last_one() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("journal");
        let mut journal = Journal::open(&path).expect("a journal");
        journal
            .write(PAIR, mark(64, 3), mark(64, 4))
            .expect("a write");
        assert_eq!(journal.find(PAIR, 64), Found::Last(4));
    }

    #[test]
    fn an_entry_that_was_cut_short_is_none() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("journal");
        let mut journal = Journal::open(&path).expect("a journal");
        journal
            .write(PAIR, mark(0, 0), mark(64, 3))
            .expect("a write");
        journal
            .write(PAIR, mark(64, 3), mark(128, 5))
            .expect("a write");
        drop(journal);
        // The second entry is at the beginning of the file.
        for cut in [1, 40, BYTES as u64 - 1] {
            let file = OpenOptions::new().write(true).open(&path).expect("a file");
            file.write_all_at(&[0xff], cut).expect("a write");
            let journal = Journal::open(&path).expect("the journal");
            assert_eq!(journal.find(PAIR, 64), Found::Last(3));
            assert_eq!(journal.find(PAIR, 128), Found::Elsewhere(mark(64, 3)));
        }
    }
}
