//! Tables: a name in each row, and columns of words, as many as the terminal has room for.

use crate::output::{Colour, Output, cut, plain};

/// A terminal with fewer columns is narrow.
pub(crate) const NARROW: u16 = 80;
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
    columns: &'static [Column],
    /// Those that this terminal does not have.
    other: On,
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
        let others: usize = shown.map(|column| column.width + 1).sum();
        let longest = names.map(|name| plain(&name).chars().count()).max();
        let longest = longest.unwrap_or(0).max(least);
        let room = terminal.map(|columns| usize::from(columns).saturating_sub(others + 1));
        Self {
            columns,
            other,
            width: longest.min(room.map_or(usize::MAX, |room| room.max(SHORTEST))),
        }
    }

    pub(crate) fn titles(&self, first: &str, output: &Output) -> String {
        let titles = self.columns.iter();
        let titles = titles.map(|column| (column.title.to_owned(), None));
        self.row(first, titles.collect(), output)
    }

    /// A row with a word for each column, of which those are shown that the terminal has. It
    /// may end early: its last word is whole.
    pub(crate) fn row(&self, name: &str, cells: Vec<Cell>, output: &Output) -> String {
        let width = self.width;
        let mut row = format!("{:width$}", cut(&plain(name), width));
        let early = (cells.len() < self.columns.len()).then_some(cells.len() - 1);
        let cells = cells.into_iter().zip(self.columns).enumerate();
        for (at, ((word, colour), column)) in
            cells.filter(|(_, (_, column))| column.on != self.other)
        {
            let width = column.width;
            let word = match column.is_left {
                true if early == Some(at) => word,
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
