//! One loop, three feeds, each from a separate process. One of them is killed with SIGKILL in the
//! middle, and restarted: `Select` reports the crash and the restart, and no tick is lost.
//!
//! ```sh
//! cargo run --release --example three_feeds
//! ```

mod common;

use clap::Parser;
use common::message::Message as Tick;
use common::{MOMENT, Process, Result, interrupt, say};
use quoit::{Consumer, Interest, Producer, RingOptions, Select, SelectError, Selectable, Selected};

/// Reads three feeds in one loop while one of them is killed and started again
#[derive(Parser)]
struct Options {
    /// How many ticks each feed sends
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(4 * CAPACITY..))]
    ticks: u64,
}

/// How many ticks a sender is ahead at most.
const CAPACITY: u64 = 1024;

fn main() {
    common::main(|words| match words {
        ["send", ring, ticks] => send(ring, ticks.parse()?),
        _ => read(Options::parse().ticks),
    });
}

/// Sends ticks, from where the killed process stopped.
fn send(ring: &str, ticks: u64) -> Result<()> {
    let mut producer = Producer::<Tick>::open(ring)?;
    for number in producer.position()..ticks {
        producer.push(Tick::numbered(number))?;
    }
    Ok(())
}

/// A ring, and the process that fills it.
struct Feed {
    venue: &'static str,
    ring: String,
    /// Dropped before the endpoint, which then can remove the ring.
    sender: Process,
    ticks: Consumer<Tick>,
}

/// `Select` waits for the ticks of a feed.
impl Selectable for Feed {
    fn interest(&mut self) -> Interest<'_> {
        self.ticks.interest()
    }
}

impl Feed {
    fn new(venue: &'static str, count: u64) -> Result<Self> {
        let [ring] = common::names("three-feeds", [venue]);
        let options = RingOptions::new(CAPACITY).unlink_on_drop(true);
        let ticks = options.create::<Tick>(&ring)?.consumer()?;
        let sender = start(&ring, count)?;
        Ok(Self {
            venue,
            ring,
            ticks,
            sender,
        })
    }

    /// Reads and checks what is there.
    fn read(&mut self) -> Result<()> {
        let next = self.ticks.position();
        let mut ticks = (next..).zip(self.ticks.try_iter());
        ticks.try_for_each(|(number, tick)| tick.check(number))
    }
}

fn start(ring: &str, ticks: u64) -> Result<Process> {
    Process::start(&["send", ring, &ticks.to_string()])
}

/// The loop: whichever feed is ready is read, and the feeds take turns.
fn read(ticks: u64) -> Result<()> {
    const VICTIM: usize = 1;
    let venues = ["north", "south", "west"].into_iter();
    let feeds = venues.map(|venue| Feed::new(venue, ticks));
    let mut feeds = feeds.collect::<Result<Vec<_>>>()?;
    let (mut kills, mut abandoned, mut attached) = (0, 0, 0);
    let mut select = Select::new();
    while feeds.iter().any(|feed| feed.ticks.position() < ticks) {
        let selected = select.wait(&mut feeds, MOMENT);
        interrupt::check()?; // or a sender that Ctrl-C has killed would be restarted
        match selected {
            Ok(Selected::Ready(index)) => {
                let feed = &mut feeds[index];
                feed.read()?;
                // It is not done yet: it is at most a ring ahead.
                if index == VICTIM && kills == 0 && feed.ticks.position() >= ticks / 2 {
                    say!("{} is killed", feed.venue);
                    feed.sender.kill()?;
                    kills += 1;
                }
            }
            // It has sent all that it had.
            Ok(Selected::Abandoned(index)) if feeds[index].ticks.position() == ticks => {}
            Ok(Selected::Abandoned(index)) => {
                let feed = &mut feeds[index];
                let (venue, read) = (feed.venue, feed.ticks.position());
                say!("{venue} has closed or crashed, all {read} ticks are read");
                abandoned += 1;
                feed.sender = start(&feed.ring, ticks)?;
            }
            Ok(Selected::Attached(index)) => {
                say!("{} is back", feeds[index].venue);
                attached += 1;
            }
            // A sender that ends before it has attached is never reported as `Abandoned`.
            Err(SelectError::TimedOut) => {
                for feed in &mut feeds {
                    feed.sender.check()?;
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
    say!(
        "3 feeds of {ticks} ticks, {kills} killed, {abandoned} crash and {attached} restart reported, none lost"
    );
    Ok(())
}
