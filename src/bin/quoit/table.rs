//! Tables: a name in each row, and columns of words, as many as the terminal has room for.

use crate::output::{Colour, Output, cut, plain};

/// A terminal with fewer columns is narrow.
const NARROW: u16 = 80;
/// Columns of the shortest room for a name.
const SHORTEST: usize = 8;

pub(crate) struct Column {
    pub(crate) title: &'static str,
    pub(crate) width: usize,
    /// Its words begin at the left.
    pub(crate) is_left: bool,
    pub(crate) on: On,
}

/// The terminals that have a column.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum On {
    All,
    Wide,
    Narrow,
}

impl Column {
    pub(crate) const fn new(title: &'static str, width: usize, on: On) -> Self {
        Self {
            title,
            width,
            is_left: false,
            on,
        }
    }

    pub(crate) const fn left(self) -> Self {
        Self {
            is_left: true,
            ..self
        }
    }
}

/// A word, and its colour if it has one.
pub(crate) type Cell = (String, Option<Colour>);

/// The widths of a table.
pub(crate) struct Table {
    columns: Vec<&'static Column>,
    pub(crate) is_narrow: bool,
    /// Of the names.
    width: usize,
}

impl Table {
    /// For these names. They are whole where there is no terminal, and have this width at the
    /// least.
    pub(crate) fn new(
        columns: &'static [Column],
        names: impl Iterator<Item = String>,
        least: usize,
        terminal: Option<u16>,
    ) -> Self {
        let is_narrow = terminal.is_some_and(|columns| columns < NARROW);
        let other = if is_narrow { On::Wide } else { On::Narrow };
        let shown = columns.iter().filter(|column| column.on != other);
        let columns: Vec<_> = shown.collect();
        let others: usize = columns.iter().map(|column| column.width + 1).sum();
        let longest = names.map(|name| plain(&name).chars().count()).max();
        let longest = longest.unwrap_or(0).max(least);
        let room = terminal.map(|columns| usize::from(columns).saturating_sub(others + 1));
        Self {
            columns,
            is_narrow,
            width: longest.min(room.map_or(usize::MAX, |room| room.max(SHORTEST))),
        }
    }

    pub(crate) fn titles(&self, first: &str, output: &Output) -> String {
        let titles = self.columns.iter();
        let titles = titles.map(|column| (column.title.to_owned(), None));
        self.row(first, titles.collect(), output)
    }

    /// A row, which may end early: its last word is whole.
    pub(crate) fn row(&self, name: &str, cells: Vec<Cell>, output: &Output) -> String {
        let width = self.width;
        let mut row = format!("{:width$}", cut(&plain(name), width));
        let is_short = cells.len() < self.columns.len();
        let last = cells.len() - 1;
        for (at, ((word, colour), column)) in cells.into_iter().zip(&self.columns).enumerate() {
            let width = column.width;
            let word = match column.is_left {
                true if is_short && at == last => word,
                true => format!("{:width$}", cut(&word, width)),
                false => format!("{word:>width$}"),
            };
            row += " ";
            row += &colour.map_or(word.clone(), |colour| output.paint(colour, &word));
        }
        row.truncate(row.trim_end().len());
        row
    }
}
