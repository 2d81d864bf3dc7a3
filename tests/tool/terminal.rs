//! A terminal of 80 columns, the tool on it, and what is shown there only: colours, and how far
//! a command is.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::ops::Deref;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{ioctl_tiocsctty, setsid};
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{
    ControlModes, InputModes, LocalModes, OutputModes, Winsize, tcgetattr, tcsetwinsize,
};
use vt100::{Parser, Screen};

use crate::common::PATIENCE;
use crate::common::child::{code_of, is_asleep};
use crate::common::segment_file::{SUPERSEDED, SegmentFile};
use crate::tool::*;

pub(crate) const COLUMNS: u16 = 80;
/// Rows and columns.
pub(crate) const SIZE: (u16, u16) = (24, COLUMNS);

/// The tool on a terminal of its own. Killed and reaped when the test is over,
/// however it ends.
pub(crate) struct Terminal {
    master: File,
    parser: Parser,
    tool: Tool,
    /// What the terminal did with keys at first.
    modes: Modes,
}

type Modes = (InputModes, OutputModes, ControlModes, LocalModes);

/// Where the tool has the terminal: what is not there is a pipe.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum On {
    All,
    /// Standard error only.
    Errors,
}

impl Terminal {
    pub(crate) fn start(on: On, arguments: &[&str]) -> Self {
        Self::start_command(SIZE, on, Self::command(Tool::PATH, arguments))
    }

    /// Something that starts the tool, or is it, in the usual environment.
    pub(crate) fn command(program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).env_remove("NO_COLOR");
        command.env("TERM", "xterm");
        on_hang_up(&mut command, libc::SIG_DFL);
        command
    }

    /// On a terminal with this many rows and columns.
    pub(crate) fn start_command(size: (u16, u16), on: On, mut command: Command) -> Self {
        let (rows, columns) = size;
        let (master, slave) = pair(rows, columns).expect("a terminal");
        let modes = modes(&master);
        let end = || Stdio::from(slave.try_clone().expect("a descriptor"));
        let rest = || match on {
            On::All => end(),
            On::Errors => Stdio::piped(),
        };
        command.stdin(rest()).stdout(rest()).stderr(end());
        // Standard error becomes the terminal of a session of its own.
        let own_session = || Ok(setsid().and_then(|_| ioctl_tiocsctty(rustix::stdio::stderr()))?);
        // SAFETY: what runs between fork and exec makes two syscalls.
        unsafe { command.pre_exec(own_session) };
        // The command has the terminal open, too, and is dropped.
        let mut tool = Tool::spawn(&mut command);
        drop(command);
        if let Some(mut output) = tool.child().stdout.take() {
            // What is written to a pipe is to be read.
            thread::spawn(move || io::copy(&mut output, &mut io::sink()));
        }
        Self {
            master: master.into(),
            parser: Parser::new(rows, columns, 0),
            tool,
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
        let input = self.tool.child().stdin.take();
        let mut input = input.expect("its input is piped");
        input.write_all(bytes).expect("it reads");
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

    /// Waits until this is on the screen.
    pub(crate) fn shows(&mut self, what: &str) {
        self.until(what, |screen| screen.contents().contains(what));
    }

    /// Waits until the tool has ended by itself; its exit code.
    pub(crate) fn end(&mut self) -> Option<i32> {
        while self.read() {}
        code_of(self.tool.child().wait().expect("it can be waited for"))
    }

    /// Waits until the terminal takes no more, since no process reads it.
    pub(crate) fn fills(&mut self) {
        let mut last = 0;
        wait_until("the terminal is full", || {
            thread::sleep(Duration::from_millis(100));
            let count = rustix::io::ioctl_fionread(&self.master).expect("it is open");
            let is_full = count == std::mem::replace(&mut last, count) && count > 1000;
            is_full && is_asleep(self.pid())
        });
    }

    /// Waits until the tool has ended though no process reads what it writes.
    pub(crate) fn ends_unread(&mut self) -> Option<i32> {
        let mut status = None;
        wait_until("it ends", || {
            status = self.tool.child().try_wait().expect("it can be waited for");
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
    type Target = Tool;

    fn deref(&self) -> &Tool {
        &self.tool
    }
}

/// The flags of a terminal's line discipline.
fn modes(terminal: &impl AsFd) -> Modes {
    let modes = tcgetattr(terminal).expect("a terminal has modes");
    (
        modes.input_modes,
        modes.output_modes,
        modes.control_modes,
        modes.local_modes,
    )
}

/// Both sides of a new terminal.
fn pair(ws_row: u16, ws_col: u16) -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let master = openpt(flags)?;
    grantpt(&master)?;
    unlockpt(&master)?;
    let slave = ioctl_tiocgptpeer(&master, flags)?;
    let size = Winsize {
        ws_row,
        ws_col,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(&slave, size)?;
    Ok((master, slave))
}

pub(crate) fn colours_are_for_terminals_that_want_them() {
    let (name, _) = ring::<u64>("colours", 64);
    SegmentFile::open(&name.file()).write(SUPERSEDED, 1);
    let top = ["top", "--count", "1", "--interval", "10ms", &name];
    let answers: [&[&str]; 3] = [&["stat", &name], &top, &["doctor", "--all", "--cores", "0"]];
    for arguments in answers {
        let has_colours = |variable| {
            let mut command = Terminal::command(Tool::PATH, arguments);
            let (name, value) = variable;
            command.env(name, value);
            let mut tool = Terminal::start_command(SIZE, On::All, command);
            assert!(matches!(tool.end(), Some(0 | 9)));
            assert!(tool.text().len() > 100, "{}", tool.text());
            let formatted = tool.screen().contents_formatted();
            let formatted = String::from_utf8_lossy(&formatted);
            // A sequence of a foreground.
            ["\x1b[31m", "\x1b[32m", "\x1b[33m"]
                .iter()
                .any(|colour| formatted.contains(colour))
        };
        assert!(has_colours(("TERM", "xterm")), "{arguments:?}");
        assert!(has_colours(("NO_COLOR", "")), "empty is as if not set");
        assert!(!has_colours(("NO_COLOR", "1")), "{arguments:?}");
        assert!(!has_colours(("TERM", "dumb")), "{arguments:?}");
        let piped = Tool::run(arguments, b"").output;
        assert!(!piped.contains(&b'\x1b'), "{arguments:?}");
    }
}

pub(crate) fn a_terminal_shows_the_progress_of_a_command() {
    let (name, _) = ring::<[u8]>("progress", 1024);
    // 64 frames of 16 bytes fill the ring, and more are waiting.
    let mut sender = Terminal::start(On::Errors, &["send", &name]);
    sender.feed(&numbers(99));
    sender.until("the sender has filled the ring", |screen| {
        screen.contents().starts_with("sent 64 messages, 119 B in ")
    });
    let mut receiver = Terminal::start(On::Errors, &["recv", &name]);
    assert_eq!(sender.end(), Some(0));
    assert_eq!(receiver.end(), Some(0));
    for (tool, start) in [
        (sender, "sent 99 messages, 189 B in "),
        (receiver, "received 99 messages, 189 B in "),
    ] {
        let text = tool.text();
        let last = text.lines().last().expect("a line");
        assert!(last.starts_with(start), "{text}");
        assert_eq!(text.matches("messages").count(), 1, "{text}");
    }
}
