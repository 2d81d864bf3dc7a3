//! Files whose reads and writes end when a signal arrives.

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::time::Duration;

use rustix::event::PollFlags;

use crate::interrupt::{Interrupt, MOMENT};
use crate::standard::Standard;
use crate::stop::Stop;

/// A pipe that can take anything can take this much without blocking.
const PIECE: usize = 4096;
/// Between two checks of what a pipe still holds, at first.
const SHORTEST: Duration = Duration::from_micros(20);

/// Standard input or output, without the buffer of the standard library, and the signals
/// that may end a wait for it.
pub(crate) struct Patient<'a> {
    file: File,
    interrupt: &'a Interrupt,
    /// Regular files keep no writer waiting: what was begun is written whole.
    writes_whole: bool,
    pub(crate) is_pipe: bool,
    /// What is done with it, for an error.
    doing: &'static str,
}

impl<'a> Patient<'a> {
    pub(crate) fn input(interrupt: &'a Interrupt) -> Result<Self, Stop> {
        Self::new(Standard::Input, interrupt, "read standard input")
    }

    pub(crate) fn output(interrupt: &'a Interrupt) -> Result<Self, Stop> {
        Self::new(Standard::Output, interrupt, "write to standard output")
    }

    fn new(from: Standard, interrupt: &'a Interrupt, doing: &'static str) -> Result<Self, Stop> {
        let file = from.file().map_err(Stop::io(doing))?;
        let file = terminal_at(file.as_fd()).unwrap_or(file);
        let kind = file.metadata().map(|file| file.file_type());
        Ok(Self {
            writes_whole: kind.as_ref().is_ok_and(|kind| kind.is_file()),
            is_pipe: kind.is_ok_and(|kind| kind.is_fifo()),
            doing,
            file,
            interrupt,
        })
    }
}

/// A terminal that is ready may still block a write, so it is opened again for writes
/// that do not: other processes have the one that was given, too.
pub(crate) fn terminal_at(stream: BorrowedFd<'_>) -> Option<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    options.custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY);
    let path = format!("/proc/self/fd/{}", stream.as_raw_fd());
    let again = stream.is_terminal().then(|| options.open(path));
    again.and_then(Result::ok)
}

impl AsFd for Patient<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Patient<'_> {
    /// What is next; 0 bytes at the end.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Stop> {
        loop {
            self.interrupt.until(self.file.as_fd(), PollFlags::IN)?;
            match self.file.read(buffer) {
                Err(error) if is_to_be_repeated(&error) => {}
                other => return other.map_err(Stop::io(self.doing)),
            }
        }
    }

    pub(crate) fn write_all(&mut self, mut bytes: &[u8]) -> Result<(), Stop> {
        while !bytes.is_empty() {
            if !self.writes_whole {
                self.interrupt.until(self.file.as_fd(), PollFlags::OUT)?;
            }
            match self.file.write(&bytes[..bytes.len().min(PIECE)]) {
                Ok(0) => return Err(Stop::io(self.doing)(io::ErrorKind::WriteZero.into())),
                Ok(count) => bytes = &bytes[count..],
                Err(error) if is_to_be_repeated(&error) => {}
                Err(error) => return Err(Stop::io(self.doing)(error)),
            }
        }
        Ok(())
    }

    /// Writes what can be written without waiting.
    pub(crate) fn write_at_once(&mut self, bytes: &[u8]) {
        let _ = self.file.write(bytes);
    }

    /// Waits until the reader of a pipe has read all that was written: an error if it closes
    /// the pipe before. Other files have it as soon as it is written.
    pub(crate) fn delivered(&self) -> Result<(), Stop> {
        let mut pause = SHORTEST;
        let is_full = || rustix::io::ioctl_fionread(&self.file).is_ok_and(|count| count > 0);
        while self.is_pipe && is_full() {
            // A reader may close the pipe after the last byte.
            match self.interrupt.sleep(pause) {
                Err(stop) if is_full() => return Err(stop),
                _ => pause = (2 * pause).min(MOMENT),
            }
        }
        Ok(())
    }
}

fn is_to_be_repeated(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}
