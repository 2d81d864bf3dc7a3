//! One loop, three feeds, each from a separate process. One of them is killed with SIGKILL in the
//! middle, and restarted: `Select` reports the crash and the restart, and no tick is lost.

#[path = "common/interrupt.rs"]
mod interrupt;
#[macro_use]
#[path = "common/say.rs"]
mod say;

use std::env;
use std::error::Error;
use std::io;
use std::process::{self, Child, Command, ExitCode};
use std::time::Duration;

use clap::{Parser, Subcommand};
use quoit::zerocopy::{FromBytes, Immutable, IntoBytes};
use quoit::{Consumer, Interest, Producer, RingOptions, Select, SelectError, Selectable, Selected};

/// Reads three feeds in one loop while one of them is killed and started again
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true, disable_help_subcommand = true)]
struct Options {
    /// How many ticks each feed sends
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(4 * CAPACITY..))]
    ticks: u64,
    #[command(subcommand)]
    part: Option<Part>,
}

/// The parts of this program that it starts as processes.
#[derive(Subcommand)]
#[command(hide = true)]
enum Part {
    Send { name: String, ticks: u64 },
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct Tick {
    number: u64,
    price: u64,
}

/// How many ticks a sender is ahead at most.
const CAPACITY: u64 = 1024;

fn main() -> ExitCode {
    let options = Options::parse();
    let done = match &options.part {
        None => read(options.ticks),
        Some(Part::Send { name, ticks }) => send(name, *ticks),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) if interrupt::asked() => {
            complain!("interrupted");
            interrupt::die()
        }
        Err(error) => {
            complain!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Sends ticks, from where the killed process stopped.
fn send(name: &str, ticks: u64) -> Result<(), Box<dyn Error>> {
    let mut producer = Producer::<Tick>::open(name)?;
    for number in producer.position()..ticks {
        let price = price(number);
        producer.push(Tick { number, price })?;
    }
    Ok(())
}

/// A price that can be checked.
fn price(number: u64) -> u64 {
    number.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// A ring, and the process that fills it.
struct Feed {
    venue: &'static str,
    name: String,
    ticks: Consumer<Tick>,
    /// The number of the next tick.
    next: u64,
    sender: Child,
}

/// `Select` waits for the ticks of a feed.
impl Selectable for Feed {
    fn interest(&mut self) -> Interest<'_> {
        self.ticks.interest()
    }
}

impl Feed {
    fn new(venue: &'static str, ticks: u64) -> Result<Self, Box<dyn Error>> {
        let name = format!("quoit-three-feeds-{}-{venue}", process::id());
        let options = RingOptions::new(CAPACITY).unlink_on_drop(true);
        let consumer = options.create::<Tick>(&name)?.consumer()?;
        let sender = start(&name, ticks)?;
        Ok(Self {
            venue,
            name,
            ticks: consumer,
            next: 0,
            sender,
        })
    }

    /// Reads and checks what is there.
    fn read(&mut self) -> Result<(), Box<dyn Error>> {
        for tick in self.ticks.try_iter() {
            if tick.number != self.next || tick.price != price(tick.number) {
                let Self { venue, next, .. } = self;
                return Err(format!("{venue}: tick {next} is number {}", tick.number).into());
            }
            self.next += 1;
        }
        Ok(())
    }

    /// `kill -9`, and waits for the process to end.
    fn kill(&mut self) -> io::Result<()> {
        self.sender.kill()?;
        self.sender.wait().map(drop)
    }

    /// A sender that ends before it has attached is never reported as `Gone`.
    fn check_sender(&mut self) -> Result<(), Box<dyn Error>> {
        match self.sender.try_wait()? {
            Some(status) if !status.success() => {
                Err(format!("{}: the sender has ended: {status}", self.venue).into())
            }
            _ => Ok(()),
        }
    }
}

/// A sender ends with this process.
impl Drop for Feed {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

fn start(name: &str, ticks: u64) -> io::Result<Child> {
    let mut command = Command::new(env::current_exe()?);
    command.args(["send", name, &ticks.to_string()]).spawn()
}

/// The loop: whichever feed is ready is read, and the feeds take turns.
fn read(ticks: u64) -> Result<(), Box<dyn Error>> {
    const VICTIM: usize = 1;
    interrupt::listen()?;
    let mut feeds = Vec::new();
    for venue in ["north", "south", "west"] {
        feeds.push(Feed::new(venue, ticks)?);
    }
    let (mut kills, mut gone, mut back) = (0, 0, 0);
    let mut select = Select::new();
    while feeds.iter().any(|feed| feed.next < ticks) {
        if interrupt::asked() {
            return Err("interrupted".into());
        }
        match select.wait(&mut feeds, Duration::from_millis(200)) {
            Ok(Selected::Ready(index)) => {
                feeds[index].read()?;
                // It is not done yet: it is at most a ring ahead.
                if index == VICTIM && kills == 0 && feeds[index].next >= ticks / 2 {
                    say!("{} is killed", feeds[index].venue);
                    feeds[index].kill()?;
                    kills += 1;
                }
            }
            // It has sent all that it had.
            Ok(Selected::Gone(index)) if feeds[index].next == ticks => {}
            Ok(Selected::Gone(index)) => {
                let feed = &mut feeds[index];
                say!("{} is gone, all {} ticks are read", feed.venue, feed.next);
                gone += 1;
                feed.sender = start(&feed.name, ticks)?;
            }
            Ok(Selected::Back(index)) => {
                say!("{} is back", feeds[index].venue);
                back += 1;
            }
            Err(SelectError::TimedOut) => {
                feeds.iter_mut().try_for_each(Feed::check_sender)?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    say!("3 feeds of {ticks} ticks, {kills} killed, {gone} gone and {back} back, none lost");
    Ok(())
}
