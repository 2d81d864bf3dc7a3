//! A journal in a file: its writers are killed with `kill -9`, the next one goes
//! on where the last one stopped, and in the end another process drains it.
//!
//! By hand, with a machine that may fail as well: start `write`, wait, pull the
//! plug, and `drain` has at least what `write` said was on the disk.

#[path = "common/interrupt.rs"]
mod interrupt;
#[macro_use]
#[path = "common/say.rs"]
mod say;

use std::env;
use std::error::Error;
use std::io::{BufRead, BufReader, Lines};
use std::path::{Path, PathBuf};
use std::process::{self, Child, ChildStdout, Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::{Parser, Subcommand};
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

/// A record: its number is its place in the ring, and the checksum tells whether
/// a machine that failed has written all of it.
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
        Self {
            number,
            nanoseconds,
            checksum: mixed ^ mixed >> 32,
        }
    }

    fn now(number: u64) -> Result<Self, Box<dyn Error>> {
        let time = SystemTime::now().duration_since(UNIX_EPOCH)?;
        Ok(Self::new(number, time.as_nanos() as u64))
    }
}

fn main() -> ExitCode {
    let options = Options::parse();
    let done = match options.part {
        None => run(options.writers, options.records),
        Some(Part::Write { file }) => write(&file),
        Some(Part::Drain { file }) => drain(&file),
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

fn write(file: &Path) -> Result<(), Box<dyn Error>> {
    let mut producer = Producer::<Record>::open_or_create(file, ROOM)?;
    loop {
        let record = Record::now(producer.position())?;
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

fn drain(file: &Path) -> Result<(), Box<dyn Error>> {
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

fn run(writers: u64, records: u64) -> Result<(), Box<dyn Error>> {
    interrupt::listen()?;
    let prefix = format!("quoit-journal-{}-", process::id());
    let directory = tempfile::Builder::new().prefix(&prefix).tempdir()?;
    let file = directory.path().join("journal");
    let mut safe = 0;
    for _ in 0..writers {
        let goal = safe + records;
        let mut writer = Party::start("write", &file)?;
        while safe < goal {
            safe = writer.says_a_number()?;
        }
        thread::sleep(Duration::from_micros(500));
        writer.child.kill()?; // kill -9, in the middle of something
        say!("{safe} records are on the disk, and their writer is killed");
    }
    let drained = Party::start("drain", &file)?.says_a_number()?;
    if drained < safe {
        return Err(format!("{safe} records were safe, and {drained} are left").into());
    }
    say!("{drained} records drained");
    say!("{writers} writers killed, no record lost or torn");
    Ok(())
}

/// A process that is killed with this one, and what it says.
struct Party {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Party {
    fn start(part: &str, file: &Path) -> Result<Self, Box<dyn Error>> {
        let mut command = Command::new(env::current_exe()?);
        command.arg(part).arg(file).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let output = child.stdout.take().ok_or("no pipe from the child")?;
        let lines = BufReader::new(output).lines();
        Ok(Self { child, lines })
    }

    /// The number in its next line.
    fn says_a_number(&mut self) -> Result<u64, Box<dyn Error>> {
        if interrupt::asked() {
            return Err("interrupted".into());
        }
        let line = self.lines.next().ok_or("a process ended early")??;
        let number = line.split(' ').find_map(|word| word.parse().ok());
        number.ok_or_else(|| line.into())
    }
}

impl Drop for Party {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
