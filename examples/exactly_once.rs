//! Payments from one process to another, each booked exactly once, though both
//! are killed again and again with `kill -9`.
//!
//! The ring delivers what was published, and what was not released once more.
//! Two rules make that exactly once:
//!
//! - The payer writes a payment and [`Producer::position`] to its log, and then
//!   pushes it. After a crash, what its log has at a position that the ring has
//!   not passed was never published, and is pushed again.
//! - The booker writes a payment and [`Consumer::position`] to its ledger, in
//!   one write, and then releases it. After a crash, what comes again at a
//!   position that its ledger has was booked before, and is released unread.

#[path = "common/interrupt.rs"]
mod interrupt;
#[macro_use]
#[path = "common/say.rs"]
mod say;

use std::env;
use std::error::Error;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{self, Child, Command, ExitCode};
use std::thread;
use std::time::Duration;

use clap::{Parser, Subcommand};
use quoit::zerocopy::{FromBytes, Immutable, IntoBytes};
use quoit::{Consumer, PopError, Producer, PushError, RingOptions};

/// Books payments exactly once while payer and booker are killed by turns
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true, disable_help_subcommand = true)]
struct Options {
    /// How many payments to make
    #[arg(long, default_value_t = 50_000)]
    payments: u64,
    /// How often to kill one of the two processes
    #[arg(long, default_value_t = 50)]
    kills: u64,
    #[command(subcommand)]
    part: Option<Part>,
}

/// What this program does when it starts itself.
#[derive(Subcommand)]
#[command(hide = true)]
enum Part {
    Pay { directory: PathBuf, payments: u64 },
    Book { directory: PathBuf, payments: u64 },
}

/// A payment on its way.
#[derive(Clone, Copy, PartialEq, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct Payment {
    number: u64,
    amount: u64,
}

impl Payment {
    fn new(number: u64) -> Self {
        // Any number that looks like an amount, and can be checked.
        let amount = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 44;
        Self { number, amount }
    }
}

/// A line of the log or the ledger: a payment, and where it is in the ring.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct Entry {
    position: u64,
    payment: Payment,
}

/// A file of entries that outlives its process.
struct Journal(File);

impl Journal {
    /// The entries so far, and the file for more. Half an entry, whose writer was
    /// killed at a page's end, goes: it was never acted upon.
    fn open(path: &Path) -> io::Result<(Vec<Entry>, Self)> {
        let file = OpenOptions::new().append(true).create(true).open(path)?;
        let entries = entries(path)?;
        file.set_len(size_of_val(&*entries) as u64)?;
        Ok((entries, Self(file)))
    }

    fn write(&mut self, position: u64, payment: Payment) -> io::Result<()> {
        self.0.write_all(Entry { position, payment }.as_bytes())
    }
}

fn entries(path: &Path) -> io::Result<Vec<Entry>> {
    let bytes = fs::read(path)?;
    let entries = bytes.chunks_exact(size_of::<Entry>());
    Ok(entries
        .map(|bytes| Entry::read_from_bytes(bytes).expect("as long as an entry"))
        .collect())
}

fn main() -> ExitCode {
    let options = Options::parse();
    let done = match options.part {
        None => run(options.payments, options.kills),
        Some(Part::Pay {
            directory,
            payments,
        }) => pay(&directory, payments),
        Some(Part::Book {
            directory,
            payments,
        }) => book(&directory, payments),
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

/// Logs each payment and pushes it, from where a killed predecessor stopped.
fn pay(directory: &Path, payments: u64) -> Result<(), Box<dyn Error>> {
    let (log, mut journal) = Journal::open(&directory.join("log"))?;
    let mut producer = Producer::<Payment>::open(directory.join("ring"))?;
    let unpublished = log
        .iter()
        .filter(|entry| entry.position >= producer.position());
    // One at most, the last: each is pushed before the next is logged.
    for entry in unpublished.copied().collect::<Vec<_>>() {
        push(&mut producer, entry.payment)?;
    }
    for number in log.len() as u64..payments {
        let payment = Payment::new(number);
        journal.write(producer.position(), payment)?;
        push(&mut producer, payment)?;
    }
    Ok(())
}

const MOMENT: Duration = Duration::from_millis(100);

/// Waits for a successor while there is no booker.
fn push(producer: &mut Producer<Payment>, payment: Payment) -> Result<(), PushError<Payment>> {
    loop {
        match producer.push(payment) {
            // Looked again: one may have come, made room, and gone.
            Err(PushError::Abandoned(_)) => _ = producer.wait_for_peer_timeout(MOMENT),
            other => return other,
        }
    }
}

/// Books each payment and releases it, from where a killed predecessor stopped.
fn book(directory: &Path, payments: u64) -> Result<(), Box<dyn Error>> {
    let (ledger, mut journal) = Journal::open(&directory.join("ledger"))?;
    let mut consumer = Consumer::<Payment>::open(directory.join("ring"))?;
    let mut booked = ledger.len() as u64;
    let next = ledger.last().map_or(0, |entry| entry.position + 1);
    while consumer.position() < next {
        consumer.pop()?; // booked, and not released
    }
    while booked < payments {
        let position = consumer.position();
        match consumer.peek() {
            Ok(payment) => {
                journal.write(position, payment.read())?;
                payment.release();
                booked += 1;
            }
            // There will be another payer.
            Err(PopError::Abandoned) => consumer.wait_for_peer()?,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// A process that is killed with this one.
struct Party {
    part: &'static str,
    child: Child,
}

impl Party {
    fn start(part: &'static str, directory: &Path, payments: u64) -> io::Result<Self> {
        let mut command = Command::new(env::current_exe()?);
        command.arg(part).arg(directory).arg(payments.to_string());
        let child = command.spawn()?;
        Ok(Self { part, child })
    }

    fn kill(&mut self) -> io::Result<()> {
        self.child.kill()?;
        self.child.wait().map(drop)
    }
}

impl Drop for Party {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

fn run(payments: u64, kills: u64) -> Result<(), Box<dyn Error>> {
    interrupt::listen()?;
    // The ring is in here too, and goes with it.
    let prefix = format!("quoit-exactly-once-{}-", process::id());
    let directory = tempfile::Builder::new()
        .prefix(&prefix)
        .tempdir_in("/dev/shm")?;
    let directory = directory.path();
    RingOptions::new(64).create::<Payment>(directory.join("ring"))?;
    let ledger = directory.join("ledger");
    File::create(&ledger)?;

    let start = |part| Party::start(part, directory, payments);
    let mut parties = [start("pay")?, start("book")?];
    for kill in 0..kills {
        let booked = payments * (kill + 1) / (kills + 1);
        wait_for(&mut parties, &ledger, booked)?;
        let party = &mut parties[(kill % 2) as usize];
        party.kill()?;
        *party = start(party.part)?;
    }
    wait_for(&mut parties, &ledger, payments)?;

    let sent = entries(&directory.join("log"))?;
    let booked = entries(&ledger)?;
    for (number, entry) in (0..).zip(&booked) {
        let wanted = Payment::new(number);
        if entry.payment != wanted {
            let found = entry.payment.number;
            return Err(format!("payment {number} was booked as number {found}").into());
        }
    }
    if sent.len() != booked.len() || booked.len() as u64 != payments {
        return Err(format!("{} payments, {} booked", sent.len(), booked.len()).into());
    }
    say!("{payments} payments, {kills} kills: each booked exactly once");
    Ok(())
}

/// Waits until so many payments are booked.
fn wait_for(parties: &mut [Party], ledger: &Path, payments: u64) -> Result<(), Box<dyn Error>> {
    while fs::metadata(ledger)?.len() < payments * size_of::<Entry>() as u64 {
        if interrupt::asked() {
            return Err("interrupted".into());
        }
        for Party { part, child } in &mut *parties {
            let failed = child.try_wait()?.filter(|status| !status.success());
            if let Some(status) = failed {
                return Err(format!("{part} ended with {status}").into());
            }
        }
        thread::sleep(Duration::from_micros(100));
    }
    Ok(())
}
