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
use crate::stop::Stop;

/// Sends what `quoit record` has recorded to a ring, at its times
///
/// A new ring is as the one that was recorded: capacity, schema, and size of records. All
/// of the file is read before the first message is sent. One that is broken or cut off is
/// replayed to the last whole chunk, and then the exit code is 6. MCAP files of other
/// programs go into frames, topic by topic.
#[derive(Args)]
pub(crate) struct Replay {
    #[command(flatten)]
    ring: RingArguments,

    /// The file to read
    file: PathBuf,

    /// So many times as fast as it was recorded, or `max`
    #[arg(long, default_value = "1", value_parser = speed)]
    speed: Speed,

    /// Begin so long after its first message, as in 90s or 5m
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    from: Option<Duration>,

    /// The topic to replay [default: that of the first message]
    #[arg(long)]
    topic: Option<String>,
}

#[derive(Clone, Copy)]
enum Speed {
    Times(f64),
    Max,
}

fn speed(text: &str) -> Result<Speed, String> {
    match text.parse() {
        _ if text == "max" => Ok(Speed::Max),
        Ok(times) if f64::is_normal(times) && times > 0.0 => Ok(Speed::Times(times)),
        _ => Err("a number above 0, or max".to_owned()),
    }
}

impl Speed {
    /// When a message is due after the start.
    fn due(self, time: u64) -> Duration {
        match self {
            Self::Times(times) => Duration::from_nanos((time as f64 / times) as u64),
            Self::Max => Duration::ZERO,
        }
    }
}

impl Replay {
    pub(crate) fn run(&self, output: &Output) -> Result<(), Stop> {
        let interrupt = Interrupt::listen()?;
        let doing = || format!("read {}", self.file.display());
        // It is read twice; and opening a pipe would wait for its writer.
        let about = fs::metadata(&self.file).map_err(Stop::io(doing()))?;
        if !about.is_file() {
            let why = "it is not a regular file".to_owned();
            return Err(Stop::Recording(why));
        }
        let mut file = File::open(&self.file).map_err(Stop::io(doing()))?;
        let again = file.try_clone().map_err(Stop::io(doing()))?;
        let topic = self.topic.as_deref();
        let reader = |file| Reader::new(file, topic).map_err(Stop::io(doing()));
        let contents = reader(again)?.contents(|| interrupt.check())?;
        file.rewind().map_err(Stop::io(doing()))?;

        let (ring, mut sink) = self.ring.producer(contents.kind)?;
        let max = sink.longest();
        if contents.longest > max {
            return Err(ClaimError::TooLong { max }.into());
        }
        let wait = self.ring.senders_wait(&sink);
        let mut progress = Progress::new("replayed", false, output);
        let mut messages = reader(file)?;
        let from = self.from.unwrap_or_default().as_nanos() as u64;
        let began = contents.began.saturating_add(from);
        let start = Instant::now();
        let play = || {
            // What is broken was found before.
            while let Ok(Some(message)) = messages.next() {
                let Some(time) = message.time.checked_sub(began) else {
                    continue;
                };
                if let Some(early) = self.speed.due(time).checked_sub(start.elapsed()) {
                    interrupt.sleep(early)?;
                }
                let message = (message.kind, &message.payload[..]);
                sink.push(message, wait, &interrupt, &mut progress)?;
            }
            contents.broken.map_or(Ok(()), Err)
        };
        let played = play();
        drop(sink);
        self.ring.leave(&ring, played, progress, output)
    }
}
