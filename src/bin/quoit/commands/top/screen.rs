//! A terminal that has one screen more than before.

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use crossterm::event::{self, Event, KeyCode, KeyModifiers};
use crossterm::terminal::{
    self, Clear, ClearType, DisableLineWrap, EnableLineWrap, EnterAlternateScreen,
    LeaveAlternateScreen,
};
use crossterm::{cursor, queue};

use crate::interrupt::{self, Input, Interrupt, MOMENT};
use crate::patient::Patient;
use crate::stop::Stop;

/// Dropping it leaves the terminal as it was.
pub(super) struct Screen<'a> {
    out: Patient<'a>,
    interrupt: &'a Interrupt,
}

impl<'a> Screen<'a> {
    pub(super) fn enter(interrupt: &'a Interrupt) -> Result<Self, Stop> {
        interrupt.heed_suspension()?;
        let out = Patient::output(interrupt)?;
        raw()?;
        let mut screen = Self { out, interrupt };
        screen.write(&opening())?;
        Ok(screen)
    }

    fn end(&mut self) {
        let mut bytes = Vec::new();
        let _ = queue!(bytes, cursor::Show, EnableLineWrap, LeaveAlternateScreen);
        // A terminal that takes nothing, or is gone, is not waited for.
        self.out.write_at_once(&bytes);
        let _ = terminal::disable_raw_mode();
    }

    /// Leaves the terminal as it was, and stops until the shell continues this process.
    pub(super) fn suspend(&mut self) -> Result<(), Stop> {
        self.end();
        interrupt::suspend();
        self.renew()
    }

    /// Begins anew on a terminal that another program may have had meanwhile.
    pub(super) fn renew(&mut self) -> Result<(), Stop> {
        // What is not known to be left is not entered again.
        let _ = terminal::disable_raw_mode();
        raw()?;
        // A signal that has come by now is for the next wait.
        self.out.write_at_once(&opening());
        Ok(())
    }

    /// Columns and rows.
    pub(super) fn size(&self) -> Result<(u16, u16), Stop> {
        terminal::size().map_err(Stop::io("ask the terminal for its size"))
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
        self.write(&bytes)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        let written = self.out.write_all(bytes);
        written.map_err(Stop::io("write to the terminal"))
    }

    /// Waits for that time, or for the user to have seen enough: then false.
    pub(super) fn wait(&mut self, until: Instant) -> Result<bool, Stop> {
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self
                .interrupt
                .input(io::stdin().as_fd(), left.min(MOMENT))?
            {
                // What it would have said, or has been told to ignore.
                Input::HungUp => return Err(Stop::Signal(libc::SIGHUP)),
                Input::Ready | Input::None => {}
            }
            // New sizes come beside the input.
            while let Some(event) = next_event().map_err(Stop::io("read from the terminal"))? {
                match event {
                    Event::Key(key) => match key.code {
                        // What the terminal does not make a signal of any more.
                        KeyCode::Char('c') if key.modifiers == KeyModifiers::CONTROL => {
                            return Err(Stop::Signal(libc::SIGINT));
                        }
                        KeyCode::Char('z') if key.modifiers == KeyModifiers::CONTROL => {
                            return Err(Stop::Signal(libc::SIGTSTP));
                        }
                        KeyCode::Char('q') | KeyCode::Esc => return Ok(false),
                        _ => {}
                    },
                    Event::Resize(..) => return Ok(true),
                    _ => {}
                }
            }
            if left.is_zero() {
                return Ok(true);
            }
        }
    }
}

/// The terminal makes no signals of keys any more, and shows none.
fn raw() -> Result<(), Stop> {
    terminal::enable_raw_mode().map_err(Stop::io("prepare the terminal"))
}

/// What begins a screen.
fn opening() -> Vec<u8> {
    let mut bytes = Vec::new();
    // A vector takes everything.
    let _ = queue!(bytes, EnterAlternateScreen, DisableLineWrap, cursor::Hide);
    bytes
}

fn next_event() -> io::Result<Option<Event>> {
    match event::poll(Duration::ZERO)? {
        true => event::read().map(Some),
        false => Ok(None),
    }
}

impl Drop for Screen<'_> {
    fn drop(&mut self) {
        self.end();
    }
}
