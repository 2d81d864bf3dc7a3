//! The rings as a table, and under each what is the matter with it.

use std::time::Duration;

use quoit::Role;

use super::watch::{Watch, Watched};
use crate::output::{Colour, Output, cut, plain, wrapped};
use crate::process::Running;
use crate::sight::{Look, Peer};
use crate::wrong::wrong;

/// How long a producer may push nothing until it is told of.
const QUIET: Duration = Duration::from_secs(2);
/// Columns of what stands under a ring.
const INDENT: usize = 2;

/// What is never less wide than on a terminal of so many columns.
const COLUMNS: u16 = 80;
/// Columns of all but the name; what is cleared after the last would be gone.
const OTHERS: usize = 63;
/// The same without a bar, parks and wakes, which a narrow terminal has no room for.
const FEW: usize = 40;
/// A terminal with fewer columns is narrow.
const NARROW: u16 = 72;
/// Columns of a bar.
const BAR: u64 = 10;
/// Events that have room in any case.
const EVENTS: usize = 3;

impl Watch {
    /// The last look, with what has happened since the one before.
    pub(super) fn text(&self, output: &Output, columns: Option<u16>) -> String {
        let mut lines: Vec<_> = self.news().iter().map(|&event| event.to_owned()).collect();
        let width = self.width(columns);
        lines.push(titles(width, is_narrow(columns)));
        for ring in &self.rings {
            lines.extend(ring.lines(output, width, columns));
        }
        lines.push("\n".to_owned());
        lines.join("\n")
    }

    /// So many rows at most.
    pub(super) fn lines(
        &self,
        output: &Output,
        columns: u16,
        rows: u16,
        interval: Duration,
    ) -> Vec<String> {
        let rows = usize::from(rows);
        let count = self.rings.len();
        let rings = if count == 1 { "ring" } else { "rings" };
        let head = format!("quoit top: {count} {rings}, every {interval:?}; q ends");
        let width = self.width(Some(columns));
        let mut lines = vec![head, String::new(), titles(width, is_narrow(Some(columns)))];
        let room = rows.saturating_sub(lines.len() + 1 + EVENTS.min(self.events.len()));
        let table: Vec<_> = self
            .rings
            .iter()
            .flat_map(|ring| ring.lines(output, width, Some(columns)))
            .collect();
        match table.len().checked_sub(room) {
            None | Some(0) => lines.extend(table),
            Some(more) => {
                let shown = room.saturating_sub(1);
                lines.extend(table.into_iter().take(shown));
                lines.push(format!("and {} lines more than fit", more + 1));
            }
        }
        lines.push(String::new());
        let room = rows.saturating_sub(lines.len());
        for (at, event) in self.events.iter().rev().take(room) {
            lines.push(format!("{:>4}s ago  {event}", at.elapsed().as_secs()));
        }
        lines.truncate(rows);
        lines
    }
}

impl Watch {
    /// Of the names: whole ones, unless there are so many columns only.
    fn width(&self, columns: Option<u16>) -> usize {
        let names = self.rings.iter().map(Watched::name);
        let longest = names.map(|name| name.chars().count()).max();
        let wanted = longest.unwrap_or(0).max(width(COLUMNS));
        columns.map_or(wanted, |columns| wanted.min(width(columns)))
    }
}

fn width(columns: u16) -> usize {
    let others = match is_narrow(Some(columns)) {
        true => FEW,
        false => OTHERS,
    };
    usize::from(columns).saturating_sub(others).max(8)
}

fn is_narrow(columns: Option<u16>) -> bool {
    columns.is_some_and(|columns| columns < NARROW)
}

fn titles(width: usize, is_narrow: bool) -> String {
    let [ring, fill, pushed, popped] = ["ring", "fill", "in/s", "out/s"];
    let [parks, wakes, producer, consumer] = ["parks", "wakes", "producer", "consumer"];
    if is_narrow {
        return format!("{ring:width$} {fill} {pushed:>7} {popped:>7} {producer:>8} {consumer:>8}");
    }
    format!(
        "{ring:width$} {fill:15} {pushed:>7} {popped:>7} {parks:>5} {wakes:>5} {producer:>8} {consumer:>8}"
    )
}

impl Watched {
    fn name(&self) -> String {
        plain(&self.entry.shown())
    }

    fn lines(&self, output: &Output, width: usize, columns: Option<u16>) -> Vec<String> {
        let name = self.name();
        let (mut lines, troubles) = match &self.entry.ring {
            Ok((_, look)) => (
                vec![self.line(look, output, width, is_narrow(columns))],
                wrong(&name, look, Some(&self.motion)),
            ),
            Err(trouble) => {
                let state = trouble.state().replace('_', " ");
                let name = cut(&name, width);
                (
                    vec![format!("{name:width$} ({state})")],
                    vec![trouble.words(&self.entry)],
                )
            }
        };
        let columns = columns.map_or(usize::MAX, usize::from);
        let mut add = |colour, text: &str| {
            let text = wrapped(&plain(text), columns.saturating_sub(1), INDENT);
            let rows = text.split('\n').map(str::trim_start);
            lines.extend(rows.map(|row| format!("{:INDENT$}{}", "", output.paint(colour, row))));
        };
        if let Some(quiet) = self.seen().and_then(|look| self.quiet(look)) {
            add(Colour::Yellow, &quiet);
        }
        for trouble in troubles {
            add(Colour::Red, &trouble);
        }
        lines
    }

    /// Of a producer that pushes nothing though it could.
    fn quiet(&self, look: &Look) -> Option<String> {
        let idle = self.motion.idle[0];
        if idle < QUIET || look.percent() >= 95 {
            return None;
        }
        let peer = look.peer(Role::Producer);
        let does = peer.pid().and_then(Running::of);
        let does = does.map_or_else(String::new, |does| format!("; {}", does.words()));
        let (named, seconds) = (peer.named(), idle.as_secs());
        Some(format!(
            "the producer ({named}) has pushed nothing for {seconds} s{does}"
        ))
    }

    fn line(&self, look: &Look, output: &Output, width: usize, is_narrow: bool) -> String {
        let name = cut(&self.name(), width);
        let fill = match look.corrupt {
            Some(_) if is_narrow => output.paint(Colour::Red, "bad!"),
            Some(_) => output.paint(Colour::Red, &format!("{:15}", "corrupt")),
            None => bar(look.percent(), output, is_narrow),
        };
        let unit = if self.counts_bytes() { "B" } else { "" };
        let rates = self.motion.rates;
        let [pushed, popped] = [rates.pushed, rates.popped].map(|rate| short(rate, unit));
        let [parks, wakes] = [rates.parks, rates.wakes].map(|rate| short(rate, ""));
        let [producer, consumer] =
            [Role::Producer, Role::Consumer].map(|role| end(&look.peer(role), output));
        if is_narrow {
            return format!("{name:width$} {fill} {pushed:>7} {popped:>7} {producer} {consumer}");
        }
        format!(
            "{name:width$} {fill} {pushed:>7} {popped:>7} {parks:>5} {wakes:>5} {producer} {consumer}"
        )
    }
}

fn bar(percent: u64, output: &Output, is_narrow: bool) -> String {
    let bar = (percent * BAR).div_ceil(100) as usize;
    let colour = match percent {
        0..50 => Colour::Green,
        50..95 => Colour::Yellow,
        _ => Colour::Red,
    };
    if is_narrow {
        return output.paint(colour, &format!("{percent:3}%"));
    }
    let full = output.paint(colour, &"#".repeat(bar));
    let empty = ".".repeat(BAR as usize - bar);
    format!("{full}{empty} {percent:3}%")
}

/// In eight columns.
fn end(peer: &Peer, output: &Output) -> String {
    match &*peer.short_life() {
        "died" => output.paint(Colour::Red, "    died"),
        life => format!("{life:>8}"),
    }
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
