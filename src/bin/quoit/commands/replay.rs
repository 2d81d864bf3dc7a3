//! `quoit replay`: a file to a ring.

use std::fs::{self, File};
use std::io::{BufReader, Seek};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use quoit::ClaimError;

use crate::interrupt::Interrupt;
use crate::output::Output;
use crate::patient::Patient;
use crate::progress::Progress;
use crate::recording::Reader;
use crate::ring::{self, RingArguments};
use crate::stop::Stop;

/// Sends what `quoit record` has recorded to a ring, at its times
///
/// The whole file is read before the first frame is sent, so that nothing of a
/// broken one is. A new ring has the capacity of the one that was recorded.
#[derive(Args)]
pub(crate) struct Replay {
    #[command(flatten)]
    ring: RingArguments,

    /// The file to read
    file: PathBuf,

    /// So many times as fast as it was recorded, or `max`
    #[arg(long, default_value = "1", value_parser = speed)]
    speed: Speed,
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
    /// When a frame is due after the start.
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
        if !fs::metadata(&self.file)
            .map_err(Stop::io(doing()))?
            .is_file()
        {
            let why = "it is not a regular file".to_owned();
            return Err(Stop::Recording(why));
        }
        let mut file = File::open(&self.file).map_err(Stop::io(doing()))?;
        let again = file.try_clone().map_err(Stop::io(doing()))?;
        let reader = |file| Reader::new(BufReader::new(Patient::new(file, &interrupt)));
        let mut check = reader(again)?;
        let mut longest = 0;
        while let Some(frame) = check.next()? {
            longest = longest.max(frame.payload.len());
        }
        file.rewind().map_err(Stop::io(doing()))?;

        let (ring, mut producer) = self.ring.producer(Some(check.capacity()))?;
        let max = producer.max_frame_len();
        if longest > max {
            return Err(ClaimError::TooLong { max }.into());
        }
        let wait = self.ring.senders_wait(&producer);
        let mut progress = Progress::new("replayed", false, output);
        let mut frames = reader(file)?;
        let start = Instant::now();
        let mut play = || {
            while let Some(frame) = frames.next()? {
                let due = self.speed.due(frame.time);
                if let Some(early) = due.checked_sub(start.elapsed()) {
                    interrupt.sleep(early)?;
                }
                let frame = (frame.kind, &frame.payload[..]);
                ring::push(&mut producer, frame, wait, &interrupt, &mut progress)?;
            }
            Ok(())
        };
        let played = play();
        drop(producer);
        self.ring.leave(&ring, played, progress, output)
    }
}
