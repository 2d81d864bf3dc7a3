//! Payments from one process to another, each booked exactly once, though both
//! are killed again and again with `kill -9`.
//!
//! The ring delivers every published message, and delivers again those that were not released.
//! Two rules make that exactly once:
//!
//! - The payer writes a payment and [`Producer::position`] to its log, and then pushes it. After a
//!   crash, an entry at a position that the ring has not reached was never published, and is pushed
//!   again.
//! - The booker writes a payment and [`Consumer::position`] to its ledger, in one write, and then
//!   releases it. After a crash, a message at a position that its ledger has was booked before, and
//!   is released unread.
//!
//! ```sh
//! cargo run --release --example exactly_once
//! ```

mod common;

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::thread;
use std::time::Duration;

use clap::Parser;
use common::message::Message as Payment;
use common::{MOMENT, Process, Result, interrupt, say};
use quoit::zerocopy::{FromBytes, Immutable, IntoBytes};
use quoit::{Consumer, PopError, Producer, PushError, RingOptions};

/// Books payments exactly once while payer and booker are killed by turns
#[derive(Parser)]
struct Options {
    /// How many payments to make
    #[arg(long, default_value_t = 50_000, value_parser = clap::value_parser!(u64).range(..=1 << 32))]
    payments: u64,
    /// How often to kill one of the two processes
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u64).range(..=1 << 20))]
    kills: u64,
}

fn main() {
    common::main(|words| match words {
        ["pay", directory, payments] => pay(Path::new(directory), payments.parse()?),
        ["book", directory, payments] => book(Path::new(directory), payments.parse()?),
        _ => run(&Options::parse()),
    });
}

/// An entry of the log or the ledger: a payment, whose amount follows from its number, and where it
/// is in the ring.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct Entry {
    position: u64,
    payment: Payment,
}

fn entries(path: &Path) -> io::Result<Vec<Entry>> {
    let bytes = fs::read(path)?;
    let entries = bytes.chunks_exact(size_of::<Entry>());
    let entry = |bytes| Entry::read_from_bytes(bytes).expect("as long as an entry");
    Ok(entries.map(entry).collect())
}

/// The entries so far, and the file for more. A partial last entry, whose writer was killed, is
/// cut off: it was never used.
fn continue_from(path: &Path) -> io::Result<(Vec<Entry>, File)> {
    let file = File::options().append(true).create(true).open(path)?;
    let entries = entries(path)?;
    file.set_len(size_of_val(&*entries) as u64)?;
    Ok((entries, file))
}

/// Logs each payment and pushes it, from where the killed process stopped.
fn pay(directory: &Path, payments: u64) -> Result<()> {
    let (log, mut file) = continue_from(&directory.join("log"))?;
    let mut producer = Producer::<Payment>::open(directory.join("ring"))?;
    let start = producer.position();
    // One at most, the last: each is pushed before the next is logged.
    for entry in log.iter().filter(|entry| entry.position >= start) {
        push(&mut producer, entry.payment)?;
    }
    for number in log.len() as u64..payments {
        let (position, payment) = (producer.position(), Payment::numbered(number));
        file.write_all(Entry { position, payment }.as_bytes())?;
        push(&mut producer, payment)?;
    }
    Ok(())
}

/// Waits for a restarted booker while there is none.
fn push(producer: &mut Producer<Payment>, payment: Payment) -> Result<()> {
    loop {
        match producer.push(payment) {
            // Check again: one may have attached, made room, and crashed.
            Err(PushError::Abandoned(_)) => _ = producer.wait_for_peer_timeout(MOMENT),
            other => return Ok(other?),
        }
    }
}

/// Books each payment and releases it, from where the killed process stopped.
fn book(directory: &Path, payments: u64) -> Result<()> {
    let (ledger, mut file) = continue_from(&directory.join("ledger"))?;
    let mut consumer = Consumer::<Payment>::open(directory.join("ring"))?;
    let mut booked = ledger.len() as u64;
    let next = ledger.last().map_or(0, |entry| entry.position + 1);
    while consumer.position() < next {
        consumer.pop()?; // booked, and not released
    }
    while booked < payments {
        let position = consumer.position();
        match consumer.peek() {
            Ok(peek) => {
                let payment = peek.read();
                file.write_all(Entry { position, payment }.as_bytes())?;
                peek.release();
                booked += 1;
            }
            // The payer restarts.
            Err(PopError::Abandoned) => consumer.wait_for_peer()?,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn run(&Options { payments, kills }: &Options) -> Result<()> {
    let directory = common::directory("exactly-once", "/dev/shm")?;
    let directory = directory.path();
    RingOptions::new(64).create::<Payment>(directory.join("ring"))?;
    let ledger = directory.join("ledger");
    File::create(&ledger)?;

    let path = directory.to_str().ok_or("a path in UTF-8")?;
    let start = |part| Process::start(&[part, path, &payments.to_string()]);
    let parts = ["pay", "book"];
    let mut processes = [start(parts[0])?, start(parts[1])?];
    for kill in 0..kills {
        wait_for(&mut processes, &ledger, payments * (kill + 1) / (kills + 1))?;
        let victim = (kill % 2) as usize;
        processes[victim].kill()?;
        processes[victim] = start(parts[victim])?;
    }
    wait_for(&mut processes, &ledger, payments)?;

    let (sent, booked) = (entries(&directory.join("log"))?, entries(&ledger)?);
    for (number, Entry { payment, .. }) in (0..).zip(&booked) {
        payment.check(number)?;
    }
    if sent.len() != booked.len() || booked.len() as u64 != payments {
        return Err(format!("{} payments, {} booked", sent.len(), booked.len()).into());
    }
    say!("{payments} payments, {kills} kills: each booked exactly once");
    Ok(())
}

/// Waits until this many payments are booked.
fn wait_for(processes: &mut [Process], ledger: &Path, payments: u64) -> Result<()> {
    while fs::metadata(ledger)?.len() < payments * size_of::<Entry>() as u64 {
        interrupt::check()?;
        processes.iter_mut().try_for_each(Process::check)?;
        thread::sleep(Duration::from_micros(100));
    }
    Ok(())
}
