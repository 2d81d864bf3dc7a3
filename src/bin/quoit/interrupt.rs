//! SIGINT, SIGTERM, SIGHUP and SIGQUIT, as something that can be waited for together with
//! a file: they end a command where nothing is lost, and never in the middle of something.

use std::cell::OnceCell;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::ptr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, write};
use rustix::net::{RecvFlags, SendFlags, recv, send};
use rustix::stdio::{stdin, stdout};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use rustix::time::{ClockId, clock_gettime};
use signal_hook::low_level;
use zerocopy::IntoBytes;

use crate::stop::{Code, Stop};

/// How long a command waits at a ring until it looks for a signal again: it wakes ten
/// times a second, as an endpoint that checks whether its peer lives.
pub(crate) const MOMENT: Duration = Duration::from_millis(100);

/// The signals that ask this process to end, and the output that is of no use when its
/// reader closed it.
pub(crate) struct Interrupt {
    /// Where a [`Note`] of each signal arrives, and where the handlers write it.
    notes: Arc<[UnixStream; 2]>,
    output: OnceCell<OwnedFd>,
}

/// A signal's number, and the seconds and nanoseconds of its arrival.
type Note = [i64; 3];

const LISTEN: &str = "listen for signals";

impl Interrupt {
    /// From now on these signals end nothing by themselves, unless one arrives when an
    /// earlier one has waited for a second; those that are ignored still are.
    pub(crate) fn listen() -> Result<Self, Stop> {
        let (arrive, write) = UnixStream::pair().map_err(Stop::io(LISTEN))?;
        let interrupt = Self {
            notes: Arc::new([arrive, write]),
            output: OnceCell::new(),
        };
        interrupt.heed(&[libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT])?;
        Ok(interrupt)
    }

    /// From now on SIGTSTP and SIGCONT arrive as signals, too: a screen has to be left
    /// before this process stops, and to be drawn again afterwards.
    pub(crate) fn heed_suspension(&self) -> Result<(), Stop> {
        self.heed(&[libc::SIGTSTP, libc::SIGCONT])
    }

    /// From now on each wait, and each check, ends when no process reads the output.
    pub(crate) fn watch(&self, output: impl AsFd) -> Result<(), Stop> {
        let output = output.as_fd().try_clone_to_owned();
        let output = output.map_err(Stop::io("write to standard output"))?;
        self.output.get_or_init(|| output);
        Ok(())
    }

    /// An error if a signal has arrived, or the reader of the output closed it.
    pub(crate) fn check(&self) -> Result<(), Stop> {
        self.sleep(Duration::ZERO)
    }

    /// Sleeps, or until there is an error as of [`check`](Self::check).
    pub(crate) fn sleep(&self, time: Duration) -> Result<(), Stop> {
        self.poll(None, Some(time)).map(drop)
    }

    /// Waits until the file is ready, or a signal arrives; what has happened to the file by the
    /// end of that time.
    pub(crate) fn poll(
        &self,
        file: Option<(BorrowedFd<'_>, PollFlags)>,
        time: Option<Duration>,
    ) -> Result<PollFlags, Stop> {
        let mut entries = vec![PollFd::new(&self.notes[0], PollFlags::IN)];
        let output = self.output.get();
        // A reader that closed it is reported in any case.
        entries.extend(output.map(|output| PollFd::new(output, PollFlags::empty())));
        entries.extend(file.map(|(file, ready)| PollFd::from_borrowed_fd(file, ready)));
        // A time beyond the clock is never reached.
        let until = time.and_then(|time| Instant::now().checked_add(time));
        loop {
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            let left = left.and_then(|left| Timespec::try_from(left).ok());
            match poll(&mut entries, left.as_ref()) {
                Err(Errno::INTR) => {}
                Err(error) => return Err(Stop::io("wait for a file")(error.into())),
                Ok(_) => break,
            }
        }
        let found: Vec<_> = entries.iter().map(PollFd::revents).collect();
        if !found[0].is_empty() {
            // A note is written whole.
            let note = received(&self.notes[0], RecvFlags::empty());
            return Err(Stop::Signal(note.map_or(0, |[signal, ..]| signal as i32)));
        }
        match file {
            _ if output.is_some() && !found[1].is_empty() => Err(Stop::ClosedPipe),
            Some(_) => Ok(found[found.len() - 1]),
            None => Ok(PollFlags::empty()),
        }
    }

    /// Has each of these signals leave a note, unless it is ignored.
    fn heed(&self, signals: &[libc::c_int]) -> Result<(), Stop> {
        for &signal in signals.iter().filter(|&&signal| !is_ignored(signal)) {
            let notes = Arc::clone(&self.notes);
            let heed = move || {
                let now = clock_gettime(ClockId::Monotonic);
                let now = [now.tv_sec, now.tv_nsec];
                let earlier = received(&notes[0], RecvFlags::PEEK);
                if earlier.is_some_and(|[_, seconds, nanos]| now > [seconds + 1, nanos]) {
                    let _ = low_level::emulate_default_handler(signal);
                }
                let note: Note = [signal.into(), now[0], now[1]];
                let _ = send(&notes[1], note.as_bytes(), SendFlags::DONTWAIT);
            };
            // SAFETY: all that it calls may be called by a signal's handler.
            unsafe { low_level::register(signal, heed) }.map_err(Stop::io(LISTEN))?;
        }
        Ok(())
    }
}

/// The first note, if there is one.
fn received(notes: &UnixStream, flags: RecvFlags) -> Option<Note> {
    let mut note: Note = [0; 3];
    let all = size_of::<Note>();
    let got = recv(notes, note.as_mut_bytes(), flags | RecvFlags::DONTWAIT);
    got.is_ok_and(|(count, _)| count == all).then_some(note)
}

/// SIGXFSZ would kill where a write can say that the file is too large. The standard
/// library does the same with SIGPIPE.
pub(crate) fn ignore_limits_of_size() {
    // SAFETY: no handler is set.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
}

/// What SIGBUS has this process say.
static TRUNCATED: OnceLock<String> = OnceLock::new();

/// SIGBUS would kill without a word. Another process has truncated the file of a ring that this one
/// has mapped, or there is no memory for it.
pub(crate) fn say_at_truncation(line: String) {
    let _ = TRUNCATED.set(line);
    let handler = is_truncated as extern "C" fn(libc::c_int);
    // SAFETY: all that the handler calls may be called by one.
    unsafe { libc::signal(libc::SIGBUS, handler as libc::sighandler_t) };
}

/// What ends the screen that a terminal shows, and its modes before that.
static SCREEN: OnceLock<(Vec<u8>, Termios)> = OnceLock::new();

/// From now on SIGBUS restores the terminal as well.
pub(crate) fn leave_at_truncation(closing: Vec<u8>) {
    let modes = tcgetattr(stdin()).ok();
    let _ = modes.map(|modes| SCREEN.set((closing, modes)));
}

extern "C" fn is_truncated(_: libc::c_int) {
    if let Some((closing, modes)) = SCREEN.get() {
        let _ = write(stdout(), closing);
        let _ = tcsetattr(stdin(), OptionalActions::Now, modes);
    }
    let line = TRUNCATED.get().map_or("", String::as_str);
    // SAFETY: the text outlives the call.
    unsafe { libc::write(2, line.as_ptr().cast(), line.len()) };
    // SAFETY: the process ends.
    unsafe { libc::_exit(Code::NoRing as libc::c_int) };
}

/// Ends this process as the signal does by default: a shell ends its loop then. It
/// returns if the system refuses.
pub(crate) fn die_of(signal: libc::c_int) {
    let _ = low_level::emulate_default_handler(signal);
}

/// Stops this process as SIGTSTP does by default, until it is continued. It returns at
/// once if SIGTSTP is ignored, or no shell is there that could continue it.
pub(crate) fn suspend() {
    if is_ignored(libc::SIGTSTP) {
        return;
    }
    // SAFETY: all zeroes are the default action.
    let default: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    let before = action(libc::SIGTSTP, &raw const default);
    // SAFETY: no memory is involved.
    unsafe { libc::raise(libc::SIGTSTP) };
    action(libc::SIGTSTP, &raw const before);
}

/// As after `nohup`, or in the background of a script.
fn is_ignored(signal: libc::c_int) -> bool {
    action(signal, ptr::null()).sa_sigaction == libc::SIG_IGN
}

/// Sets what a signal does, unless that is null; what it did before.
fn action(signal: libc::c_int, new: *const libc::sigaction) -> libc::sigaction {
    let mut before = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: `before` has its size, and `new` is null, the default, or what was set before.
    unsafe { libc::sigaction(signal, new, before.as_mut_ptr()) };
    // SAFETY: all zeroes are a value of it, and so is what the kernel wrote.
    unsafe { before.assume_init() }
}
