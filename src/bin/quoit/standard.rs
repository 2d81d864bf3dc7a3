//! Standard input, output and error, as this process was given them: without the buffers of
//! the standard library, and with reads and writes that a signal interrupts.

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::sync::OnceLock;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_getfl};
use rustix::io::Errno;

use crate::interrupt::{Interrupt, MOMENT};
use crate::stop::Stop;

/// A pipe that can take anything can take this much without blocking.
const PIECE: usize = 4096;
/// Between two checks of what a pipe still holds, at first.
const SHORTEST: Duration = Duration::from_micros(20);

/// One of the three.
#[derive(Clone, Copy)]
pub(crate) enum Standard {
    Input = 0,
    Output = 1,
    Errors = 2,
}

/// Which of them were closed. The standard library opens `/dev/null` in their place
/// before `main`: reads end at once, and writes succeed.
static CLOSED: OnceLock<[bool; 3]> = OnceLock::new();

/// Runs before the standard library does: the section holds pointers to functions that
/// the loader calls.
#[used]
#[unsafe(link_section = ".init_array")]
static AT_START: extern "C" fn() = find_closed;

extern "C" fn find_closed() {
    // SAFETY: the call takes a number in place of memory.
    let is_closed = |fd| unsafe { libc::fcntl(fd, libc::F_GETFD) } == -1;
    let _ = CLOSED.set([0, 1, 2].map(is_closed));
}

impl Standard {
    /// The descriptor, and what is done with it, for an error.
    fn parts(self) -> (BorrowedFd<'static>, &'static str) {
        match self {
            Self::Input => (rustix::stdio::stdin(), "read standard input"),
            Self::Output => (rustix::stdio::stdout(), "write to standard output"),
            Self::Errors => (rustix::stdio::stderr(), "write to standard error"),
        }
    }

    /// The error of each read or write of one that was closed, or opened for the other
    /// direction; the standard library takes that for the end, or for success.
    pub(crate) fn check(self) -> Result<(), Stop> {
        let (descriptor, doing) = self.parts();
        let was_closed = CLOSED.get().is_some_and(|closed| closed[self as usize]);
        let other = match self {
            Self::Input => OFlags::WRONLY,
            Self::Output | Self::Errors => OFlags::RDONLY,
        };
        let is_other =
            |flags: OFlags| flags & OFlags::RWMODE == other || flags.contains(OFlags::PATH);
        match fcntl_getfl(descriptor).map(is_other) {
            Ok(false) if !was_closed => Ok(()),
            other => Err(Stop::io(doing)(other.err().unwrap_or(Errno::BADF).into())),
        }
    }

    /// Another descriptor of the same file.
    pub(crate) fn file(self) -> Result<File, Stop> {
        self.check()?;
        let (descriptor, doing) = self.parts();
        let file = descriptor.try_clone_to_owned().map(File::from);
        file.map_err(Stop::io(doing))
    }

    /// With the signals that may end a wait for it.
    pub(crate) fn open(self, interrupt: Option<&Interrupt>) -> Result<Patient<'_>, Stop> {
        let file = self.file()?;
        let file = terminal_at(file.as_fd()).unwrap_or(file);
        let kind = file.metadata().map(|file| file.file_type());
        Ok(Patient {
            writes_whole: kind.as_ref().is_ok_and(|kind| kind.is_file()),
            is_pipe: kind.is_ok_and(|kind| kind.is_fifo()),
            doing: self.parts().1,
            file,
            interrupt,
        })
    }
}

/// A file whose reads and writes wait, also where another process has set it to non-blocking.
pub(crate) struct Patient<'a> {
    file: File,
    interrupt: Option<&'a Interrupt>,
    /// Regular files keep no writer waiting: what was begun is written whole.
    writes_whole: bool,
    pub(crate) is_pipe: bool,
    doing: &'static str,
}

/// A terminal that is ready may still block a write, so it is opened again for writes
/// that do not: other processes have the one that was given, too.
fn terminal_at(stream: BorrowedFd<'_>) -> Option<File> {
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
    fn until(&self, ready: PollFlags) -> Result<(), Stop> {
        if let Some(interrupt) = self.interrupt {
            return interrupt.poll(Some((self.as_fd(), ready)), None).map(drop);
        }
        // The next read or write says what is wrong with it.
        let _ = poll(&mut [PollFd::new(self, ready)], None);
        Ok(())
    }

    /// What is next; 0 bytes at the end.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Stop> {
        loop {
            self.until(PollFlags::IN)?;
            match self.file.read(buffer) {
                Err(error) if is_to_be_repeated(&error) => {}
                other => return other.map_err(Stop::io(self.doing)),
            }
        }
    }

    pub(crate) fn write_all(&mut self, mut bytes: &[u8]) -> Result<(), Stop> {
        while !bytes.is_empty() {
            if !self.writes_whole {
                self.until(PollFlags::OUT)?;
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

    /// Shows a line on a terminal that takes it. One of another user, or without `/proc`, is not opened
    /// again, and a write may wait.
    pub(crate) fn show(&mut self, line: &str) {
        let never_waits = fcntl_getfl(&self.file).is_ok_and(|is| is.contains(OFlags::NONBLOCK));
        let now = Timespec::default();
        let is_ready = || poll(&mut [PollFd::new(&self.file, PollFlags::OUT)], Some(&now));
        if never_waits || is_ready() == Ok(1) {
            self.write_at_once(line.as_bytes());
        }
    }

    /// Waits until the reader of a pipe has read all that was written: an error if it closes
    /// the pipe before. Other files have it as soon as it is written.
    pub(crate) fn delivered(&self) -> Result<(), Stop> {
        let mut pause = SHORTEST;
        let is_full = || rustix::io::ioctl_fionread(&self.file).is_ok_and(|count| count > 0);
        while self.is_pipe && is_full() {
            // A reader may close the pipe after the last byte.
            let slept = self
                .interrupt
                .map_or(Ok(()), |interrupt| interrupt.sleep(pause));
            match slept {
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
