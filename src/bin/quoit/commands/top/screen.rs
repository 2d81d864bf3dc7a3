//! A terminal that has one screen more than before.

use std::io::{self, Write};
use std::time::Instant;

use crossterm::event::{self, Event, KeyCode, KeyModifiers};
use crossterm::terminal::{
    self, Clear, ClearType, DisableLineWrap, EnableLineWrap, EnterAlternateScreen,
    LeaveAlternateScreen,
};
use crossterm::{cursor, execute, queue};

use crate::interrupt::{Interrupt, MOMENT};
use crate::stop::Stop;

/// Dropping it leaves the terminal as it was.
pub(super) struct Screen(());

impl Screen {
    pub(super) fn enter() -> Result<Self, Stop> {
        let enter = || {
            terminal::enable_raw_mode()?;
            let screen = Self(());
            execute!(
                io::stdout(),
                EnterAlternateScreen,
                DisableLineWrap,
                cursor::Hide
            )?;
            Ok(screen)
        };
        enter().map_err(Stop::io("prepare the terminal"))
    }

    /// Columns and rows.
    pub(super) fn size(&self) -> Result<(u16, u16), Stop> {
        terminal::size().map_err(Stop::io("ask the terminal for its size"))
    }

    /// Replaces all that is shown.
    pub(super) fn draw(&mut self, lines: &[String]) -> Result<(), Stop> {
        let mut out = io::stdout().lock();
        let mut draw = || {
            queue!(out, cursor::MoveTo(0, 0))?;
            for (row, line) in lines.iter().enumerate() {
                let end = if row == 0 { "" } else { "\r\n" };
                write!(out, "{end}{line}")?;
                queue!(out, Clear(ClearType::UntilNewLine))?;
            }
            queue!(out, Clear(ClearType::FromCursorDown))?;
            out.flush()
        };
        draw().map_err(Stop::io("write to the terminal"))
    }

    /// Waits for that time, or for the user to have seen enough: then false.
    pub(super) fn wait(&mut self, until: Instant, interrupt: &Interrupt) -> Result<bool, Stop> {
        loop {
            interrupt.check()?;
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(true);
            }
            match read(left.min(MOMENT)).map_err(Stop::io("read from the terminal"))? {
                Some(Event::Key(key)) => match key.code {
                    // What the terminal does not make a signal of any more.
                    KeyCode::Char('c') if key.modifiers == KeyModifiers::CONTROL => {
                        return Err(Stop::Signal(libc::SIGINT));
                    }
                    KeyCode::Char('q') | KeyCode::Esc => return Ok(false),
                    _ => {}
                },
                Some(Event::Resize(..)) => return Ok(true),
                _ => {}
            }
        }
    }
}

fn read(patience: std::time::Duration) -> io::Result<Option<Event>> {
    match event::poll(patience)? {
        true => event::read().map(Some),
        false => Ok(None),
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing.
        let _ = execute!(
            io::stdout(),
            cursor::Show,
            EnableLineWrap,
            LeaveAlternateScreen
        );
        let _ = terminal::disable_raw_mode();
    }
}
