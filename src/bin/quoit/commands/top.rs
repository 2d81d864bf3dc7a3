//! `quoit top`: rings as they move.

mod moves;
mod screen;
mod table;
mod watch;

use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use crossterm::terminal;
use serde_json::json;

use self::screen::Screen;
use self::watch::Watch;
use crate::interrupt::Interrupt;
use crate::output::Output;
use crate::patient::Patient;
use crate::ring;
use crate::stop::Stop;

/// How soon after the start a terminal has its first rates.
const FIRST: Duration = Duration::from_millis(200);
/// Between two looks at the least: a look costs the ends of a ring a cache miss.
const LEAST: Duration = Duration::from_millis(10);

const MOST: Duration = Duration::from_secs(24 * 3600);

/// Shows rings as they move: rates, fill, stalls, who comes and goes
///
/// On a terminal until q is pressed; elsewhere a table at each look.
#[derive(Args)]
#[command(after_long_help = COLUMNS)]
pub(crate) struct Top {
    /// The rings: names in /dev/shm, or paths with a / [default: all in /dev/shm]
    names: Vec<PathBuf>,

    /// The time between two looks, as in 500ms or 2s
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = interval)]
    interval: Duration,

    /// End after so many looks, and leave the last ones on the terminal
    #[arg(long, value_name = "LOOKS", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
}

// The man page leaves lines alone that are indented.
const COLUMNS: &str = "\
Columns:
  fill         what is published and not released
  in/s, out/s  what came into the ring and went out in a second:
               records, or bytes (B) of frames with their headers;
               k, M and G are powers of ten
  parks        how often in a second an end went to sleep
  wakes        wake-ups in a second that an end sent the other,
               each with a syscall
  producer,    the process that is there; or: left, died,
    consumer   - (never came)

A consumer that is there and takes nothing, while there is something to take at
two looks one after the other, is stalled.";

fn interval(text: &str) -> Result<Duration, String> {
    match ring::duration(text)? {
        short if short < LEAST => Err(format!("at least {LEAST:?}")),
        long if long > MOST => Err("at most 24h".to_owned()),
        interval => Ok(interval),
    }
}

/// Of the terminal, if it is one.
fn columns() -> Option<u16> {
    let size = io::stdout().is_terminal().then(terminal::size);
    size.and_then(Result::ok).map(|(columns, _)| columns)
}

impl Top {
    pub(crate) fn run(&self, output: &Output) -> Result<(), Stop> {
        let interrupt = Interrupt::listen()?;
        let mut watch = Watch::new(&self.names)?;
        let live = self.count.is_none() && !output.json;
        if live && io::stdin().is_terminal() && io::stdout().is_terminal() {
            return self.live(watch, &interrupt, output);
        }
        let mut out = Patient::output(&interrupt)?;
        interrupt.watch(&out)?;
        let mut looks = 0;
        while self.count.is_none_or(|count| looks < count) {
            interrupt.sleep(self.interval)?;
            watch.look()?;
            let text = match output.json {
                true => format!(
                    "{}\n",
                    json!({"rings": watch.json(), "events": watch.news()})
                ),
                false => watch.text(output, columns()),
            };
            output.answer_on(&mut out, text.as_bytes())?;
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
                let goes_on = screen.wait(next)?;
                if goes_on {
                    watch.look()?;
                    let (columns, rows) = screen.size()?;
                    screen.draw(&watch.lines(output, columns, rows, self.interval))?;
                }
                Ok(goes_on)
            };
            match show() {
                Ok(true) => next = Instant::now() + self.interval,
                Ok(false) => return Ok(()),
                Err(Stop::Signal(libc::SIGTSTP)) => {
                    screen.suspend()?;
                    next = Instant::now();
                }
                Err(Stop::Signal(libc::SIGCONT)) => {
                    screen.renew()?;
                    next = Instant::now();
                }
                Err(stop) => return Err(stop),
            }
        }
    }
}
