//! A ring as a pipe: `io::copy` into it in one process and out of it in
//! another, with a checksum on both sides.
//!
//! ```sh
//! cargo run --release --example pipe
//! ```

mod common;

use std::io::{self, Read};
use std::process;
use std::time::Duration;

use clap::Parser;
use common::stream::{Stream, Sum};
use common::{Process, Result, interrupt, say};
use quoit::{FrameProducer, RingOptions};

/// Copies a stream of bytes from one process to another through a ring
#[derive(Parser)]
struct Options {
    /// How many words of eight bytes to copy
    #[arg(long, default_value_t = 1 << 27)]
    words: u64,
}

fn main() {
    common::main(|words| match words {
        ["write", ring, bytes] => write(ring, bytes.parse()?),
        _ => read(Options::parse().words * 8),
    });
}

/// The writing process: it prints its checksum.
fn write(ring: &str, bytes: u64) -> Result<()> {
    let mut writer = FrameProducer::open(ring)?.into_writer();
    let mut stream = Stream::new(bytes);
    io::copy(&mut stream, &mut writer)?;
    say!("{}", stream.sum.text());
    Ok(())
}

/// The reading process: starts the other one, and compares.
fn read(bytes: u64) -> Result<()> {
    let ring = format!("quoit-pipe-{}", process::id());
    let options = RingOptions::new(1 << 20).unlink_on_drop(true);
    let mut reader = options.create::<[u8]>(&ring)?.consumer()?.into_reader();
    reader.set_timeout(Some(Duration::from_secs(10))); // in case no writer attaches
    // Declared after the reader, so that it is dropped before the reader removes the name.
    let mut writer = Process::start_piped(&["write", &ring, &bytes.to_string()])?;
    let mut sum = Sum::default();
    let copied = io::copy(&mut Interruptible(&mut reader), &mut sum); // until the writer has closed
    writer.check()?; // if it has failed, that is the reason
    copied?;
    let (found, sent) = (sum.text(), writer.line()?);
    if found != sent {
        return Err(format!("{found} were read, {sent} were sent").into());
    }
    say!("{found} on both sides");
    Ok(())
}

/// A source that Ctrl-C closes.
struct Interruptible<R>(R);

impl<R: Read> Read for Interruptible<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match interrupt::asked() {
            true => Err(io::ErrorKind::ConnectionAborted.into()),
            false => self.0.read(bytes),
        }
    }
}
