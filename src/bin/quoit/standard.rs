//! Standard input, output and error, as this process was given them.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::OnceLock;

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
    /// The error of each read or write of one that was closed, or opened for the other
    /// direction; the standard library takes that for the end, or for success.
    pub(crate) fn check(self) -> io::Result<()> {
        let was_closed = CLOSED.get().is_some_and(|closed| closed[self as usize]);
        // SAFETY: the call takes a number in place of memory.
        let flags = unsafe { libc::fcntl(self as i32, libc::F_GETFL) };
        let other = match self {
            Self::Input => libc::O_WRONLY,
            Self::Output | Self::Errors => libc::O_RDONLY,
        };
        let is_other = flags & libc::O_ACCMODE == other || flags & libc::O_PATH != 0;
        match was_closed || flags == -1 || is_other {
            true => Err(io::Error::from_raw_os_error(libc::EBADF)),
            false => Ok(()),
        }
    }

    /// Another descriptor of the same file, without the buffers of the standard library.
    pub(crate) fn file(self) -> io::Result<File> {
        self.check()?;
        let (stdin, stdout, stderr) = (io::stdin(), io::stdout(), io::stderr());
        let file: BorrowedFd<'_> = match self {
            Self::Input => stdin.as_fd(),
            Self::Output => stdout.as_fd(),
            Self::Errors => stderr.as_fd(),
        };
        file.try_clone_to_owned().map(File::from)
    }

    /// Writes all of it, also to a pipe that does not block.
    pub(crate) fn write(self, bytes: &[u8]) -> io::Result<()> {
        Unhurried(self.file()?).write_all(bytes)
    }
}

/// Waits where another process has told the file not to block.
struct Unhurried(File);

impl Write for Unhurried {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match self.0.write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.wait()?,
                other => return other,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Unhurried {
    fn wait(&self) -> io::Result<()> {
        let mut entry = libc::pollfd {
            fd: self.0.as_raw_fd(),
            events: libc::POLLOUT,
            revents: 0,
        };
        // SAFETY: there is one entry, and it lives through the call.
        match unsafe { libc::poll(&raw mut entry, 1, -1) } {
            -1 => match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::Interrupted => Ok(()),
                error => Err(error),
            },
            _ => Ok(()),
        }
    }
}
