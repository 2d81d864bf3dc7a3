//! `quoit record`: a ring to a file, and `quoit replay`: a file to a ring.

use std::fs::{self, File};
use std::io::Seek;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use quoit::{ClaimError, Observer, Role};

use crate::ends::{Progress, Taker};
use crate::interrupt::Interrupt;
use crate::output::Output;
use crate::recording::{CHUNK, Reader, Recorder};
use crate::ring::{RingArguments, duration, ended, was_closed};
use crate::sight::shape;
use crate::stop::{Code, Stop};

/// Takes the consumer's role, removes what it reads, and records it to an MCAP file
///
/// It ends when the producer has closed, or on Ctrl-C. A message stays in the ring until it
/// is in the file, which must not exist yet. The file is then a complete recording of what
/// was taken; after kill -9, a full disk or a file size limit it ends with the last
/// complete chunk.
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
    #[arg(long, conflicts_with_all = ["capacity", "schema_tag", "mode", "unlink"])]
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
        let progress = Progress::new("recorded", false, &interrupt, output);
        let recorded = match self.tap {
            true => self.tap(begin, progress),
            false => self
                .ring
                .receive(|source| begin(&source.observer), progress),
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
        mut progress: Progress<'_>,
    ) -> Result<(), Stop> {
        let observer = Observer::open(self.ring.name())?;
        let mut recorder = begin(&observer)?;
        progress.missed = Some((0, shape(&observer.info()).1));
        progress.timeout = self.ring.timeout();
        let tapped = tap(&observer, &mut recorder, &mut progress);
        let tapped = ended(tapped, recorder.end());
        progress.end(tapped.and_then(|()| was_closed(&observer)))
    }
}

/// Copies what is unread, and what arrives, until the ring is removed, or its producer has
/// closed or crashed and all was seen.
fn tap(ring: &Observer, file: &mut Recorder, progress: &mut Progress<'_>) -> Result<(), Stop> {
    let mut next = ring.positions().head;
    loop {
        progress.interrupt.check()?;
        // Before the copy: what has arrived by then is seen.
        let was_attached = ring.endpoint(Role::Producer).epoch > 0;
        let is_over = ring.is_superseded()? || was_attached && !ring.is_alive(Role::Producer)?;
        let (mut count, mut bytes, mut missed, mut taken) = (0, 0, 0, Ok(()));
        let found = ring.unread_from(next, CHUNK, |message| {
            missed += message.from.wrapping_sub(next);
            next = message.next;
            (count, bytes) = (count + 1, bytes + message.bytes.len() as u64);
            if taken.is_ok() {
                taken = file.take(&message);
            }
        });
        taken?;
        progress.miss(missed);
        if count > 0 {
            file.finish()?;
            progress.add(count, bytes);
        }
        found?;
        if count == 0 && is_over {
            // What the consumer took in the end.
            progress.miss(ring.positions().tail.wrapping_sub(next));
            return Ok(());
        }
        if count == 0 {
            thread::sleep(progress.moment(Role::Producer).min(TAP));
            progress.continues()?;
        }
    }
}

/// Replays a recording of `quoit record` into a ring, with its original timing
///
/// A new ring gets the capacity, schema and record size of the recorded one. The whole
/// file is checked before the first message is sent. A file that is damaged or cut off is
/// replayed up to the last complete chunk, with exit code 6. MCAP files of other programs
/// become frames, topic by topic.
#[derive(Args)]
pub(crate) struct Replay {
    #[command(flatten)]
    ring: RingArguments,

    /// The file to read
    file: PathBuf,

    /// A multiple of the recorded speed, or `max`
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
            let text = "it is not a regular file; write a pipe's bytes to a file first";
            return Err(Stop::new(Code::Recording, text));
        }
        let mut file = File::open(&self.file).map_err(Stop::io(doing()))?;
        let again = file.try_clone().map_err(Stop::io(doing()))?;
        let topic = self.topic.as_deref();
        let reader = |file| Reader::new(file, topic).map_err(Stop::io(doing()));
        let contents = reader(again)?.contents(|| interrupt.check())?;
        file.rewind().map_err(Stop::io(doing()))?;

        let progress = Progress::new("replayed", false, &interrupt, output);
        let mut messages = reader(file)?;
        let from = self.from.unwrap_or_default().as_nanos();
        let began = contents
            .began
            .saturating_add(from.try_into().unwrap_or(u64::MAX));
        self.ring.send(contents.kind, progress, |sink, progress| {
            let (max, _) = sink.lengths();
            if contents.longest > max {
                return Err(ClaimError::TooLong { max }.into());
            }
            let start = Instant::now();
            // What is broken is found again, after what is whole.
            while let Some(message) = messages.next()? {
                let time = message.time.checked_sub(began);
                // One with a time before that of the first is not left out for it.
                let Some(time) = time.or((from == 0).then_some(0)) else {
                    continue;
                };
                let due = Duration::from_nanos((time as f64 / self.speed) as u64);
                if let Some(early) = due.checked_sub(start.elapsed()) {
                    interrupt.sleep(early)?;
                }
                sink.push(message.kind, &message.payload, progress)?;
            }
            Ok(())
        })
    }
}
