//! `quoit list`: the rings of this host.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use clap::Args;

use crate::entry::{Entry, owner};
use crate::names::{SHARED_MEMORY, files};
use crate::output::{Colour, Output, columns, plain};
use crate::report::{Ring, report};
use crate::sight::{Peer, age, shape};
use crate::stop::Stop;
use crate::table::{Cell, Column, On, Table};

/// Lists the rings in /dev/shm, and in other directories
///
/// With those that this user may not read, and with drafts `.quoit-*.new` of processes that
/// crashed while they created a ring.
#[derive(Args)]
pub(crate) struct List {
    /// Where to search
    #[arg(default_value = SHARED_MEMORY)]
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
        let mut entries = Vec::new();
        for directory in &self.directories {
            for name in files(directory)? {
                entries.extend(Entry::of(&name, None)?);
            }
        }
        let text = if output.json {
            let rings = entries.iter().map(|entry| Ring::of(entry, None, None));
            report(rings, &[])
        } else if entries.is_empty() {
            let places = self.directories.iter();
            let places: Vec<_> = places
                .map(|place| plain(&place.to_string_lossy()))
                .collect();
            format!("no rings in {}\n", places.join(", "))
        } else {
            table(&entries, output)
        };
        output.answer(text)
    }
}

fn table(entries: &[Entry], output: &Output) -> String {
    let names = entries.iter().map(Entry::shown);
    let table = Table::new(&COLUMNS, names, NAME, columns());
    let mut text = table.titles("name", output) + "\n";
    for entry in entries {
        let mut words = vec![owner(entry.file.uid()), format!("{:o}", entry.mode)];
        match &entry.ring {
            Ok(look) => {
                let [unread, fill] = match look.corrupt {
                    Some(_) => ["?".to_owned(), "corr.".to_owned()],
                    None => [look.fill().to_string(), format!("{}%", look.percent())],
                };
                words.extend([shape(&look.info).0.to_owned(), unread, fill]);
                words.extend(look.peers.each_ref().map(Peer::life));
                words.push(age(look.info.created));
            }
            Err(_) => words.push(format!("({})", entry.state().replace('_', " "))),
        }
        let cells = words.into_iter().map(coloured).collect();
        text += &(table.row(&entry.shown(), cells, output) + "\n");
    }
    text
}

/// What is wrong is red.
fn coloured(word: String) -> Cell {
    let is_wrong = matches!(&*word, "crashed" | "corr." | "100%") || word.starts_with('(');
    (word, is_wrong.then_some(Colour::Red))
}
