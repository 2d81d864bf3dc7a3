//! `quoit record`: a ring to a file.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use clap::Args;

use crate::interrupt::Interrupt;
use crate::output::Output;
use crate::progress::Progress;
use crate::recording;
use crate::ring::{self, RingArguments};
use crate::stop::Stop;

/// Records the frames of a ring with their times, until its producer leaves or
/// Ctrl-C
///
/// It is the ring's consumer, as `quoit recv`: it takes the frames out. A frame
/// stays in the ring until it is in the file, which must not exist yet.
#[derive(Args)]
pub(crate) struct Record {
    #[command(flatten)]
    ring: RingArguments,

    /// The file to write
    file: PathBuf,
}

impl Record {
    pub(crate) fn run(&self, output: &Output) -> Result<(), Stop> {
        let interrupt = Interrupt::listen()?;
        let mut consumer = self.ring.consumer()?;
        let created = File::create_new(&self.file);
        let doing = || format!("write {}", self.file.display());
        let mut file = created.map_err(Stop::io(doing()))?;
        let (began, start) = (SystemTime::now(), Instant::now());
        let since_1970 = began.duration_since(UNIX_EPOCH).unwrap_or_default();
        let header = recording::header(consumer.capacity(), since_1970.as_nanos() as u64);
        file.write_all(&header).map_err(Stop::io(doing()))?;
        self.ring.tell_who_waits(&consumer, output);
        let wait = self.ring.receivers_wait(&consumer);
        let mut progress = Progress::new("recorded", false, output);
        let mut frames = 0;
        let drained = ring::drain(
            &mut consumer,
            &mut file,
            |bytes, kind, payload| {
                frames += 1;
                let time = start.elapsed().as_nanos() as u64;
                recording::frame(bytes, time, kind, payload);
            },
            wait,
            &interrupt,
            &mut progress,
        );
        // A signal or a time-out comes between two frames; anything else leaves a broken file.
        if let Ok(()) | Err(Stop::Signal(_) | Stop::TimedOut { .. }) = drained {
            let end = recording::end(frames);
            file.write_all(&end).map_err(Stop::io(doing()))?;
        }
        progress.end(output, drained)
    }
}
