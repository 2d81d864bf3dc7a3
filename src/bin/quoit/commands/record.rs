//! `quoit record`: a ring to a file.

use std::fs::{self, File};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use clap::Args;
use quoit::Role;
use quoit::observer::ShapeKind;

use crate::ends::{BATCH, Taken, Taker};
use crate::interrupt::Interrupt;
use crate::output::Output;
use crate::progress::Progress;
use crate::recording::Recorder;
use crate::ring::RingArguments;
use crate::sight::Sight;
use crate::stop::Stop;

/// Takes the consumer's role, removes what it reads, and records it to an MCAP file
///
/// It ends when the producer has left, or by Ctrl-C. A message stays in the ring until it
/// is in the file, which must not exist yet. However it ends, unless by kill -9, the file
/// is a whole recording of what was taken; after kill -9, a full disk or a limit of its
/// size it ends with the last whole chunk.
///
/// With --tap it takes no role and removes nothing: it copies what it finds unread, and
/// says how much the consumer had taken before.
#[derive(Args)]
pub(crate) struct Record {
    #[command(flatten)]
    ring: RingArguments,

    /// The file to write
    file: PathBuf,

    /// Copy the messages of a ring that is in use, without a role
    #[arg(long)]
    tap: bool,
}

/// Between two looks of a tap that has found nothing.
const TAP: Duration = Duration::from_millis(1);
/// Messages between two chunks of a tap.
const FEW: usize = 256;

/// Messages on their way to a file.
struct Recording {
    recorder: Recorder,
    doing: String,
    bytes: usize,
    is_sound: bool,
}

impl Recording {
    /// What failed makes the rest of the file unsound.
    fn done<T>(&mut self, done: std::io::Result<T>) -> Result<T, Stop> {
        self.is_sound &= done.is_ok();
        done.map_err(Stop::io(self.doing.clone()))
    }
}

impl Taker for Recording {
    fn take(&mut self, taken: &Taken<'_>) -> Result<bool, Stop> {
        let added = self.recorder.add(taken.position, taken.kind, taken.bytes);
        self.done(added)?;
        self.bytes += taken.bytes.len() + 32;
        Ok(self.bytes < BATCH)
    }

    fn finish(&mut self) -> Result<(), Stop> {
        self.bytes = 0;
        let flushed = self.recorder.flush();
        self.done(flushed)
    }
}

impl Record {
    pub(crate) fn run(&self, output: &Output) -> Result<(), Stop> {
        let interrupt = Interrupt::listen()?;
        // Before the ring, which would meet a consumer for nothing.
        let file = File::create_new(&self.file).map_err(Stop::io(self.doing()))?;
        let recorded = match self.tap {
            true => self.tap(file, &interrupt, output),
            false => self.take(file, &interrupt, output),
        };
        recorded.inspect_err(|_| {
            // Nothing is in it.
            if fs::metadata(&self.file).is_ok_and(|file| file.len() == 0) {
                let _ = fs::remove_file(&self.file);
            }
        })
    }

    fn doing(&self) -> String {
        format!("write {}", self.file.display())
    }

    fn begin(&self, file: File, sight: &Sight) -> Result<Recording, Stop> {
        let again = file.try_clone().map_err(Stop::io(self.doing()))?;
        let (name, info) = (sight.observer.name(), sight.observer.info());
        let recorder = Recorder::new(file, name, &info).inspect_err(|_| {
            let _ = again.set_len(0);
        });
        Ok(Recording {
            recorder: recorder.map_err(Stop::io(self.doing()))?,
            doing: self.doing(),
            bytes: 0,
            is_sound: true,
        })
    }

    fn take(&self, file: File, interrupt: &Interrupt, output: &Output) -> Result<(), Stop> {
        let (ring, mut source) = self.ring.consumer()?;
        let sight = Sight::open(self.ring.name())?;
        let mut recording = self.begin(file, &sight)?;
        self.ring.tell_who_waits(&source, output);
        let wait = self.ring.receivers_wait(&source);
        let mut progress = Progress::new("recorded", false, output);
        let drained = source.drain(&mut recording, wait, interrupt, &mut progress);
        let is_sound = recording.is_sound;
        let finished = recording.recorder.finish(is_sound);
        let drained = drained
            .and(finished.map_err(Stop::io(self.doing())))
            .and_then(|()| self.ring.had_a_goodbye(&source));
        drop(source);
        self.ring.leave(&ring, drained, progress, output)
    }

    fn tap(&self, file: File, interrupt: &Interrupt, output: &Output) -> Result<(), Stop> {
        let sight = Sight::open(self.ring.name())?;
        let mut recording = self.begin(file, &sight)?;
        let mut progress = Progress::new("recorded", false, output);
        let mut missed = 0;
        let tapped = tap(
            &sight,
            &mut recording,
            &mut missed,
            interrupt,
            &mut progress,
        );
        let is_sound = recording.is_sound;
        let finished = recording.recorder.finish(is_sound);
        let finished = finished.map_err(Stop::io(self.doing()));
        progress.missed(missed, sight.look().map_or("units", |look| look.unit()));
        progress.end(output, tapped.and(finished))
    }
}

/// Copies what is unread, and what comes, until the ring is gone or its producer is and
/// all was seen.
fn tap(
    sight: &Sight,
    recording: &mut Recording,
    missed: &mut u64,
    interrupt: &Interrupt,
    progress: &mut Progress,
) -> Result<(), Stop> {
    let observer = &sight.observer;
    let info = observer.info();
    let mut next = observer.positions().head;
    loop {
        interrupt.check()?;
        // Before the look: what came by then is seen.
        let is_over = observer.is_superseded()? || {
            let look = sight.look()?;
            look.sample.producer.epoch > 0 && !look.peer(Role::Producer).is_alive
        };
        let (mut count, mut bytes, mut added) = (0, 0, Ok(()));
        let found = observer.unread_from(next, FEW, |message| {
            let gap = message.position.wrapping_sub(next);
            // Frames leave the end of the ring out where they do not fit.
            let rest = info.capacity - (next & (info.capacity - 1));
            let is_padding = info.shape == ShapeKind::Frames && gap == rest;
            *missed += if is_padding { 0 } else { gap };
            next = message.next;
            (count, bytes) = (count + 1, bytes + message.bytes.len() as u64);
            if added.is_ok() {
                let (position, kind) = (message.position, message.kind);
                added = recording.recorder.add(position, kind, &message.bytes);
            }
        });
        recording.done(added)?;
        if count > 0 {
            recording.finish()?;
            progress.add(count, bytes);
        }
        found?;
        if count == 0 {
            if is_over {
                // What the consumer took in the end.
                *missed += observer.positions().tail.wrapping_sub(next);
                return Ok(());
            }
            thread::sleep(TAP);
        }
    }
}
