//! A terminal with a program on it.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::ops::Deref;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{ioctl_tiocsctty, setsid};
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{tcgetattr, tcgetwinsize, tcsetwinsize};
use vt100::{Parser, Screen};

use super::PATIENCE;
use super::child::{code_of, is_asleep};
use super::clock::until;
use super::program::{Program, on_hang_up, wait_for};

pub(crate) const COLUMNS: u16 = 80;
/// Rows and columns.
pub(crate) const SIZE: (u16, u16) = (24, COLUMNS);

/// A program on a terminal of its own. Killed and reaped when the test is over,
/// however it ends.
pub(crate) struct Terminal {
    master: File,
    parser: Parser,
    program: Program,
    /// What the terminal did with keys at first.
    modes: String,
}

impl Terminal {
    /// A program in the usual environment.
    pub(crate) fn command(program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).env_remove("NO_COLOR");
        command.env("TERM", "xterm");
        on_hang_up(&mut command, libc::SIG_DFL);
        command
    }

    /// On a terminal with this many rows and columns. One with none has the usual ones, and
    /// does not say so.
    pub(crate) fn start(size: (u16, u16), mut command: Command) -> Self {
        let (rows, columns) = size;
        let (master, slave) = pair(rows, columns).expect("a terminal");
        let modes = modes(&master);
        let end = || Stdio::from(slave.try_clone().expect("a descriptor"));
        command.stdin(end()).stdout(end()).stderr(end());
        // Standard error becomes the terminal of a session of its own.
        let own_session = || Ok(setsid().and_then(|_| ioctl_tiocsctty(rustix::stdio::stderr()))?);
        // SAFETY: what runs between fork and exec makes two syscalls.
        unsafe { command.pre_exec(own_session) };
        // The command has the terminal open, too, and is dropped.
        let program = Program::spawn(&mut command);
        drop(command);
        Self {
            master: master.into(),
            parser: match size {
                (0, 0) => Parser::new(SIZE.0, SIZE.1, 0),
                (rows, columns) => Parser::new(rows, columns, 0),
            },
            program,
            modes,
        }
    }

    pub(crate) fn press(&mut self, keys: &str) {
        self.master
            .write_all(keys.as_bytes())
            .expect("the terminal takes keys");
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
            assert!(more, "{what}, but the program ended:\n{}", self.text());
        }
    }

    /// Waits until this is on the screen.
    pub(crate) fn shows(&mut self, what: &str) {
        self.until(what, |screen| screen.contents().contains(what));
    }

    /// Waits until the program has ended by itself; its exit code.
    pub(crate) fn end(&mut self) -> Option<i32> {
        while self.read() {}
        code_of(self.program.child().wait().expect("it can be waited for"))
    }

    /// Waits until the terminal takes no more, since no process reads it.
    pub(crate) fn fills(&mut self) {
        let mut last = 0;
        until("the terminal is full", || {
            thread::sleep(Duration::from_millis(100));
            let count = rustix::io::ioctl_fionread(&self.master).expect("it is open");
            let is_full = count == std::mem::replace(&mut last, count) && count > 1000;
            is_full && is_asleep(self.pid())
        });
    }

    /// Waits until the program has ended though no process reads what it writes.
    pub(crate) fn ends_unread(&mut self) -> Option<i32> {
        self.program.ends_while(|_| ())
    }

    /// Takes the terminal away, and waits until the program has ended; its exit code.
    pub(crate) fn hang_up(mut self) -> Option<i32> {
        let null = File::open("/dev/null").expect("it is always there");
        drop(std::mem::replace(&mut self.master, null));
        self.ends_unread()
    }

    /// Whether the terminal is as the program has found it.
    pub(crate) fn is_as_before(&self) -> bool {
        let screen = self.screen();
        let shown = screen.alternate_screen() || screen.hide_cursor();
        !shown && modes(&self.master) == self.modes
    }

    /// Shows what the program writes next; false if there is no program any more.
    fn read(&mut self) -> bool {
        wait_for(&self.master, "anything");
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

impl Deref for Terminal {
    type Target = Program;

    fn deref(&self) -> &Program {
        &self.program
    }
}

/// What a terminal's line discipline does.
fn modes(terminal: &impl AsFd) -> String {
    format!("{:?}", tcgetattr(terminal).expect("a terminal has modes"))
}

/// Both sides of a new terminal.
pub(crate) fn pair(ws_row: u16, ws_col: u16) -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let master = openpt(flags)?;
    unlockpt(&master)?;
    let slave = ioctl_tiocgptpeer(&master, flags)?;
    let mut size = tcgetwinsize(&slave)?;
    (size.ws_row, size.ws_col) = (ws_row, ws_col);
    tcsetwinsize(&slave, size)?;
    Ok((master, slave))
}
