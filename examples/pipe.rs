//! A ring as a pipe: `io::copy` into it in one process and out of it in
//! another, with a checksum on both sides.
//!
//! ```sh
//! cargo run --release --example pipe
//! ```

mod common;

use std::io::{self, Read};

use clap::Parser;
use common::stream::{Stream, Sum};
use common::{MOMENT, Process, Result, say};
use quoit::{FrameProducer, Reader, RingOptions};

/// Copies a stream of bytes from one process to another through a ring
#[derive(Parser)]
struct Options {
    /// How many words of eight bytes to copy
    #[arg(long, default_value_t = 1 << 27)]
    words: u32,
}

fn main() {
    common::main(|words| match words {
        ["write", ring, bytes] => write(ring, bytes.parse()?),
        _ => read(8 * u64::from(Options::parse().words)),
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
    let [ring] = common::names("pipe", ["bytes"]);
    let options = RingOptions::new(1 << 20).unlink_on_drop(true);
    let mut reader = options.create::<[u8]>(&ring)?.consumer()?.into_reader();
    reader.set_timeout(Some(MOMENT));
    // Declared after the reader, so that it is dropped before the reader removes the name.
    let mut writer = Process::start_piped(&["write", &ring, &bytes.to_string()])?;
    let mut sum = Sum::default();
    io::copy(&mut Patient(&mut reader, &mut writer), &mut sum)?; // until the writer has closed
    let (found, sent) = (sum.text(), writer.line()?);
    if found != sent {
        return Err(format!("{found} were read, {sent} were sent").into());
    }
    say!("{found} on both sides");
    Ok(())
}

/// A reader that waits until Ctrl-C, or until its writer has failed.
struct Patient<'a>(&'a mut Reader, &'a mut Process);

impl Read for Patient<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.1.retry(|| self.0.read(bytes));
        read.map_err(io::Error::other)
    }
}
