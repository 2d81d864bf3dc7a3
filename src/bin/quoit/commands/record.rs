//! `quoit record`: a ring to a file.

use std::fs::{self, File};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use clap::Args;
use quoit::observer::ShapeKind;
use quoit::{Observer, Role};

use crate::ends::{Source, Taker};
use crate::interrupt::Interrupt;
use crate::output::Output;
use crate::progress::Progress;
use crate::recording::{CHUNK, Recorder};
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
impl Record {
    pub(crate) fn run(&self, output: &Output) -> Result<(), Stop> {
        let interrupt = Interrupt::listen()?;
        // Before the ring, which would have a consumer for nothing.
        let doing = format!("write {}", self.file.display());
        let file = File::create_new(&self.file).map_err(Stop::io(doing.clone()))?;
        let begin = |observer: &Observer| Recorder::new(file, doing, observer);
        let progress = Progress::new("recorded", false, output);
        let recorded = match self.tap {
            true => self.tap(begin, &interrupt, progress, output),
            false => {
                let begin = |source: &Source| begin(&source.observer);
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

    fn tap(
        &self,
        begin: impl FnOnce(&Observer) -> Result<Recorder, Stop>,
        interrupt: &Interrupt,
        mut progress: Progress,
        output: &Output,
    ) -> Result<(), Stop> {
        let observer = Observer::open(self.ring.name())?;
        let mut recorder = begin(&observer)?;
        let unit = match observer.info().shape {
            ShapeKind::Records => "records",
            ShapeKind::Frames => "bytes",
        };
        progress.missed = Some((0, unit));
        let tapped = tap(&observer, &mut recorder, interrupt, &mut progress);
        progress.end(output, tapped.and(recorder.end()))
    }
}

/// Copies what is unread, and what arrives, until the ring is removed, or its producer has
/// closed or crashed and all was seen.
fn tap(
    observer: &Observer,
    recorder: &mut Recorder,
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
        let found = observer.unread_from(next, CHUNK, |message| {
            let gap = message.position.wrapping_sub(next);
            // Frames leave the end of the ring out where they do not fit.
            let rest = info.capacity - (next & (info.capacity - 1));
            let is_padding = info.shape == ShapeKind::Frames && gap == rest;
            missed += if is_padding { 0 } else { gap };
            next = message.next;
            (count, bytes) = (count + 1, bytes + message.bytes.len() as u64);
            if taken.is_ok() {
                taken = recorder.take(&message);
            }
        });
        taken?;
        progress.miss(missed);
        if count > 0 {
            recorder.finish()?;
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
