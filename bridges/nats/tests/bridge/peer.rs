//! The far consumer, as a process that is killed: it takes each message once, and says in
//! a file how far it is.
//!
//! The file is written before the release, with the position of the message, so that a
//! next process knows what was taken and not released.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use quoit::{FrameConsumer, PopError};

use crate::messages::{checksum, len, number};

/// How far the consumer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Progress {
    /// Messages that were taken.
    pub(crate) count: u64,
    /// The position of the last one.
    position: u64,
    /// A checksum over the bytes of all of them.
    pub(crate) sum: u64,
}

impl Progress {
    pub(crate) fn read(path: &Path) -> Self {
        let mut words = [0; 24];
        let read = File::open(path).and_then(|file| file.read_exact_at(&mut words, 0));
        if read.is_err() {
            return Self::default();
        }
        let word = |at: usize| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&words[at..at + 8]);
            u64::from_le_bytes(bytes)
        };
        Self {
            count: word(0),
            position: word(8),
            sum: word(16),
        }
    }

    fn write(&self, file: &File) {
        let words = [self.count, self.position, self.sum];
        let bytes = words.map(u64::to_le_bytes).concat();
        file.write_all_at(&bytes, 0).expect("a write");
    }

    /// With the next message.
    pub(crate) fn with(self, position: u64, bytes: &[u8]) -> Self {
        Self {
            count: self.count + 1,
            position,
            sum: self.sum.rotate_left(1) ^ checksum(bytes),
        }
    }
}

/// `RING FILE COUNT`: takes this many messages.
pub(crate) fn run(words: &[String]) -> ExitCode {
    let [ring, path, count] = words else {
        return ExitCode::from(2);
    };
    let wanted: u64 = count.parse().expect("a number");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    let file = options.open(path).expect("the file");
    let mut progress = Progress::read(Path::new(path));
    let mut consumer = FrameConsumer::open(ring).expect("the ring");
    let mut bytes = Vec::new();
    while progress.count < wanted {
        let position = consumer.position();
        let frame = match consumer.peek_timeout(Duration::from_secs(1)) {
            Ok(frame) => frame,
            // The bridge is killed, and comes again.
            Err(PopError::TimedOut) => continue,
            Err(PopError::Abandoned) => {
                let _ = consumer.wait_for_peer_timeout(Duration::from_secs(1));
                continue;
            }
            Err(error) => panic!("{error}"),
        };
        if progress.count > 0 && position == progress.position {
            frame.release(); // it was taken before
            continue;
        }
        bytes.clear();
        frame.append_to(&mut bytes);
        if let Err(why) = check(progress.count, frame.kind(), &bytes) {
            eprintln!("instead of message {}: {why}", progress.count);
            return ExitCode::from(3);
        }
        progress = progress.with(position, &bytes);
        progress.write(&file);
        frame.release();
    }
    ExitCode::SUCCESS
}

/// Whether this is the message of that number.
fn check(expected: u64, kind: u32, bytes: &[u8]) -> Result<(), String> {
    let found = number(bytes)?;
    if found != expected || bytes.len() != len(expected) || u64::from(kind) != expected % 5 {
        let len = bytes.len();
        return Err(format!("message {found} of {len} bytes and kind {kind}"));
    }
    Ok(())
}
