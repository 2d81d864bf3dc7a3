//! Files whose reads and writes end when a signal comes.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;

use crate::interrupt::Interrupt;
use crate::stop::Stop;

/// A pipe that can take anything can take so much without blocking.
const PIECE: usize = 4096;

/// A file, and the signals that end a wait for it.
pub(crate) struct Patient<'a> {
    file: File,
    interrupt: &'a Interrupt,
}

impl<'a> Patient<'a> {
    pub(crate) fn new(file: File, interrupt: &'a Interrupt) -> Self {
        Self { file, interrupt }
    }

    /// Standard input or output, without the buffer of the standard library.
    pub(crate) fn standard(stream: impl AsFd, interrupt: &'a Interrupt) -> Result<Self, Stop> {
        let file = stream.as_fd().try_clone_to_owned();
        let file = file.map_err(Stop::io("use standard input or output"))?;
        Ok(Self::new(file.into(), interrupt))
    }

    fn until(&self, events: i16) -> io::Result<()> {
        let ready = self.interrupt.until(self.file.as_fd(), events);
        ready.map_err(io::Error::other)
    }
}

impl Read for Patient<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.until(libc::POLLIN)?;
        self.file.read(buffer)
    }
}

impl Write for Patient<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.until(libc::POLLOUT)?;
        self.file.write(&bytes[..bytes.len().min(PIECE)])
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
