//! `quoit top`: live rates of rings.

mod screen;

use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;

use quoit::{Observer, Role};

use self::screen::Screen;
use crate::entry::FULL;
use crate::interrupt::Interrupt;
use crate::manual::block;
use crate::output::{Colour, Output, columns, plain, wrapped};
use crate::report::{Ring, report};
use crate::ring;
use crate::sight::{Look, Peer};
use crate::standard::Standard;
use crate::stop::Stop;
use crate::table::{Cell, Column, On, Table};
use crate::watch::{Watch, Watched};

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

/// How soon after the start a terminal has its first rates.
const FIRST: Duration = Duration::from_millis(200);
/// Between two refreshes at least: each costs the endpoints of a ring a cache miss.
const LEAST: Duration = Duration::from_millis(10);
const MOST: Duration = Duration::from_secs(24 * 3600);

/// Shows live rates, fill, stalls, and processes that attach, close and crash
///
/// On a terminal until you press q; elsewhere one table for each refresh.
#[derive(Args)]
#[command(after_long_help = block("Columns:"))]
pub(crate) struct Top {
    /// The rings: names in /dev/shm, paths with a /, or patterns such as 'feed-*'
    /// [default: all in /dev/shm]
    names: Vec<PathBuf>,

    /// The time between two refreshes, as in 500ms or 2s
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = interval)]
    interval: Duration,

    /// End after this many refreshes, and leave the last one on the terminal
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
}

fn interval(text: &str) -> Result<Duration, String> {
    match ring::duration(text)? {
        short if short < LEAST => Err(format!("at least {LEAST:?}")),
        long if long > MOST => Err("at most 24h".to_owned()),
        interval => Ok(interval),
    }
}

impl Top {
    pub(crate) fn run(&self, output: &Output) -> Result<(), Stop> {
        let interrupt = Interrupt::listen()?;
        let mut watch = Watch::new(&self.names)?;
        watch.must_find_all()?;
        let is_named = |ring: &&Watched| self.names.contains(&ring.entry.name);
        for ring in watch.rings.iter().filter(is_named) {
            // What is asked for by its name can be read, or is refused.
            Observer::open(&ring.entry.name)?;
        }
        let live = self.count.is_none() && !output.json;
        if live && io::stdin().is_terminal() && io::stdout().is_terminal() {
            return self.live(watch, &interrupt, output);
        }
        let mut out = Standard::Output.open(Some(&interrupt))?;
        interrupt.watch(&out)?;
        let mut looks = 0;
        while self.count.is_none_or(|count| looks < count) {
            interrupt.sleep(self.interval)?;
            watch.look()?;
            let rings = watch.rings.iter();
            let text = match output.json {
                true => {
                    let rings = rings.map(|ring| Ring::of(&ring.entry, Some(&ring.motion), None));
                    report(rings, &watch.news())
                }
                false => text(&watch, output, columns()),
            };
            out.write_all(text.as_bytes())?;
            looks += 1;
        }
        Ok(())
    }

    /// On a screen of its own, which is as it was before when this returns.
    fn live(&self, mut watch: Watch, interrupt: &Interrupt, output: &Output) -> Result<(), Stop> {
        let mut screen = Screen::enter(interrupt)?;
        let mut next = Instant::now() + self.interval.min(FIRST);
        loop {
            let mut show = || -> Result<bool, Stop> {
                let continues = screen.wait(next)?;
                if continues {
                    watch.look()?;
                    let size = screen.size()?;
                    screen.draw(&lines(&watch, output, size, self.interval))?;
                }
                Ok(continues)
            };
            match show() {
                Ok(true) => next = Instant::now() + self.interval,
                Ok(false) => return Ok(()),
                Err(Stop::Signal(signal @ (libc::SIGTSTP | libc::SIGCONT))) => {
                    screen.renew(signal == libc::SIGTSTP)?;
                    next = Instant::now();
                }
                Err(stop) => return Err(stop),
            }
        }
    }
}

/// The latest refresh, with what has happened since the one before.
fn text(watch: &Watch, output: &Output, columns: Option<u16>) -> String {
    let news = watch.news().into_iter().map(str::to_owned);
    let lines = news.chain(table(watch, output, columns));
    lines.map(|line| line + "\n").collect::<String>() + "\n"
}

/// In this many rows at most.
fn lines(
    watch: &Watch,
    output: &Output,
    (columns, rows): (u16, u16),
    interval: Duration,
) -> Vec<String> {
    let rows = usize::from(rows);
    let count = watch.rings.len();
    let rings = if count == 1 { "ring" } else { "rings" };
    let head = format!("quoit top: {count} {rings}, every {interval:?}; q quits");
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
    for (at, event) in &watch.events {
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
        let cells = cells(ring);
        lines.push(table.row(&ring.entry.shown(), cells, output));
        for (text, colour) in troubles(ring) {
            let rows = wrapped(&plain(&text), columns, INDENT).into_iter();
            lines.extend(rows.map(|row| format!("{:INDENT$}{}", "", output.paint(colour, &row))));
        }
    }
    lines
}

fn cells(ring: &Watched) -> Vec<Cell> {
    let Some(look) = ring.seen() else {
        let state = format!("({})", ring.entry.state().replace('_', " "));
        return vec![(state, None); 2];
    };
    let unit = if look.unit() == "bytes" { "B" } else { "" };
    let motion = &ring.motion;
    let moved = [motion.in_per_second, motion.out_per_second];
    let slept = [motion.parks_per_second, motion.wakes_per_second];
    let mut cells = fill(look).to_vec();
    cells.extend(moved.map(|rate| (short(rate, unit), None)));
    cells.extend(slept.map(|rate| (short(rate, ""), None)));
    let life = |peer: &Peer| (peer.life(), peer.has_crashed().then_some(Colour::Red));
    cells.extend(look.peers.each_ref().map(life));
    cells
}

/// With room for a bar, and without.
fn fill(look: &Look) -> [Cell; 2] {
    let percent = look.percent();
    let colour = match percent {
        _ if look.corrupt.is_some() => Colour::Red,
        0..50 => Colour::Green,
        50..FULL => Colour::Yellow,
        _ => Colour::Red,
    };
    let full = (percent * BAR).div_ceil(100) as usize;
    let bar = "#".repeat(full) + &".".repeat(BAR as usize - full);
    let words = match look.corrupt {
        Some(_) => ["corrupt".to_owned(), "bad!".to_owned()],
        None => [format!("{bar} {percent:3}%"), format!("{percent:3}%")],
    };
    words.map(|word| (word, Some(colour)))
}

/// What is under a ring.
fn troubles(Watched { entry, motion }: &Watched) -> Vec<(String, Colour)> {
    let look = entry.ring.as_ref().ok();
    let quiet = look.and_then(|look| quiet(look, motion.idle[0]));
    let quiet = quiet.map(|quiet| (quiet, Colour::Yellow)).into_iter();
    let red = entry.wrong(Some(motion)).into_iter();
    quiet.chain(red.map(|wrong| (wrong, Colour::Red))).collect()
}

/// A producer that pushes nothing though it could.
fn quiet(look: &Look, idle: Duration) -> Option<String> {
    let (peer, seconds) = (look.peer(Role::Producer), idle.as_secs());
    let (named, does) = (peer.named(), || peer.running().words());
    let is_quiet = idle >= QUIET && look.percent() < FULL;
    is_quiet.then(|| {
        format!(
            "the producer ({named}) has pushed nothing for {seconds} s{}",
            does()
        )
    })
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
