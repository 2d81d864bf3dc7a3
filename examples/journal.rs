//! A journal in a file: its writers are killed with `kill -9`, the next one continues where the
//! last one stopped, and then another process drains it.
//!
//! To test a power failure: start `write`, wait, pull the plug, and `drain` finds at least the
//! records that `write` reported as on the disk.

#[macro_use]
mod common;

use std::env;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::{Parser, Subcommand};
use common::process::Process;
use common::{Result, interrupt};
use quoit::zerocopy::{FromBytes, Immutable, IntoBytes};
use quoit::{Consumer, Producer};

/// Writes a journal into a file, kills the writers, and drains it
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true, disable_help_subcommand = true)]
struct Options {
    /// How many writers to kill
    #[arg(long, default_value_t = 3)]
    writers: u64,
    /// How many records each of them has on the disk before it is killed
    #[arg(long, default_value_t = 10_000)]
    records: u64,
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

/// Records that a journal has room for: three megabytes.
const ROOM: u64 = 1 << 17;
/// Records from one flush to the next. The disk can lose no more.
const FLUSH: u64 = 1000;

/// A record: its number is its position in the ring, and the checksum shows whether a machine that
/// failed has written all of it.
#[derive(Clone, Copy, PartialEq, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct Record {
    number: u64,
    nanoseconds: u64,
    checksum: u64,
}

impl Record {
    fn new(number: u64, nanoseconds: u64) -> Self {
        let mixed = (number ^ nanoseconds.rotate_left(32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let checksum = mixed ^ mixed >> 32;
        Self {
            number,
            nanoseconds,
            checksum,
        }
    }
}

fn main() -> ExitCode {
    common::main(|_| {
        let options = Options::parse();
        match options.part {
            None => run(options.writers, options.records),
            Some(Part::Write { file }) => write(&file),
            Some(Part::Drain { file }) => drain(&file),
        }
    })
}

fn write(file: &Path) -> Result<()> {
    let mut producer = Producer::<Record>::open_or_create(file, ROOM)?;
    loop {
        let time = SystemTime::now().duration_since(UNIX_EPOCH)?;
        let record = Record::new(producer.position(), time.as_nanos() as u64);
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
    let mut consumer = Consumer::<Record>::open(file)?;
    let first = consumer.position();
    let mut next = first;
    for record in consumer.try_iter() {
        if record != Record::new(next, record.nanoseconds) {
            return Err(format!("record {next} is not whole").into());
        }
        next += 1;
    }
    consumer.sync_all()?; // what was drained does not come again
    match next - first {
        0 => say!("drained 0 records"),
        count => say!("drained {count} records ({first} to {})", next - 1),
    }
    Ok(())
}

fn run(writers: u64, records: u64) -> Result<()> {
    interrupt::listen()?;
    let place = env::temp_dir();
    let directory = common::directory("journal", &place)?;
    let file = directory.path().join("journal");
    let file = file.to_str().ok_or("the directory has no name in UTF-8")?;
    let mut safe = 0;
    for _ in 0..writers {
        let goal = safe + records;
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
