//! Files whose reads and writes end when a signal comes.

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::time::Duration;

use crate::interrupt::{Interrupt, MOMENT};
use crate::standard::Standard;
use crate::stop::Stop;

/// A pipe that can take anything can take so much without blocking.
const PIECE: usize = 4096;
/// Between two looks at what a pipe still holds, at first.
const SHORTEST: Duration = Duration::from_micros(20);

/// A file, and the signals that end a wait for it.
pub(crate) struct Patient<'a> {
    file: File,
    interrupt: &'a Interrupt,
    /// Regular files keep no writer waiting: what was begun is written whole.
    writes_whole: bool,
    is_pipe: bool,
    /// What is done with it, for an error.
    doing: &'static str,
}

impl<'a> Patient<'a> {
    fn new(file: File, interrupt: &'a Interrupt, doing: &'static str) -> Self {
        let kind = file.metadata().map(|file| file.file_type());
        Self {
            writes_whole: kind.as_ref().is_ok_and(|kind| kind.is_file()),
            is_pipe: kind.is_ok_and(|kind| kind.is_fifo()),
            doing,
            file,
            interrupt,
        }
    }

    /// Standard input, without the buffer of the standard library.
    pub(crate) fn input(interrupt: &'a Interrupt) -> Result<Self, Stop> {
        let doing = "read standard input";
        let file = Standard::Input.file().map_err(Stop::io(doing))?;
        Ok(Self::standard(file, interrupt, doing))
    }

    /// Standard output, without the buffer of the standard library.
    pub(crate) fn output(interrupt: &'a Interrupt) -> Result<Self, Stop> {
        let file = Standard::Output.file().map_err(Stop::output())?;
        Ok(Self::standard(file, interrupt, "write to standard output"))
    }

    fn standard(file: File, interrupt: &'a Interrupt, doing: &'static str) -> Self {
        let terminal = terminal_at(file.as_fd());
        Self::new(terminal.unwrap_or(file), interrupt, doing)
    }

    /// Writes what can be written without waiting.
    pub(crate) fn write_at_once(&mut self, bytes: &[u8]) {
        let _ = self.file.write(bytes);
    }

    fn until(&self, events: i16) -> Result<(), Stop> {
        self.interrupt.until(self.file.as_fd(), events)
    }
}

/// A terminal that is ready may still block a write, so it is opened anew for
/// writes that do not: the one that was given is others', too.
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
    /// What comes next; 0 bytes at the end.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Stop> {
        loop {
            self.until(libc::POLLIN)?;
            match self.file.read(buffer) {
                Err(error) if is_to_be_repeated(&error) => {}
                other => return other.map_err(Stop::io(self.doing)),
            }
        }
    }

    pub(crate) fn write_all(&mut self, mut bytes: &[u8]) -> Result<(), Stop> {
        while !bytes.is_empty() {
            if !self.writes_whole {
                self.until(libc::POLLOUT)?;
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

    /// Waits until the reader of a pipe has read all that was written: an error if it goes
    /// away before. Other files have it as soon as it is written.
    pub(crate) fn delivered(&self) -> Result<(), Stop> {
        let mut pause = SHORTEST;
        while self.is_pipe && self.undelivered() {
            self.interrupt.sleep(pause)?;
            pause = (2 * pause).min(MOMENT);
        }
        Ok(())
    }

    pub(crate) fn is_pipe(&self) -> bool {
        self.is_pipe
    }

    fn undelivered(&self) -> bool {
        let mut count: libc::c_int = 0;
        // SAFETY: the count lives through the call.
        let asked = unsafe { libc::ioctl(self.file.as_raw_fd(), libc::FIONREAD, &raw mut count) };
        asked == 0 && count > 0
    }
}

fn is_to_be_repeated(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}
