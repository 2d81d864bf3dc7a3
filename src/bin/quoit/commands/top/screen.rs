//! A screen of the terminal beyond the one that the shell has.

use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use crossterm::event::{self, Event, KeyCode, KeyModifiers};
use crossterm::terminal::{
    self, Clear, ClearType, DisableLineWrap, EnableLineWrap, EnterAlternateScreen,
    LeaveAlternateScreen,
};
use crossterm::{cursor, queue};
use rustix::event::PollFlags;

use crate::interrupt::{self, Interrupt, MOMENT};
use crate::output::terminal_size;
use crate::standard::{Patient, Standard};
use crate::stop::Stop;

const READ: &str = "read from the terminal";

/// Dropping it leaves the terminal as it was.
pub(super) struct Screen<'a> {
    out: Patient<'a>,
    interrupt: &'a Interrupt,
}

impl<'a> Screen<'a> {
    pub(super) fn enter(interrupt: &'a Interrupt) -> Result<Self, Stop> {
        interrupt.heed_suspension()?;
        let out = Standard::Output.open(Some(interrupt))?;
        interrupt::leave_at_truncation(closing());
        let mut screen = Self { out, interrupt };
        screen.out.write_all(&opening()?)?;
        Ok(screen)
    }

    fn end(&mut self) {
        // A terminal that takes nothing, or is closed, is not waited for.
        self.out.write_at_once(&closing());
        let _ = terminal::disable_raw_mode();
    }

    /// Begins again on a terminal that another program may have had in between; before
    /// that, if it is asked for, stops until the shell continues this process.
    pub(super) fn renew(&mut self, stops: bool) -> Result<(), Stop> {
        if stops {
            self.end();
            interrupt::suspend();
        }
        // What is not known to be left is not entered again.
        let _ = terminal::disable_raw_mode();
        // A signal that has already arrived is for the next wait.
        self.out.write_at_once(&opening()?);
        Ok(())
    }

    /// Columns and rows.
    pub(super) fn size(&self) -> Result<(u16, u16), Stop> {
        terminal_size(&self.out).map_err(Stop::io("ask the terminal for its size"))
    }

    /// Replaces all that is shown.
    pub(super) fn draw(&mut self, lines: &[String]) -> Result<(), Stop> {
        let mut bytes = Vec::new();
        let _ = queue!(bytes, cursor::MoveTo(0, 0));
        for (row, line) in lines.iter().enumerate() {
            bytes.extend_from_slice(if row == 0 { b"" } else { b"\r\n" });
            bytes.extend_from_slice(line.as_bytes());
            let _ = queue!(bytes, Clear(ClearType::UntilNewLine));
        }
        let _ = queue!(bytes, Clear(ClearType::FromCursorDown));
        self.out.write_all(&bytes)
    }

    /// Waits for that time; false if the user asks it to end.
    pub(super) fn wait(&mut self, until: Instant) -> Result<bool, Stop> {
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let stdin = io::stdin();
            let keys = Some((stdin.as_fd(), PollFlags::IN));
            let found = self.interrupt.poll(keys, Some(left.min(MOMENT)))?;
            if found.intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL) {
                // What the terminal would have sent, unless it is ignored.
                return Err(Stop::Signal(libc::SIGHUP));
            }
            // New sizes are reported apart from the input.
            while event::poll(Duration::ZERO).map_err(Stop::io(READ))? {
                let signal = match event::read().map_err(Stop::io(READ))? {
                    // The terminal makes no signal of Ctrl-C and Ctrl-Z any more.
                    Event::Key(key) => match (key.code, key.modifiers) {
                        (KeyCode::Char('c'), KeyModifiers::CONTROL) => libc::SIGINT,
                        (KeyCode::Char('z'), KeyModifiers::CONTROL) => libc::SIGTSTP,
                        (KeyCode::Char('q') | KeyCode::Esc, _) => return Ok(false),
                        _ => continue,
                    },
                    Event::Resize(..) => return Ok(true),
                    _ => continue,
                };
                return Err(Stop::Signal(signal));
            }
            if left.is_zero() {
                return Ok(true);
            }
        }
    }
}

/// What begins a screen; the terminal makes no signals of keys any more, and shows none.
fn opening() -> Result<Vec<u8>, Stop> {
    terminal::enable_raw_mode().map_err(Stop::io("prepare the terminal"))?;
    let mut bytes = Vec::new();
    // A vector takes everything.
    let _ = queue!(bytes, EnterAlternateScreen, DisableLineWrap, cursor::Hide);
    Ok(bytes)
}

/// What ends a screen.
fn closing() -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = queue!(bytes, cursor::Show, EnableLineWrap, LeaveAlternateScreen);
    bytes
}

impl Drop for Screen<'_> {
    fn drop(&mut self) {
        self.end();
    }
}
