//! `quoit list`: the rings of this host.

use std::path::PathBuf;

use clap::Args;
use quoit::Role;

use crate::entry::Entry;
use crate::names::{self, files};
use crate::output::{Colour, Output, columns, cut, plain};
use crate::report::{Report, Ring};
use crate::sight::age;
use crate::stop::Stop;

/// Lists the rings in /dev/shm, and in other directories
///
/// With those that this user may not read, and with drafts `.quoit-*.new`, which a
/// process left behind that died while it made a ring.
#[derive(Args)]
pub(crate) struct List {
    /// Where to look in place of /dev/shm
    directories: Vec<PathBuf>,
}

/// The columns behind the name: title, width, and whether a narrow terminal has it.
const COLUMNS: [(&str, usize, bool); 8] = [
    ("owner", 8, false),
    ("mode", 4, false),
    ("holds", 7, true),
    ("unread", 8, true),
    ("fill", 5, true),
    ("producer", 8, true),
    ("consumer", 8, true),
    ("age", 4, false),
];
/// A terminal with fewer columns is narrow.
const NARROW: u16 = 80;
const NAME: usize = 20;

impl List {
    pub(crate) fn run(&self, output: &Output) -> Result<(), Stop> {
        let mut found = Vec::new();
        match &*self.directories {
            [] => found = names::all()?,
            given => {
                for directory in given {
                    found.extend(files(directory)?);
                }
            }
        }
        let entries: Vec<_> = found.into_iter().filter_map(Entry::of).collect();
        let text = if output.json {
            let rings = entries.iter().map(|entry| Ring::of(entry, None, None));
            Report::new(rings.collect(), Vec::new()).text()
        } else if entries.is_empty() {
            format!("no rings in {}\n", self.places())
        } else {
            table(&entries, output, columns())
        };
        output.answer(text.as_bytes())
    }

    fn places(&self) -> String {
        let places = self.directories.iter();
        let places: Vec<_> = places.map(|place| place.display().to_string()).collect();
        match &*places {
            [] => names::SHARED_MEMORY.to_owned(),
            given => plain(&given.join(", ")),
        }
    }
}

fn table(entries: &[Entry], output: &Output, terminal: Option<u16>) -> String {
    let is_narrow = terminal.is_some_and(|columns| columns < NARROW);
    let shown = |&(_, _, always): &(&str, usize, bool)| always || !is_narrow;
    let others = COLUMNS.iter().filter(|column| shown(column));
    let others: usize = others.map(|(_, width, _)| width + 1).sum();
    let longest = entries.iter().map(|entry| entry.shown().chars().count());
    let longest = longest.max().unwrap_or(0).max(NAME);
    let width = terminal.map_or(longest, |columns| {
        let room = usize::from(columns).saturating_sub(others + 1);
        longest.min(room.max(8))
    });
    let mut text = format!("{:width$}", "name");
    for (title, width, _) in COLUMNS.iter().filter(|column| shown(column)) {
        text += &match *title {
            "owner" | "holds" => format!(" {title:width$}"),
            _ => format!(" {title:>width$}"),
        };
    }
    text += "\n";
    for entry in entries {
        let name = cut(&plain(&entry.shown()), width);
        let mut line = format!("{name:width$}");
        for (column, &(title, width, _)) in COLUMNS.iter().enumerate() {
            if !shown(&COLUMNS[column]) {
                continue;
            }
            let Some(word) = word(entry, title) else {
                continue;
            };
            let padded = match title {
                // The last word of its line.
                "holds" if entry.ring.is_err() => word.clone(),
                "owner" | "holds" => format!("{:width$}", cut(&word, width)),
                _ => format!("{word:>width$}"),
            };
            let is_wrong = matches!(&*word, "died" | "corr." | "100%") || entry.ring.is_err();
            line += " ";
            line += &match is_wrong {
                true => output.paint(Colour::Red, &padded),
                false => padded,
            };
        }
        text += line.trim_end();
        text += "\n";
    }
    text
}

/// What a column says of a ring.
fn word(entry: &Entry, title: &str) -> Option<String> {
    match (title, &entry.file) {
        ("owner", file) => {
            return Some(file.as_ref().map_or_else(String::new, |file| file.owner()));
        }
        ("mode", Some(file)) => return Some(format!("{:o}", file.mode)),
        ("mode", None) => return Some(String::new()),
        _ => {}
    }
    let look = match &entry.ring {
        Ok((_, look)) => look,
        Err(trouble) => {
            let why = trouble.state().replace('_', " ");
            return (title == "holds").then(|| format!("({why})"));
        }
    };
    Some(match title {
        "holds" => look.shape().to_owned(),
        "unread" if look.corrupt.is_some() => "?".to_owned(),
        "unread" => look.sample.positions.len().to_string(),
        "fill" => match look.corrupt {
            Some(_) => "corr.".to_owned(),
            None => look.fill(),
        },
        "producer" => look.peer(Role::Producer).short_life(),
        "consumer" => look.peer(Role::Consumer).short_life(),
        _ => age(look.info.created),
    })
}
