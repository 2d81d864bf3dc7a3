//! A ring as a pipe: `io::copy` into it in one process and out of it in
//! another, with a checksum on both sides.

#[path = "common/interrupt.rs"]
mod interrupt;
#[macro_use]
#[path = "common/say.rs"]
mod say;
#[path = "common/stream.rs"]
mod stream;

use std::env;
use std::error::Error;
use std::io::{self, Read, Write};
use std::process::{self, Child, Command, ExitCode, Stdio};
use std::time::Duration;

use clap::{Parser, Subcommand};
use quoit::{FrameProducer, RingOptions};
use stream::{Stream, Sum};

/// Copies a stream of bytes from one process to another through a ring
#[derive(Parser)]
struct Options {
    /// How many words of eight bytes to copy
    #[arg(long, default_value_t = 1 << 27)]
    words: u64,
    #[command(subcommand)]
    part: Option<Part>,
}

/// What this program does when it starts itself.
#[derive(Subcommand)]
#[command(hide = true)]
enum Part {
    Write { name: String },
}

fn main() -> ExitCode {
    let options = Options::parse();
    let bytes = options.words * 8;
    let done = match options.part {
        None => read(bytes),
        Some(Part::Write { name }) => write(&name, bytes),
    };
    match done {
        Ok(line) => {
            say!("{line}");
            ExitCode::SUCCESS
        }
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

/// The writing process: its checksum.
fn write(name: &str, bytes: u64) -> Result<String, Box<dyn Error>> {
    let mut writer = FrameProducer::open(name)?.into_writer();
    let mut stream = Stream::new(bytes);
    io::copy(&mut stream, &mut writer)?;
    Ok(stream.sum.text())
}

/// The reading process: starts the other one, and compares.
fn read(bytes: u64) -> Result<String, Box<dyn Error>> {
    interrupt::listen()?;
    let name = format!("quoit-pipe-{}", process::id());
    let options = RingOptions::new(1 << 20).unlink_on_drop(true);
    let mut reader = options.create::<[u8]>(&name)?.consumer()?.into_reader();
    // Declared after the reader, so that it is gone when the reader removes the name.
    let mut writer = Writer::start(&name, bytes)?;

    reader.set_timeout(Some(Duration::from_secs(10))); // in case no writer attaches
    let mut sum = Sum::default();
    io::copy(&mut reader, &mut Interruptible(&mut sum))?; // until the writer has closed

    let (found, sent) = (sum.text(), writer.says()?);
    if found != sent {
        return Err(format!("{found} were read, {sent} were sent").into());
    }
    Ok(format!("{found} on both sides"))
}

/// A sink that is closed by Ctrl-C.
struct Interruptible<W>(W);

impl<W: Write> Write for Interruptible<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if interrupt::asked() {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// The other process, which ends with this one.
struct Writer(Child);

impl Writer {
    fn start(name: &str, bytes: u64) -> io::Result<Self> {
        let words = (bytes / 8).to_string();
        let mut command = Command::new(env::current_exe()?);
        command.args(["--words", &words, "write", name]);
        Ok(Self(command.stdout(Stdio::piped()).spawn()?))
    }

    /// The line that it prints in the end.
    fn says(&mut self) -> Result<String, Box<dyn Error>> {
        let mut text = String::new();
        if let Some(output) = &mut self.0.stdout {
            output.read_to_string(&mut text)?;
        }
        match self.0.wait()? {
            status if status.success() => Ok(text.trim_end().to_owned()),
            status => Err(format!("the writer ended with {status}").into()),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
