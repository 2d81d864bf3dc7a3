//! Standard input, output and error, as this process was given them.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::BorrowedFd;
use std::sync::OnceLock;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{OFlags, fcntl_getfl};

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
    /// Without the buffers of the standard library.
    fn descriptor(self) -> BorrowedFd<'static> {
        match self {
            Self::Input => rustix::stdio::stdin(),
            Self::Output => rustix::stdio::stdout(),
            Self::Errors => rustix::stdio::stderr(),
        }
    }

    /// The error of each read or write of one that was closed, or opened for the other
    /// direction; the standard library takes that for the end, or for success.
    pub(crate) fn check(self) -> io::Result<()> {
        let was_closed = CLOSED.get().is_some_and(|closed| closed[self as usize]);
        let other = match self {
            Self::Input => OFlags::WRONLY,
            Self::Output | Self::Errors => OFlags::RDONLY,
        };
        let flags = fcntl_getfl(self.descriptor())?;
        let is_other = flags & OFlags::RWMODE == other || flags.contains(OFlags::PATH);
        match was_closed || is_other {
            true => Err(rustix::io::Errno::BADF.into()),
            false => Ok(()),
        }
    }

    /// Another descriptor of the same file.
    pub(crate) fn file(self) -> io::Result<File> {
        self.check()?;
        self.descriptor().try_clone_to_owned().map(File::from)
    }

    /// Writes all of it, also to a pipe that another process has set to non-blocking.
    pub(crate) fn write(self, mut bytes: &[u8]) -> io::Result<()> {
        let mut file = self.file()?;
        while !bytes.is_empty() {
            match file.write(bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => bytes = &bytes[count..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    // The next write says what is wrong with it.
                    let _ = poll(&mut [PollFd::new(&file, PollFlags::OUT)], None);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
