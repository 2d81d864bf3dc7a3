//! Everything that the tool writes, as text or as JSON.

use std::env;
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::process::ExitCode;

use clap::builder::StyledStr;
use rustix::termios::tcgetwinsize;
use serde_json::{Value, json};

use crate::interrupt;
use crate::standard::{Patient, Standard};
use crate::stop::Stop;

/// How the tool speaks.
pub(crate) struct Output {
    pub(crate) json: bool,
    colours: bool,
}

/// Moves the cursor, or turns the line around.
fn acts(letter: char) -> bool {
    let turns = matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    turns || letter.is_control()
}

/// What other users chose must not act on the terminal.
pub(crate) fn plain(text: &str) -> String {
    text.replace(acts, "?")
}

/// A line of JSON, which escapes such letters.
pub(crate) fn json_line(value: &Value) -> String {
    let mut line = String::new();
    for letter in value.to_string().chars() {
        match acts(letter) {
            true => line += &format!("\\u{:04x}", letter as u32),
            false => line.push(letter),
        }
    }
    line + "\n"
}

/// A colour of a word.
#[derive(Clone, Copy)]
pub(crate) enum Colour {
    Red = 31,
    Green = 32,
    Yellow = 33,
}

/// Columns and rows of a terminal. One that does not know its size says 0, as a serial line does.
pub(crate) fn terminal_size(terminal: impl AsFd) -> io::Result<(u16, u16)> {
    let size = tcgetwinsize(terminal)?;
    let usual = |known, usual| if known == 0 { usual } else { known };
    Ok((usual(size.ws_col, 80), usual(size.ws_row, 24)))
}

/// Of the terminal that the answer goes to, if it is one.
pub(crate) fn columns() -> Option<u16> {
    let size = terminal_size(io::stdout());
    size.ok().map(|(columns, _)| columns)
}

/// The end of a name that is too long, where such names differ.
pub(crate) fn cut(name: &str, width: usize) -> String {
    let count = name.chars().count();
    if count <= width {
        return name.to_owned();
    }
    let end: String = name.chars().skip(count + 1 - width).collect();
    format!("…{end}")
}

/// The words in lines of at most this many columns, with room for an indent in each.
pub(crate) fn wrapped(text: &str, columns: usize, indent: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("a line");
        let length = line.chars().count() + 1 + word.chars().count() + indent;
        let gap = if line.is_empty() { "" } else { " " };
        if gap.is_empty() || length <= columns {
            *line += &format!("{gap}{word}");
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        let unwanted = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || env::var_os("TERM").is_some_and(|terminal| terminal == "dumb");
        Self {
            json,
            colours: !json && !unwanted && io::stdout().is_terminal(),
        }
    }

    /// The word in a colour, where a terminal shows it.
    pub(crate) fn paint(&self, colour: Colour, word: &str) -> String {
        match self.colours {
            true => format!("\x1b[{}m{word}\x1b[0m", colour as u8),
            false => word.to_owned(),
        }
    }

    /// The whole answer of a command, on standard output.
    pub(crate) fn answer(&self, text: impl AsRef<[u8]>) -> Result<(), Stop> {
        Standard::Output.open(None)?.write_all(text.as_ref())
    }

    /// The help, or the version.
    pub(crate) fn help(&self, text: &StyledStr) -> Result<(), Stop> {
        self.answer(match self.colours {
            true => text.ansi().to_string(),
            false => text.to_string(),
        })
    }

    /// What was done, on standard error: to a program that reads JSON, and to
    /// people.
    pub(crate) fn summary(&self, text: &str, value: &Value) -> Result<(), Stop> {
        if self.json {
            let mut errors = Standard::Errors.open(None)?;
            return errors.write_all(json_line(value).as_bytes());
        }
        self.note(text);
        Ok(())
    }

    /// Standard error, if it is a terminal, for what people want to know as it works. One that
    /// takes nothing is not waited for.
    pub(crate) fn terminal(&self) -> Option<Patient<'static>> {
        let is_shown = io::stderr().is_terminal() && !self.json;
        let terminal = is_shown.then(|| Standard::Errors.open(None));
        terminal.and_then(Result::ok)
    }

    /// What the command does.
    pub(crate) fn note(&self, text: &str) {
        if let Some(mut terminal) = self.terminal() {
            // Over a progress line, or the sign of a Ctrl-C.
            terminal.show(&format!("\r\x1b[K{text}\n"));
        }
    }

    /// Says why the tool ends, if it is not done.
    pub(crate) fn end(&self, done: Result<(), Stop>) -> ExitCode {
        let Err(stop) = done else {
            return ExitCode::SUCCESS;
        };
        self.complain(&stop);
        if let Stop::Signal(signal) = stop {
            // All is stored already.
            interrupt::die_of(signal);
        }
        ExitCode::from(stop.code())
    }

    /// Says what is wrong.
    pub(crate) fn complain(&self, stop: &Stop) {
        if let Some(line) = self.complaint(stop) {
            // That standard error is closed can be said nowhere.
            let errors = Standard::Errors.open(None);
            let _ = errors.and_then(|mut errors| errors.write_all(line.as_bytes()));
        }
    }

    /// A line that says what is wrong, if something is.
    pub(crate) fn complaint(&self, stop: &Stop) -> Option<String> {
        let code = stop.code();
        let (why, mut value) = match stop {
            Stop::ClosedPipe | Stop::Signal(_) | Stop::Warned => return None,
            Stop::Partly(why, moved) => (&**why, json!(moved)),
            Stop::Error(..) => (stop, json!({})),
        };
        value["error"] = why.to_string().into();
        value["code"] = code.into();
        Some(match self.json {
            true => json_line(&value),
            false => format!("quoit: {}\n", plain(&stop.to_string())),
        })
    }
}
