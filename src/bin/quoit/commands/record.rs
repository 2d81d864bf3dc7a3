//! `quoit record`: a ring to a file.

use std::fs::{self, File};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use clap::Args;
use quoit::observer::{Message, ShapeKind};
use quoit::{Observer, Role};

use crate::ends::{Source, Taker};
use crate::interrupt::Interrupt;
use crate::output::Output;
use crate::progress::Progress;
use crate::recording::Recorder;
use crate::ring::RingArguments;
use crate::stop::Stop;

/// Takes the consumer's role, removes what it reads, and records it to an MCAP file
///
/// It ends when the producer has closed, or by Ctrl-C. A message stays in the ring until it
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

/// Between two checks of a tap that has found nothing.
const TAP: Duration = Duration::from_millis(1);
/// Messages of a chunk.
const FEW: usize = 256;

/// Messages on their way to a file.
struct Recording {
    recorder: Recorder,
    doing: String,
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
    fn most(&self) -> usize {
        FEW
    }

    fn take(&mut self, message: &Message) -> Result<(), Stop> {
        let added = self.recorder.add(message);
        self.done(added)
    }

    fn finish(&mut self) -> Result<(), Stop> {
        let flushed = self.recorder.flush();
        self.done(flushed)
    }

    fn end(self) -> Result<(), Stop> {
        let finished = self.recorder.finish(self.is_sound);
        finished.map_err(Stop::io(self.doing))
    }
}

impl Record {
    pub(crate) fn run(&self, output: &Output) -> Result<(), Stop> {
        let interrupt = Interrupt::listen()?;
        // Before the ring, which would have a consumer for nothing.
        let file = File::create_new(&self.file).map_err(Stop::io(self.doing()))?;
        let progress = Progress::new("recorded", false, output);
        let recorded = match self.tap {
            true => self.tap(file, &interrupt, progress, output),
            false => {
                let begin = |source: &Source| self.begin(file, &source.observer);
                self.ring.receive(begin, (&interrupt, progress), output)
            }
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

    fn begin(&self, file: File, observer: &Observer) -> Result<Recording, Stop> {
        let again = file.try_clone().map_err(Stop::io(self.doing()))?;
        let recorder = Recorder::new(file, observer.name(), &observer.info());
        let recorder = recorder.inspect_err(|_| {
            let _ = again.set_len(0);
        });
        Ok(Recording {
            recorder: recorder.map_err(Stop::io(self.doing()))?,
            doing: self.doing(),
            is_sound: true,
        })
    }

    fn tap(
        &self,
        file: File,
        interrupt: &Interrupt,
        mut progress: Progress,
        output: &Output,
    ) -> Result<(), Stop> {
        let observer = Observer::open(self.ring.name())?;
        let mut recording = self.begin(file, &observer)?;
        let unit = match observer.info().shape {
            ShapeKind::Records => "records",
            ShapeKind::Frames => "bytes",
        };
        progress.missed = Some((0, unit));
        let tapped = tap(&observer, &mut recording, interrupt, &mut progress);
        progress.end(output, tapped.and(recording.end()))
    }
}

/// Copies what is unread, and what arrives, until the ring is removed, or its producer has
/// closed or crashed and all was seen.
fn tap(
    observer: &Observer,
    recording: &mut Recording,
    interrupt: &Interrupt,
    progress: &mut Progress,
) -> Result<(), Stop> {
    let info = observer.info();
    let mut next = observer.positions().head;
    loop {
        interrupt.check()?;
        // Before the copy: what has arrived by then is seen.
        let was_attached = observer.endpoint(Role::Producer).epoch > 0;
        let is_over =
            observer.is_superseded()? || was_attached && !observer.is_alive(Role::Producer)?;
        let (mut count, mut bytes, mut missed, mut taken) = (0, 0, 0, Ok(()));
        let found = observer.unread_from(next, FEW, |message| {
            let gap = message.position.wrapping_sub(next);
            // Frames leave the end of the ring out where they do not fit.
            let rest = info.capacity - (next & (info.capacity - 1));
            let is_padding = info.shape == ShapeKind::Frames && gap == rest;
            missed += if is_padding { 0 } else { gap };
            next = message.next;
            (count, bytes) = (count + 1, bytes + message.bytes.len() as u64);
            if taken.is_ok() {
                taken = recording.take(&message);
            }
        });
        taken?;
        progress.miss(missed);
        if count > 0 {
            recording.finish()?;
            progress.add(count, bytes);
        }
        found?;
        if count == 0 && is_over {
            // What the consumer took in the end.
            progress.miss(observer.positions().tail.wrapping_sub(next));
            return Ok(());
        }
        if count == 0 {
            thread::sleep(TAP);
        }
    }
}
