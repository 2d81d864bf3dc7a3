//! Files whose reads and writes end when a signal comes.

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;

use crate::interrupt::Interrupt;
use crate::output::failed;
use crate::standard::Standard;
use crate::stop::Stop;

/// A pipe that can take anything can take so much without blocking.
const PIECE: usize = 4096;

/// A file, and the signals that end a wait for it.
pub(crate) struct Patient<'a> {
    file: File,
    interrupt: &'a Interrupt,
    /// Regular files keep no writer waiting: what was begun is written whole.
    writes_whole: bool,
}

impl<'a> Patient<'a> {
    pub(crate) fn new(file: File, interrupt: &'a Interrupt) -> Self {
        Self {
            writes_whole: file.metadata().is_ok_and(|file| file.is_file()),
            file,
            interrupt,
        }
    }

    /// Standard input, without the buffer of the standard library.
    pub(crate) fn input(interrupt: &'a Interrupt) -> Result<Self, Stop> {
        let file = Standard::Input.file();
        let file = file.map_err(Stop::io("read standard input"))?;
        Ok(Self::standard(file, interrupt))
    }

    /// Standard output, without the buffer of the standard library.
    pub(crate) fn output(interrupt: &'a Interrupt) -> Result<Self, Stop> {
        let file = Standard::Output.file().map_err(failed())?;
        Ok(Self::standard(file, interrupt))
    }

    fn standard(file: File, interrupt: &'a Interrupt) -> Self {
        let terminal = terminal(file.as_fd());
        Self::new(terminal.unwrap_or(file), interrupt)
    }

    /// Writes what can be written without waiting.
    pub(crate) fn write_at_once(&mut self, bytes: &[u8]) {
        let _ = self.file.write(bytes);
    }

    fn until(&self, events: i16) -> io::Result<()> {
        let ready = self.interrupt.until(self.file.as_fd(), events);
        ready.map_err(io::Error::other)
    }
}

/// A terminal that is ready may still block a write, so it is opened anew for
/// writes that do not: the one that was given is others', too.
pub(crate) fn terminal(stream: BorrowedFd<'_>) -> Option<File> {
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

impl Read for Patient<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            self.until(libc::POLLIN)?;
            match self.file.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                other => return other,
            }
        }
    }
}

impl Write for Patient<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let piece = &bytes[..bytes.len().min(PIECE)];
        loop {
            if !self.writes_whole {
                self.until(libc::POLLOUT)?;
            }
            match self.file.write(piece) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                other => return other,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
