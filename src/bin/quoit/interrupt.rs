//! SIGINT, SIGTERM, SIGHUP and SIGQUIT, as something that can be waited for beside a
//! file: they end a command where nothing is lost, and never in the middle of something.

use std::cell::OnceCell;
use std::io;
use std::mem::{MaybeUninit, size_of};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::ptr;
use std::time::Duration;

use signal_hook::low_level;

use crate::stop::Stop;

/// How long a command waits at a ring until it looks for a signal again: it wakes ten
/// times a second, as an endpoint that looks for its peer.
pub(crate) const MOMENT: Duration = Duration::from_millis(100);

/// The signals that want this process to end, and the output that is of no use to
/// anybody when its reader is gone.
pub(crate) struct Interrupt {
    /// A [`Note`] of each signal.
    signals: UnixStream,
    /// Where the handlers write it.
    notes: UnixStream,
    output: OnceCell<OwnedFd>,
}

/// A signal's number, and when it came.
type Note = [u64; 2];

/// How long a signal may wait until another one ends the process at once, in ns.
const DEAF: u64 = 1_000_000_000;

const LISTEN: &str = "listen for signals";

/// What a wait for input ended with.
pub(crate) enum Input {
    Ready,
    /// Nobody is at the other side any more.
    HungUp,
    /// There was none in time.
    None,
}

impl Interrupt {
    /// From now on these signals end nothing by themselves, unless one comes when
    /// nobody has heard an earlier one for a second; those that are ignored still are.
    pub(crate) fn listen() -> Result<Self, Stop> {
        let (signals, notes) = UnixStream::pair().map_err(Stop::io(LISTEN))?;
        let interrupt = Self {
            signals,
            notes,
            output: OnceCell::new(),
        };
        interrupt.heed(&[libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT])?;
        Ok(interrupt)
    }

    /// From now on SIGTSTP and SIGCONT come as signals, too: a screen has to be left before
    /// this process stops, and to be drawn again afterwards.
    pub(crate) fn heed_suspension(&self) -> Result<(), Stop> {
        self.heed(&[libc::SIGTSTP, libc::SIGCONT])
    }

    /// From now on each wait, and each check, ends when nobody reads the output.
    pub(crate) fn watch(&self, output: impl AsFd) -> Result<(), Stop> {
        let output = output
            .as_fd()
            .try_clone_to_owned()
            .map_err(Stop::output())?;
        self.output.get_or_init(|| output);
        Ok(())
    }

    /// An error if a signal has come, or the reader of the output is gone.
    pub(crate) fn check(&self) -> Result<(), Stop> {
        self.poll(None, 0).map(drop)
    }

    /// Sleeps, or until there is an error as of [`check`](Self::check).
    pub(crate) fn sleep(&self, mut time: Duration) -> Result<(), Stop> {
        const LONGEST: Duration = Duration::from_secs(3600);
        loop {
            // Poll counts in milliseconds.
            let piece = time.min(LONGEST);
            self.poll(None, piece.as_millis() as i32)?;
            if piece == time {
                break;
            }
            time -= piece;
        }
        let rest = u64::from(time.subsec_nanos() % 1_000_000);
        std::thread::sleep(Duration::from_nanos(rest));
        Ok(())
    }

    /// Waits until `file` is ready, or a signal comes.
    pub(crate) fn until(&self, file: BorrowedFd<'_>, events: i16) -> Result<(), Stop> {
        self.poll(Some((file, events)), -1).map(drop)
    }

    /// Waits for input up to the timeout, or until a signal arrives.
    pub(crate) fn input(&self, file: BorrowedFd<'_>, time: Duration) -> Result<Input, Stop> {
        let found = self.poll(Some((file, libc::POLLIN)), time.as_millis() as i32)?;
        Ok(match found {
            0 => Input::None,
            _ if found & (libc::POLLHUP | libc::POLLERR | libc::POLLNVAL) != 0 => Input::HungUp,
            _ => Input::Ready,
        })
    }

    /// What has happened to the file by the end of that time.
    fn poll(&self, file: Option<(BorrowedFd<'_>, i16)>, milliseconds: i32) -> Result<i16, Stop> {
        let entry = |fd, events| libc::pollfd {
            fd,
            events,
            revents: 0,
        };
        // The kernel passes over a file of -1.
        let file = file.map_or((-1, 0), |(file, events)| (file.as_raw_fd(), events));
        let output = self.output.get().map_or(-1, OwnedFd::as_raw_fd);
        let mut entries = [
            entry(self.signals.as_raw_fd(), libc::POLLIN),
            entry(file.0, file.1),
            // That nobody is at the other side is told in any case.
            entry(output, 0),
        ];
        loop {
            // SAFETY: the entries are three, and live on this stack.
            let ready = unsafe { libc::poll(entries.as_mut_ptr(), 3, milliseconds) };
            if ready >= 0 {
                break;
            }
            let error = io::Error::last_os_error();
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(Stop::Io("wait for a file".to_owned(), error));
            }
        }
        match entries.map(|entry| entry.revents) {
            [0, found, 0] => Ok(found),
            [0, _, _] => Err(Stop::ClosedPipe),
            _ => Err(Stop::Signal(self.taken())),
        }
    }

    /// Has each of these signals leave a note, unless it is ignored.
    fn heed(&self, signals: &[libc::c_int]) -> Result<(), Stop> {
        for &signal in signals {
            if is_ignored(signal) {
                continue;
            }
            let ends = (self.signals.try_clone(), self.notes.try_clone());
            let (come, comes) = match ends {
                (Ok(come), Ok(comes)) => (come, comes),
                (Err(error), _) | (_, Err(error)) => return Err(Stop::io(LISTEN)(error)),
            };
            let heed = move || {
                let now = now();
                let earlier = received(&come, libc::MSG_PEEK);
                if earlier.is_some_and(|[_, came]| now - came > DEAF) {
                    let _ = low_level::emulate_default_handler(signal);
                }
                let note: Note = [signal as u64, now];
                let (note, length) = ((&raw const note).cast(), size_of::<Note>());
                // SAFETY: the note lives through the call and has its length.
                unsafe { libc::send(comes.as_raw_fd(), note, length, libc::MSG_DONTWAIT) };
            };
            // SAFETY: all that it calls may be called by a signal's handler.
            unsafe { low_level::register(signal, heed) }.map_err(Stop::io(LISTEN))?;
        }
        Ok(())
    }

    /// The number of the signal that has come.
    fn taken(&self) -> i32 {
        // It was found readable, and a note is written whole.
        received(&self.signals, 0).map_or(0, |[number, _]| number as i32)
    }
}

/// The first note, if there is one.
fn received(notes: &UnixStream, flags: libc::c_int) -> Option<Note> {
    let mut note: Note = [0; 2];
    let (length, flags) = (size_of::<Note>(), flags | libc::MSG_DONTWAIT);
    // SAFETY: the note lives through the call and has its length.
    let got = unsafe { libc::recv(notes.as_raw_fd(), (&raw mut note).cast(), length, flags) };
    (got == length as isize).then_some(note)
}

/// The time, in ns; what a signal's handler may ask for.
fn now() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the time lives through the call.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// SIGXFSZ would kill where a write can say that the file is too large. The standard
/// library does the same with SIGPIPE.
pub(crate) fn ignore_what_errors_tell() {
    // SAFETY: no handler is set.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
}

/// Ends this process as the signal does by default: a shell ends its loop then. It
/// returns if the system refuses.
pub(crate) fn die_of(signal: libc::c_int) {
    let _ = low_level::emulate_default_handler(signal);
}

/// Stops this process as SIGTSTP does by default, until it is continued. It returns at once
/// if SIGTSTP is ignored, or no shell is there that could continue it.
pub(crate) fn suspend() {
    if is_ignored(libc::SIGTSTP) {
        return;
    }
    let (default, mut before) = (
        MaybeUninit::<libc::sigaction>::zeroed(),
        MaybeUninit::<libc::sigaction>::zeroed(),
    );
    // SAFETY: all zeroes are the default action; both records have their size.
    unsafe { libc::sigaction(libc::SIGTSTP, default.as_ptr(), before.as_mut_ptr()) };
    // SAFETY: no memory is involved.
    unsafe { libc::raise(libc::SIGTSTP) };
    // SAFETY: the kernel wrote what was set before.
    unsafe { libc::sigaction(libc::SIGTSTP, before.as_ptr(), ptr::null_mut()) };
}

/// As after `nohup`, or in the background of a script.
fn is_ignored(signal: libc::c_int) -> bool {
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: nothing is set, and the record has its size.
    unsafe { libc::sigaction(signal, ptr::null(), action.as_mut_ptr()) };
    // SAFETY: all zeroes are a value of it, and so is what the kernel wrote.
    unsafe { action.assume_init() }.sa_sigaction == libc::SIG_IGN
}
