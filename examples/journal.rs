//! A journal in a file: its writers are killed with `kill -9`, the next one continues where the
//! last one stopped, and then another process drains it.
//!
//! To test a power failure: start `write`, wait, pull the plug, and `drain` finds at least the
//! records that `write` reported as on the disk.
//!
//! ```sh
//! cargo run --release --example journal
//! cargo run --release --example journal -- write FILE
//! cargo run --release --example journal -- drain FILE
//! ```

mod common;

use std::env;
use std::path::{Path, PathBuf, absolute};
use std::thread;
use std::time::Duration;

use clap::{Parser, Subcommand};
use common::message::Message;
use common::numbers::range;
use common::{Process, Result, interrupt, say};
use quoit::{Consumer, Producer};

/// Writes a journal into a file, kills the writers, and drains it
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true, disable_help_subcommand = true)]
struct Options {
    /// How many writers to kill
    #[arg(long, default_value_t = 3)]
    writers: u32,
    /// How many records each of them has on the disk before it is killed
    #[arg(long, default_value_t = 10_000)]
    records: u32,
    #[command(subcommand)]
    part: Option<Part>,
}

#[derive(Subcommand)]
enum Part {
    /// Adds records to a journal until it is full or this process is killed
    Write { file: PathBuf },
    /// Takes all records out of a journal, and checks them
    Drain { file: PathBuf },
}

/// Records that a journal has room for: four megabytes. The number of each is its position in the
/// ring, and its checksum shows whether a machine that failed has written all of it.
const ROOM: u64 = 1 << 17;
/// Records from one flush to the next. The disk can lose no more.
const FLUSH: u64 = 1000;

fn main() {
    common::main(|_| {
        let options = Options::parse();
        match options.part {
            None => run(options.writers, options.records),
            // A name without a / would be that of a ring in memory.
            Some(Part::Write { file }) => write(&absolute(file)?),
            Some(Part::Drain { file }) => drain(&absolute(file)?),
        }
    });
}

fn write(file: &Path) -> Result<()> {
    let mut producer = Producer::<Message>::open_or_create(file, ROOM)?;
    loop {
        interrupt::check()?;
        let record = Message::numbered(producer.position());
        if producer.try_push(record).is_err() {
            producer.sync_all()?;
            return Err("the journal is full; drain it".into());
        }
        if producer.position() % FLUSH == 0 {
            producer.sync_all()?;
            say!("{} records are on the disk", producer.position());
        }
    }
}

fn drain(file: &Path) -> Result<()> {
    let mut consumer = Consumer::<Message>::open(file)?;
    let first = consumer.position();
    for (number, record) in (first..).zip(consumer.try_iter()) {
        record.check(number)?;
    }
    consumer.sync_all()?; // what was drained does not come again
    let next = consumer.position();
    say!("drained {} records{}", next - first, range(first, next));
    Ok(())
}

fn run(writers: u32, records: u32) -> Result<()> {
    let directory = common::directory("journal", env::temp_dir())?;
    let file = directory.path().join("journal");
    let file = file.to_str().ok_or("the directory has no name in UTF-8")?;
    let mut safe = 0;
    for _ in 0..writers {
        let goal = safe + u64::from(records);
        let mut writer = Process::start_piped(&["write", file])?;
        while safe < goal {
            safe = number_of(&mut writer)?;
        }
        thread::sleep(Duration::from_micros(500));
        writer.kill()?; // in the middle of something
        say!("{safe} records are on the disk, and their writer is killed");
    }
    let drained = number_of(&mut Process::start_piped(&["drain", file])?)?;
    if drained < safe {
        return Err(format!("{safe} records were safe, and {drained} are left").into());
    }
    say!("{drained} records drained");
    say!("{writers} writers killed, no record lost or torn");
    Ok(())
}

/// The number in the next line of a process.
fn number_of(process: &mut Process) -> Result<u64> {
    interrupt::check()?;
    let line = process.line()?;
    let number = line.split(' ').find_map(|word| word.parse().ok());
    number.ok_or_else(|| line.into())
}
