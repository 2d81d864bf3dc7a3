//! A terminal of 80 columns, and the tool on it.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::ptr;
use std::thread;
use std::time::{Duration, Instant};

use vt100::{Parser, Screen};

use crate::common::PATIENCE;
use crate::common::child::{code_of, is_asleep};
use crate::endings::wait_until;
use crate::tool::Tool;

pub(crate) const COLUMNS: u16 = 80;
const ROWS: u16 = 24;

/// The tool on a terminal of its own. Killed and reaped when the test is over,
/// however it ends.
pub(crate) struct Terminal {
    master: File,
    parser: Parser,
    child: Child,
    /// What the terminal did with keys at first.
    modes: [u32; 4],
}

/// Where the tool has the terminal: what is not there is a pipe.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum On {
    All,
    /// Standard error only.
    Errors,
}

impl Terminal {
    pub(crate) fn start(on: On, arguments: &[&str]) -> Self {
        Self::start_with(on, arguments, ("TERM", "xterm"))
    }

    /// Starts the tool, which ignores SIGHUP if `hang_up`.
    pub(crate) fn start_ignoring(hang_up: bool, arguments: &[&str]) -> Self {
        let action = if hang_up {
            libc::SIG_IGN
        } else {
            libc::SIG_DFL
        };
        // SAFETY: no handler is set, and the tool inherits what is ignored.
        unsafe { libc::signal(libc::SIGHUP, action) };
        let terminal = Self::start(On::All, arguments);
        // SAFETY: as above.
        unsafe { libc::signal(libc::SIGHUP, libc::SIG_DFL) };
        terminal
    }

    pub(crate) fn start_with(on: On, arguments: &[&str], variable: (&str, &str)) -> Self {
        Self::start_program(Tool::PATH, on, arguments, variable)
    }

    /// With this many rows and columns.
    pub(crate) fn start_sized(size: (u16, u16), arguments: &[&str]) -> Self {
        Self::start_on(size, Tool::PATH, On::All, arguments, ("TERM", "xterm"))
    }

    /// Something that starts the tool, or is it.
    pub(crate) fn start_program(
        program: &str,
        on: On,
        arguments: &[&str],
        variable: (&str, &str),
    ) -> Self {
        Self::start_on((ROWS, COLUMNS), program, on, arguments, variable)
    }

    fn start_on(
        (rows, columns): (u16, u16),
        program: &str,
        on: On,
        arguments: &[&str],
        (name, value): (&str, &str),
    ) -> Self {
        let (master, slave) = pair(rows, columns).expect("a terminal");
        let modes = modes(&master);
        let end = || Stdio::from(slave.try_clone().expect("a descriptor"));
        let rest = || match on {
            On::All => end(),
            On::Errors => Stdio::piped(),
        };
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env_remove("NO_COLOR")
            .env("TERM", "xterm")
            .env(name, value)
            .stdin(rest())
            .stdout(rest())
            .stderr(end());
        // SAFETY: what runs between fork and exec makes two syscalls.
        unsafe { command.pre_exec(own_session) };
        let mut child = command.spawn().expect("the tool starts");
        if let Some(mut output) = child.stdout.take() {
            // What is written to a pipe is to be read.
            thread::spawn(move || io::copy(&mut output, &mut io::sink()));
        }
        Self {
            master: master.into(),
            parser: Parser::new(rows, columns, 0),
            child,
            modes,
        }
    }

    pub(crate) fn press(&mut self, keys: &str) {
        self.master
            .write_all(keys.as_bytes())
            .expect("the terminal takes keys");
    }

    /// Writes to its standard input, which is a pipe, and closes it.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        let mut input = self.child.stdin.take().expect("its input is piped");
        input.write_all(bytes).expect("it reads");
    }

    pub(crate) fn signal(&self, signal: libc::c_int) {
        // SAFETY: the child is ours and not reaped, so the pid is still its.
        let sent = unsafe { libc::kill(self.child.id() as libc::pid_t, signal) };
        assert_eq!(sent, 0, "the tool can be signalled");
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn screen(&self) -> &Screen {
        self.parser.screen()
    }

    /// All that can be seen.
    pub(crate) fn text(&self) -> String {
        self.screen().contents()
    }

    /// Waits until the screen is so.
    pub(crate) fn until(&mut self, what: &str, is_so: impl Fn(&Screen) -> bool) {
        let start = Instant::now();
        while !is_so(self.screen()) {
            let late = start.elapsed() > PATIENCE;
            assert!(!late, "it takes too long until {what}:\n{}", self.text());
            let more = self.read();
            assert!(more, "{what}, but the tool ended:\n{}", self.text());
        }
    }

    /// Waits until the tool has ended by itself; its exit code.
    pub(crate) fn end(&mut self) -> Option<i32> {
        while self.read() {}
        code_of(self.child.wait().expect("it can be waited for"))
    }

    /// Waits until the terminal takes no more, since no process reads it.
    pub(crate) fn fills(&mut self) {
        let mut last = -1;
        wait_until("the terminal is full", || {
            thread::sleep(Duration::from_millis(100));
            let mut count = 0;
            // SAFETY: the count outlives the call.
            unsafe { libc::ioctl(self.master.as_raw_fd(), libc::FIONREAD, &raw mut count) };
            let is_full = count == std::mem::replace(&mut last, count) && count > 1000;
            is_full && is_asleep(self.child.id())
        });
    }

    /// Waits until the tool has ended though no process reads what it writes.
    pub(crate) fn ends_unread(&mut self) -> Option<i32> {
        let mut status = None;
        wait_until("it ends", || {
            status = self.child.try_wait().expect("it can be waited for");
            status.is_some()
        });
        status.and_then(code_of)
    }

    /// Takes the terminal away, and waits until the tool has ended; its exit code.
    pub(crate) fn hang_up(mut self) -> Option<i32> {
        let null = File::open("/dev/null").expect("it is always there");
        drop(std::mem::replace(&mut self.master, null));
        self.ends_unread()
    }

    /// Whether the terminal is as the tool has found it.
    pub(crate) fn is_as_before(&self) -> bool {
        let screen = self.screen();
        let shown = screen.alternate_screen() || screen.hide_cursor();
        !shown && modes(&self.master) == self.modes
    }

    /// Shows what the tool writes next; false if there is no tool any more.
    fn read(&mut self) -> bool {
        let mut ready = libc::pollfd {
            fd: self.master.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        // SAFETY: there is one descriptor, and it outlives the call.
        let found = unsafe { libc::poll(&raw mut ready, 1, PATIENCE.as_millis() as i32) };
        assert_eq!(found, 1, "the tool is silent:\n{}", self.text());
        let mut bytes = [0; 4096];
        match self.master.read(&mut bytes) {
            Ok(count) => {
                self.parser.process(&bytes[..count]);
                true
            }
            // pty(7): no process has the other side open.
            Err(error) if error.raw_os_error() == Some(libc::EIO) => false,
            Err(error) if error.kind() == ErrorKind::Interrupted => true,
            Err(error) => panic!("{error}"),
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The flags of a terminal's line discipline.
fn modes(terminal: &impl AsRawFd) -> [u32; 4] {
    // SAFETY: all zeroes are a value of it.
    let mut modes: libc::termios = unsafe { std::mem::zeroed() };
    // SAFETY: `modes` outlives the call.
    let got = unsafe { libc::tcgetattr(terminal.as_raw_fd(), &raw mut modes) };
    assert_eq!(got, 0, "a terminal has modes");
    [modes.c_iflag, modes.c_oflag, modes.c_cflag, modes.c_lflag]
}

/// Both sides of a new terminal.
fn pair(ws_row: u16, ws_col: u16) -> io::Result<(OwnedFd, OwnedFd)> {
    let (mut master, mut slave) = (-1, -1);
    let size = libc::winsize {
        ws_row,
        ws_col,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    // SAFETY: both numbers and the size live through the call; the rest may be null.
    let opened = unsafe {
        libc::openpty(
            &raw mut master,
            &raw mut slave,
            ptr::null_mut(),
            ptr::null(),
            &raw const size,
        )
    };
    if opened != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptors are new, and no other code has them.
    let [master, slave] = [master, slave].map(|fd| unsafe { OwnedFd::from_raw_fd(fd) });
    for end in [&master, &slave] {
        // SAFETY: the descriptor is open; the tool is not to inherit it.
        unsafe { libc::fcntl(end.as_raw_fd(), libc::F_SETFD, libc::FD_CLOEXEC) };
    }
    Ok((master, slave))
}

/// Makes standard error the terminal of a session of its own.
fn own_session() -> io::Result<()> {
    // SAFETY: the call takes no memory.
    let session = unsafe { libc::setsid() };
    // SAFETY: the call takes a number in place of memory.
    let terminal = unsafe { libc::ioctl(libc::STDERR_FILENO, libc::TIOCSCTTY, 0) };
    match (session, terminal) {
        (-1, _) | (_, -1) => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}
