//! `quoit list`: the rings of this host.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use clap::Args;

use crate::entry::{Entry, owner};
use crate::names::{SHARED_MEMORY, expanded, files};
use crate::output::{Colour, Output, columns, plain};
use crate::report::Report;
use crate::sight::age;
use crate::stop::Stop;
use crate::table::{Cell, Column, On, Table};

/// Lists the rings in /dev/shm, and in other directories
///
/// With those that this user may not read, and with drafts `.quoit-*.new` of processes that
/// died while they made a ring.
#[derive(Args)]
pub(crate) struct List {
    /// Where to search in place of /dev/shm
    directories: Vec<PathBuf>,
}

/// The columns after the name.
const COLUMNS: [Column; 8] = [
    Column::new("owner", 8, On::Wide).left(),
    Column::new("mode", 4, On::Wide),
    Column::new("holds", 7, On::All).left(),
    Column::new("unread", 8, On::All),
    Column::new("fill", 5, On::All),
    Column::new("producer", 8, On::All),
    Column::new("consumer", 8, On::All),
    Column::new("age", 4, On::Wide),
];
/// Columns of a name.
const NAME: usize = 20;

impl List {
    pub(crate) fn run(&self, output: &Output) -> Result<(), Stop> {
        let mut names = Vec::new();
        for directory in &self.directories {
            names.extend(files(directory)?);
        }
        if self.directories.is_empty() {
            names = expanded(&[])?;
        }
        let mut entries = Vec::new();
        for name in names {
            entries.extend(Entry::of(&name, None)?);
        }
        let text = if output.json {
            Report::of(entries.iter().map(|entry| (entry, None, None)), Vec::new())
        } else if entries.is_empty() {
            format!("no rings in {}\n", self.places())
        } else {
            table(&entries, output)
        };
        output.answer(text)
    }

    fn places(&self) -> String {
        let places = self.directories.iter();
        let places: Vec<_> = places.map(|place| place.display().to_string()).collect();
        match &*places {
            [] => SHARED_MEMORY.to_owned(),
            given => plain(&given.join(", ")),
        }
    }
}

fn table(entries: &[Entry], output: &Output) -> String {
    let names = entries.iter().map(Entry::shown);
    let table = Table::new(&COLUMNS, names, NAME, columns());
    let mut text = table.titles("name", output) + "\n";
    for entry in entries {
        let mut cells = vec![
            (owner(entry.file.uid()), None),
            (format!("{:o}", entry.mode), None),
        ];
        if table.is_narrow {
            cells.clear();
        }
        match &entry.ring {
            Ok(look) => {
                let positions = look.sample.positions;
                let [unread, fill] = match look.corrupt {
                    Some(_) => ["?".to_owned(), "corr.".to_owned()],
                    None => [positions.len().to_string(), format!("{}%", look.percent())],
                };
                let [producer, consumer] = look.peers().map(|peer| peer.life());
                let age = age(look.info.created);
                let words = [
                    look.shape().0.to_owned(),
                    unread,
                    fill,
                    producer,
                    consumer,
                    age,
                ];
                cells.extend(words.map(coloured));
            }
            Err(_) => {
                let state = entry.state().replace('_', " ");
                cells.push((format!("({state})"), Some(Colour::Red)));
            }
        }
        text += &(table.row(&entry.shown(), cells, output) + "\n");
    }
    text
}

/// What is wrong is red.
fn coloured(word: String) -> Cell {
    let is_wrong = matches!(&*word, "died" | "corr." | "100%");
    (word, is_wrong.then_some(Colour::Red))
}
