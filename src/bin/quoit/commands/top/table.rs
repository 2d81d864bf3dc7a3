//! The rings as a table, and under each what is wrong with it.

use std::time::Duration;

use quoit::Role;

use crate::output::{Colour, Output, plain, wrapped};
use crate::sight::Look;
use crate::table::{Cell, Column, On, Table};
use crate::watch::{Watch, Watched};
use crate::wrong::{FULL, wrong};

/// How long a producer may push nothing until it is reported.
const QUIET: Duration = Duration::from_secs(2);
/// Columns of what is under a ring.
const INDENT: usize = 2;
/// Columns of a name.
const NAME: usize = 17;
/// Columns of a bar.
const BAR: u64 = 10;
/// Events that have room in any case.
const EVENTS: usize = 3;

const COLUMNS: [Column; 8] = [
    Column::new("fill", 15, On::Wide).left(),
    Column::new("fill", 4, On::Narrow).left(),
    Column::new("in/s", 7, On::All),
    Column::new("out/s", 7, On::All),
    Column::new("parks", 5, On::Wide),
    Column::new("wakes", 5, On::Wide),
    Column::new("producer", 8, On::All),
    Column::new("consumer", 8, On::All),
];

/// The latest look, with what has happened since the one before.
pub(super) fn text(watch: &Watch, output: &Output, columns: Option<u16>) -> String {
    let news = watch.news().into_iter().map(str::to_owned);
    let lines = news.chain(table(watch, output, columns));
    lines.map(|line| line + "\n").collect::<String>() + "\n"
}

/// In this many rows at most.
pub(super) fn lines(
    watch: &Watch,
    output: &Output,
    (columns, rows): (u16, u16),
    interval: Duration,
) -> Vec<String> {
    let rows = usize::from(rows);
    let count = watch.rings.len();
    let rings = if count == 1 { "ring" } else { "rings" };
    let head = format!("quoit top: {count} {rings}, every {interval:?}; q ends");
    let mut lines = vec![head, String::new()];
    let mut table = table(watch, output, Some(columns));
    let room = rows.saturating_sub(lines.len() + 1 + EVENTS.min(watch.events.len()));
    if table.len() > room {
        let shown = room.saturating_sub(1);
        let more = table.len() - shown;
        table.truncate(shown);
        table.push(format!("and {more} lines more than fit"));
    }
    lines.extend(table);
    lines.push(String::new());
    for (at, event) in watch.events.iter().rev() {
        lines.push(format!("{:>4}s ago  {event}", at.elapsed().as_secs()));
    }
    lines.truncate(rows);
    lines
}

fn table(watch: &Watch, output: &Output, columns: Option<u16>) -> Vec<String> {
    let names = watch.rings.iter().map(|ring| ring.entry.shown());
    let table = Table::new(&COLUMNS, names, NAME, columns);
    let columns = columns.map_or(usize::MAX, |columns| usize::from(columns) - 1);
    let mut lines = vec![table.titles("ring", output)];
    for ring in &watch.rings {
        let cells = cells(ring, table.is_narrow);
        lines.push(table.row(&ring.entry.shown(), cells, output));
        for (text, colour) in troubles(ring) {
            let rows = wrapped(&plain(&text), columns, INDENT).into_iter();
            lines.extend(rows.map(|row| format!("{:INDENT$}{}", "", output.paint(colour, &row))));
        }
    }
    lines
}

fn cells(ring: &Watched, is_narrow: bool) -> Vec<Cell> {
    let Some(look) = ring.seen() else {
        let state = ring.entry.state().replace('_', " ");
        return vec![(format!("({state})"), None)];
    };
    let unit = if look.shape().1 == "bytes" { "B" } else { "" };
    let motion = &ring.motion;
    let moved = [motion.in_per_second, motion.out_per_second];
    let slept = [motion.parks_per_second, motion.wakes_per_second];
    let mut cells = vec![fill(look, is_narrow)];
    cells.extend(moved.map(|rate| (short(rate, unit), None)));
    if !is_narrow {
        cells.extend(slept.map(|rate| (short(rate, ""), None)));
    }
    cells.extend(
        look.peers()
            .map(|peer| (peer.life(), peer.has_died().then_some(Colour::Red))),
    );
    cells
}

fn fill(look: &Look, is_narrow: bool) -> Cell {
    let percent = look.percent();
    let colour = match percent {
        _ if look.corrupt.is_some() => Colour::Red,
        0..50 => Colour::Green,
        50..FULL => Colour::Yellow,
        _ => Colour::Red,
    };
    let full = (percent * BAR).div_ceil(100) as usize;
    let word = match (look.corrupt, is_narrow) {
        (Some(_), true) => "bad!".to_owned(),
        (Some(_), false) => "corrupt".to_owned(),
        (None, true) => format!("{percent:3}%"),
        (None, false) => {
            let bar = "#".repeat(full) + &".".repeat(BAR as usize - full);
            format!("{bar} {percent:3}%")
        }
    };
    (word, Some(colour))
}

/// What is under a ring.
fn troubles(Watched { entry, motion }: &Watched) -> Vec<(String, Colour)> {
    let look = entry.ring.as_ref().ok();
    let quiet = look.and_then(|look| quiet(look, motion.idle[0]));
    let quiet = quiet.map(|quiet| (quiet, Colour::Yellow)).into_iter();
    let red = wrong(entry, Some(motion)).into_iter();
    quiet.chain(red.map(|wrong| (wrong, Colour::Red))).collect()
}

/// A producer that pushes nothing though it could.
fn quiet(look: &Look, idle: Duration) -> Option<String> {
    let (peer, seconds) = (look.peer(Role::Producer), idle.as_secs());
    let is_quiet = idle >= QUIET && look.percent() < FULL;
    let quiet = || {
        format!(
            "the producer ({}) has pushed nothing for {seconds} s",
            peer.named()
        )
    };
    is_quiet.then(|| quiet() + &peer.running().words())
}

/// In five columns, and those of the unit.
fn short(rate: f64, unit: &str) -> String {
    let (value, prefix) = match rate {
        ..999.5 => (rate, ""),
        ..999.5e3 => (rate / 1e3, "k"),
        ..999.5e6 => (rate / 1e6, "M"),
        _ => (rate / 1e9, "G"),
    };
    let is_whole = value == 0.0 || value >= 99.95 || (prefix.is_empty() && value >= 9.95);
    let digits = usize::from(!is_whole);
    format!("{value:.digits$}{prefix}{unit}")
}
