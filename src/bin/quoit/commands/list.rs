//! `quoit list`: the rings of this host.

use std::fmt::Write;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use quoit::{Error, Role};
use serde_json::{Value, json};

use crate::mounts::SHARED_MEMORY;
use crate::output::{Output, plain};
use crate::sight::Sight;
use crate::stop::Stop;

/// Lists the rings in /dev/shm, and in other directories
#[derive(Args)]
pub(crate) struct List {
    /// Where to look in place of /dev/shm
    directories: Vec<PathBuf>,
}

impl List {
    pub(crate) fn run(&self, output: &Output) -> Result<(), Stop> {
        let shared_memory = [PathBuf::from(SHARED_MEMORY)];
        let directories = match &*self.directories {
            [] => &shared_memory,
            given => given,
        };
        let mut rings = Vec::new();
        for directory in directories {
            let files = files(directory);
            let files = files.map_err(Stop::io(format!("list {}", directory.display())))?;
            rings.extend(files.into_iter().filter_map(|file| Line::of(&file)));
        }
        let text = if output.json {
            let values: Vec<_> = rings.iter().map(|ring| &ring.json).collect();
            format!("{}\n", json!(values))
        } else {
            table(&rings)
        };
        output.answer(text.as_bytes())
    }
}

/// The files in a directory, sorted; those in shared memory by their plain names.
pub(crate) fn files(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            files.push(match directory == Path::new(SHARED_MEMORY) {
                true => entry.file_name().into(),
                false => entry.path(),
            });
        }
    }
    files.sort();
    Ok(files)
}

/// A ring in the list.
struct Line {
    words: [String; 9],
    json: Value,
}

const TITLES: [&str; 9] = [
    "name", "shape", "capacity", "fill", "producer", "consumer", "age", "layout", "schema",
];

impl Line {
    /// Of a file; nothing of one that is no ring, or is gone, or may not be read.
    fn of(file: &Path) -> Option<Self> {
        let name = file.display().to_string();
        let seen = Sight::open(file).and_then(|sight| Self::seen(&name, &sight));
        match seen {
            Ok(line) => Some(line),
            Err(Error::VersionMismatch { found, .. }) => Some(Self {
                json: json!({"name": name, "layout": found}),
                words: Self::but("(unknown)", &name, &found.to_string()),
            }),
            Err(Error::Corrupt(_)) => Some(Self {
                json: json!({"name": name, "corrupt": true}),
                words: Self::but("(corrupt)", &name, ""),
            }),
            Err(_) => None,
        }
    }

    /// Of a ring that cannot be looked into.
    fn but(why: &str, name: &str, layout: &str) -> [String; 9] {
        [&*plain(name), why, "", "", "", "", "", layout, ""].map(str::to_owned)
    }

    fn seen(name: &str, sight: &Sight) -> Result<Self, Error> {
        let (info, look) = (sight.observer.info(), sight.look()?);
        Ok(Self {
            words: [
                plain(name),
                sight.shape().to_owned(),
                info.capacity.to_string(),
                format!("{}%", look.percent()),
                look.peer(Role::Producer).short_life(),
                look.peer(Role::Consumer).short_life(),
                sight.age(),
                info.layout.to_string(),
                // Enough to tell a few schemas apart.
                format!("{:08x}", info.schema >> 32),
            ],
            json: sight.json(&look),
        })
    }
}

/// Columns as wide as they must be.
fn table(lines: &[Line]) -> String {
    let titles = TITLES.map(str::to_owned);
    let rows: Vec<_> = [&titles]
        .into_iter()
        .chain(lines.iter().map(|line| &line.words))
        .collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: [usize; 9] = std::array::from_fn(|column| width(column).unwrap_or(0));
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (word, width) in row.iter().zip(widths) {
            let _ = write!(line, "{word:width$} ");
        }
        text += line.trim_end();
        text += "\n";
    }
    text
}
