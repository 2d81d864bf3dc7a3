//! `quoit record`: a ring to a file.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use clap::Args;
use quoit::{FrameConsumer, Ring};

use crate::interrupt::Interrupt;
use crate::output::Output;
use crate::progress::Progress;
use crate::recording;
use crate::ring::{self, RingArguments};
use crate::stop::Stop;

/// Takes frames out of a ring and records them with their times
///
/// It ends when the producer has left, or by Ctrl-C. It is the ring's consumer, as
/// `quoit recv`: it takes the frames out. A frame stays in the ring until it is in
/// the file, which must not exist yet. However it ends, unless by kill -9, the file
/// is a whole recording of what was taken.
#[derive(Args)]
pub(crate) struct Record {
    #[command(flatten)]
    ring: RingArguments,

    /// The file to write
    file: PathBuf,
}

/// A recording, as far as it is whole.
struct Recorder {
    file: File,
    bytes: u64,
    frames: u64,
}

impl Record {
    pub(crate) fn run(&self, output: &Output) -> Result<(), Stop> {
        let interrupt = Interrupt::listen()?;
        let doing = || format!("write {}", self.file.display());
        // Before the ring, which would meet a consumer for nothing.
        let file = File::create_new(&self.file).map_err(Stop::io(doing()))?;
        let begun = self.begin(file);
        let (ring, mut consumer, mut recorder) = begun.inspect_err(|_| {
            // Nothing is in it.
            let _ = fs::remove_file(&self.file);
        })?;
        self.ring.tell_who_waits(&consumer, output);
        let wait = self.ring.receivers_wait(&consumer);
        let mut progress = Progress::new("recorded", false, output);
        let start = Instant::now();
        let drained = ring::drain(
            &mut consumer,
            |bytes, frame| {
                let time = start.elapsed().as_nanos() as u64;
                recording::frame(bytes, time, frame);
            },
            |bytes, frames| recorder.add(bytes, frames).map_err(Stop::io(doing())),
            wait,
            &interrupt,
            &mut progress,
        );
        let finished = recorder.finish().map_err(Stop::io(doing()));
        let drained = drained
            .and(finished)
            .and_then(|()| self.ring.had_a_goodbye(&consumer));
        drop(consumer);
        self.ring.leave(&ring, drained, progress, output)
    }

    fn begin(&self, mut file: File) -> Result<(Ring<[u8]>, FrameConsumer, Recorder), Stop> {
        let (ring, consumer) = self.ring.consumer()?;
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
        let began = since_1970.unwrap_or_default().as_nanos() as u64;
        let header = recording::header(consumer.capacity(), began);
        let written = file.write_all(&[&header[..], &recording::open_end()].concat());
        written.map_err(Stop::io(format!("write {}", self.file.display())))?;
        let bytes = header.len() as u64;
        let recorder = Recorder {
            file,
            bytes,
            frames: 0,
        };
        Ok((ring, consumer, recorder))
    }
}

impl Recorder {
    /// The batch is in the file when there is room for the end behind it, too.
    fn add(&mut self, bytes: &mut Vec<u8>, frames: u64) -> io::Result<()> {
        let length = bytes.len() as u64;
        bytes.extend(recording::open_end());
        self.file.write_all_at(bytes, self.bytes)?;
        self.bytes += length;
        self.frames += frames;
        Ok(())
    }

    /// Writes the end where there is room for it, over a batch that was cut.
    fn finish(&mut self) -> io::Result<()> {
        let end = recording::end(self.frames);
        self.file.write_all_at(&end, self.bytes)?;
        self.file.set_len(self.bytes + end.len() as u64)
    }
}
