//! `quoit replay`: a file to a ring.

use std::fs::{self, File};
use std::io::Seek;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use quoit::ClaimError;

use crate::interrupt::Interrupt;
use crate::output::Output;
use crate::progress::Progress;
use crate::recording::Reader;
use crate::ring::{RingArguments, duration};
use crate::stop::{Code, Stop};

/// Sends what `quoit record` has recorded to a ring, at its times
///
/// A new ring is as the one that was recorded: capacity, schema, and size of records. All
/// of the file is read before the first message is sent. One that is broken or cut off is
/// replayed to the last whole chunk, and then the exit code is 6. MCAP files of other
/// programs become frames, topic by topic.
#[derive(Args)]
pub(crate) struct Replay {
    #[command(flatten)]
    ring: RingArguments,

    /// The file to read
    file: PathBuf,

    /// How many times as fast as it was recorded, or `max`
    #[arg(long, default_value = "1", value_parser = speed)]
    speed: f64,

    /// Begin this long after its first message, as in 90s or 5m
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    from: Option<Duration>,

    /// The topic to replay [default: that of the first message]
    #[arg(long)]
    topic: Option<String>,
}

/// Infinite is `max`.
fn speed(text: &str) -> Result<f64, String> {
    match text.parse() {
        _ if text == "max" => Ok(f64::INFINITY),
        Ok(times) if f64::is_normal(times) && times > 0.0 => Ok(times),
        _ => Err("a number above 0, or max".to_owned()),
    }
}

impl Replay {
    pub(crate) fn run(&self, output: &Output) -> Result<(), Stop> {
        let interrupt = Interrupt::listen()?;
        let doing = || format!("read {}", self.file.display());
        // It is read twice; and opening a pipe would wait for its writer.
        let about = fs::metadata(&self.file).map_err(Stop::io(doing()))?;
        if !about.is_file() {
            return Err(Stop::new(Code::Recording, "it is not a regular file"));
        }
        let mut file = File::open(&self.file).map_err(Stop::io(doing()))?;
        let again = file.try_clone().map_err(Stop::io(doing()))?;
        let topic = self.topic.as_deref();
        let reader = |file| Reader::new(file, topic).map_err(Stop::io(doing()));
        let contents = reader(again)?.contents(|| interrupt.check())?;
        file.rewind().map_err(Stop::io(doing()))?;

        let progress = Progress::new("replayed", false, output);
        let mut messages = reader(file)?;
        let from = self.from.unwrap_or_default().as_nanos() as u64;
        let began = contents.began.saturating_add(from);
        let moving = (&interrupt, progress);
        self.ring.send(contents.kind, moving, output, |sink, wait| {
            let (max, _) = sink.lengths();
            if contents.longest > max {
                return Err(ClaimError::TooLong { max }.into());
            }
            let start = Instant::now();
            // What is broken was found before.
            while let Ok(Some(message)) = messages.next() {
                let Some(time) = message.time.checked_sub(began) else {
                    continue;
                };
                let due = Duration::from_nanos((time as f64 / self.speed) as u64);
                if let Some(early) = due.checked_sub(start.elapsed()) {
                    interrupt.sleep(early)?;
                }
                sink.push(message.kind, &message.payload, wait)?;
            }
            contents.broken.map_or(Ok(()), Err)
        })
    }
}
