//! `quoit top`: rings as they move.

mod screen;
mod table;

use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;

use quoit::Observer;

use self::screen::Screen;
use crate::interrupt::Interrupt;
use crate::manual::block;
use crate::output::{Output, columns};
use crate::patient::Patient;
use crate::report::Report;
use crate::ring;
use crate::stop::Stop;
use crate::watch::Watch;

/// How soon after the start a terminal has its first rates.
const FIRST: Duration = Duration::from_millis(200);
/// Between two looks at the least: each costs the endpoints of a ring a cache miss.
const LEAST: Duration = Duration::from_millis(10);
const MOST: Duration = Duration::from_secs(24 * 3600);

/// Shows rings as they move: rates, fill, stalls, processes that attach and close
///
/// On a terminal until q is pressed; elsewhere a table at each look.
#[derive(Args)]
#[command(after_long_help = block("Columns:"))]
pub(crate) struct Top {
    /// The rings: names in /dev/shm, paths with a /, or patterns such as 'feed-*'
    /// [default: all in /dev/shm]
    names: Vec<PathBuf>,

    /// The time between two looks, as in 500ms or 2s
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = interval)]
    interval: Duration,

    /// End after this many looks, and leave the latest on the terminal
    #[arg(long, value_name = "LOOKS", value_parser = clap::value_parser!(u64).range(1..))]
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
        for ring in watch.rings.iter().filter(|_| !self.names.is_empty()) {
            // What is asked for by its name can be read, or is refused.
            Observer::open(&ring.entry.name)?;
        }
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
            let rings = watch.rings.iter();
            let text = match output.json {
                true => Report::of(
                    rings.map(|ring| (&ring.entry, Some(&ring.motion), None)),
                    watch.news(),
                ),
                false => table::text(&watch, output, columns()),
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
                    screen.draw(&table::lines(&watch, output, size, self.interval))?;
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
