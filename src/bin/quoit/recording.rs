//! Recordings: MCAP files (<https://mcap.dev/spec>), which other programs read.
//!
//! The topic is the ring's name, and each kind of its frames has a channel with
//! `quoit.kind` in its metadata, next to shape, capacity, slots and schema. A message's data
//! are the payload, its times when it was taken, and its sequence the low 32 bits of its
//! position, in records, or words of 8 bytes of frames. Each batch is a chunk with its CRC:
//! a file that is cut off is readable to the last whole one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufReader};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use mcap::io::MessageReader;
use mcap::records::MessageHeader;
use mcap::sans_io::LinearReaderOptions;
use mcap::{McapError, WriteOptions, Writer};
use quoit::observer::{Message, ShapeKind};
use quoit::{Observer, raw};

use crate::ends::Taker;
use crate::ring::{CAPACITY, Kind};
use crate::sight::shape;
use crate::stop::{Code, Stop};

/// Messages of a chunk.
pub(crate) const CHUNK: usize = 256;
/// The channel that a writer makes first.
const FIRST: u16 = 1;

/// A file that is written, as far as it is whole.
pub(crate) struct Recorder {
    writer: Writer<File>,
    file: File,
    doing: String,
    topic: String,
    metadata: BTreeMap<String, String>,
    /// That of each kind.
    channels: BTreeMap<u32, u16>,
    began: (u64, Instant),
    /// Bytes of a unit of its positions.
    unit: u64,
    /// Bytes that are whole; no more are written after a failure.
    whole: u64,
    is_sound: bool,
}

impl Recorder {
    /// An error leaves nothing in the file.
    pub(crate) fn new(file: File, doing: String, observer: &Observer) -> Result<Self, Stop> {
        let options = WriteOptions::new()
            .profile("quoit")
            .library(concat!("quoit ", env!("CARGO_PKG_VERSION")))
            .chunk_size(None)
            .disable_seeking(true);
        let again = file.try_clone().map_err(Stop::io(doing.clone()))?;
        let writer = options.create(file).map_err(refused);
        let writer = writer.inspect_err(|_| drop(again.set_len(0)));
        let info = observer.info();
        let metadata = [
            ("quoit.shape", shape(&info).0.to_owned()),
            ("quoit.capacity", info.capacity.to_string()),
            ("quoit.slot_size", info.slot_size.to_string()),
            ("quoit.slot_align", info.slot_align.to_string()),
            ("quoit.schema", format!("{:016x}", info.schema)),
            ("quoit.incarnation", format!("{:016x}", info.incarnation)),
        ];
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let mut recorder = Self {
            writer: writer.map_err(Stop::io(doing.clone()))?,
            file: again,
            doing,
            topic: observer.name().to_owned(),
            metadata: metadata.map(|(key, value)| (key.to_owned(), value)).into(),
            channels: BTreeMap::new(),
            began: (now.unwrap_or_default().as_nanos() as u64, Instant::now()),
            unit: match info.shape {
                ShapeKind::Records => 1,
                ShapeKind::Frames => 8,
            },
            whole: 0,
            is_sound: true,
        };
        match recorder.finish() {
            Ok(()) => Ok(recorder),
            Err(stop) => recorder.end().and(Err(stop)),
        }
    }

    fn channel(&mut self, kind: u32) -> Result<u16, McapError> {
        if let Some(&channel) = self.channels.get(&kind) {
            return Ok(channel);
        }
        let mut metadata = self.metadata.clone();
        metadata.insert("quoit.kind".to_owned(), kind.to_string());
        let (topic, encoding) = (&self.topic, "application/octet-stream");
        let channel = self.writer.add_channel(0, topic, encoding, &metadata)?;
        self.channels.insert(kind, channel);
        Ok(channel)
    }

    /// Also without a message the file says what the ring holds.
    fn summarize(&mut self) -> Result<(), McapError> {
        if self.channels.is_empty() {
            self.channel(0)?;
        }
        self.writer.finish().map(drop)
    }

    /// What failed makes the rest of the file unsound.
    fn done<T>(&mut self, done: Result<T, McapError>) -> Result<T, Stop> {
        self.is_sound &= done.is_ok();
        done.map_err(refused).map_err(Stop::io(self.doing.clone()))
    }
}

impl Taker for Recorder {
    fn most(&self) -> usize {
        CHUNK
    }

    /// Adds it to the next chunk.
    fn take(&mut self, message: &Message) -> Result<(), Stop> {
        let (began, start) = self.began;
        let time = began + start.elapsed().as_nanos() as u64;
        let channel = self.channel(message.kind);
        let header = MessageHeader {
            channel_id: self.done(channel)?,
            sequence: (message.position / self.unit) as u32,
            log_time: time,
            publish_time: time,
        };
        let written = self.writer.write_to_known_channel(&header, &message.bytes);
        self.done(written)
    }

    /// The chunk is whole, and the kernel has it.
    fn finish(&mut self) -> Result<(), Stop> {
        let flushed = self.writer.flush();
        self.done(flushed)?;
        self.whole = self.file.metadata().map_or(self.whole, |file| file.len());
        Ok(())
    }

    /// Writes the summary, if all is sound; or cuts off what is not whole.
    fn end(mut self) -> Result<(), Stop> {
        let finished = match self.is_sound {
            true => self.summarize(),
            false => Ok(()),
        };
        let finished = self.done(finished);
        // Without writing what is left of a chunk.
        drop(self.writer.into_inner());
        if !self.is_sound {
            let cut = self.file.set_len(self.whole);
            cut.map_err(Stop::io(self.doing))?;
        }
        finished
    }
}

/// The system's answer.
fn refused(error: McapError) -> io::Error {
    match error {
        McapError::Io(error) => error,
        error => io::Error::other(error.to_string()),
    }
}

/// A message of a recording.
pub(crate) struct Entry {
    /// In ns since 1970.
    pub(crate) time: u64,
    pub(crate) kind: u32,
    pub(crate) payload: Vec<u8>,
}

/// What a look at all of it has found.
pub(crate) struct Contents {
    pub(crate) kind: Kind,
    pub(crate) longest: usize,
    /// When its first message was taken.
    pub(crate) began: u64,
}

/// Messages, in the order of the file.
pub(crate) struct Reader {
    messages: MessageReader<BufReader<File>>,
    topic: Option<String>,
    /// Other topics that were found.
    others: BTreeSet<String>,
    count: u64,
    kind: Option<Kind>,
}

impl Reader {
    /// Of one topic, if one is named.
    pub(crate) fn new(file: File, topic: Option<&str>) -> io::Result<Self> {
        let length = file.metadata()?.len();
        let options = LinearReaderOptions::default()
            // Whole chunks only.
            .with_prevalidate_chunk_crcs(true)
            .with_record_length_limit(length as usize);
        Ok(Self {
            messages: MessageReader::new_with_options(BufReader::new(file), options),
            topic: topic.map(str::to_owned),
            others: BTreeSet::new(),
            count: 0,
            kind: None,
        })
    }

    /// Looks at all of it; `check` may end that.
    pub(crate) fn contents(
        mut self,
        check: impl Fn() -> Result<(), Stop>,
    ) -> Result<Contents, Stop> {
        let (mut longest, mut began) = (0, None);
        loop {
            check()?;
            match self.next() {
                Ok(Some(entry)) => {
                    longest = longest.max(entry.payload.len());
                    began = began.or(Some(entry.time));
                }
                Ok(None) if self.count == 0 && !self.others.is_empty() => {
                    let others = self.others.into_iter().collect::<Vec<_>>().join(", ");
                    let why = "the recording has no message of this topic, but of";
                    return Err(wrong(format!("{why} {others}")));
                }
                Err(stop) if self.count == 0 => return Err(stop),
                // What is before a break is whole.
                Ok(None) | Err(_) => break,
            }
        }
        let mut kind = match self.kind {
            Some(kind) => kind,
            None => self.kind_of_none()?,
        };
        // A longer message than half of the ring finds no room.
        let least = (2 * longest as u64 + 16).next_power_of_two();
        kind.capacity = kind.capacity.or(Some(least.max(CAPACITY)));
        Ok(Contents {
            kind,
            longest,
            began: began.unwrap_or(0),
        })
    }

    /// Of a recording without messages, which may have a channel.
    fn kind_of_none(&self) -> Result<Kind, Stop> {
        let is_asked = |topic: &str| self.topic.as_deref().is_none_or(|asked| asked == topic);
        let channel = self.messages.get_channel(FIRST);
        let channel = channel.filter(|channel| is_asked(&channel.topic));
        channel.map_or(Ok(Kind::FRAMES), |channel| kind(&channel.metadata))
    }

    /// The next message, or none at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Entry>, Stop> {
        for message in self.messages.by_ref() {
            let message = message.map_err(|error| broken(self.count, error))?;
            let channel = &message.channel;
            let topic = self.topic.get_or_insert_with(|| channel.topic.clone());
            if *topic != channel.topic {
                if !self.others.contains(&channel.topic) {
                    self.others.insert(channel.topic.clone());
                }
                continue;
            }
            let kind = kind(&channel.metadata)?;
            let size = kind.slot.map(|(size, _)| size as usize);
            if *self.kind.get_or_insert(kind) != kind
                || size.is_some_and(|size| size != message.data.len())
            {
                return Err(wrong(IMPOSSIBLE));
            }
            self.count += 1;
            let of_frame = channel.metadata.get("quoit.kind");
            return Ok(Some(Entry {
                time: message.log_time,
                kind: of_frame.and_then(|kind| kind.parse().ok()).unwrap_or(0),
                payload: message.data.into_owned(),
            }));
        }
        Ok(None)
    }
}

const IMPOSSIBLE: &str = "the recording is of a ring that cannot be";

fn broken(count: u64, error: McapError) -> Stop {
    wrong(match error {
        McapError::Io(error) => return Stop::io("read the recording")(error),
        McapError::BadMagic if count == 0 => {
            "the file is not an MCAP recording; quoit record writes one".to_owned()
        }
        McapError::UnsupportedCompression(name) => {
            format!("the recording is compressed ({name}): mcap compress --compression none")
        }
        error => format!("the recording is broken after {count} whole messages: {error}"),
    })
}

/// The ring that was recorded; frames if another program wrote the file.
fn kind(metadata: &BTreeMap<String, String>) -> Result<Kind, Stop> {
    let of = |key: &str| metadata.get(key).map(String::as_str);
    let number = |key| of(key).and_then(|text| text.parse::<u64>().ok());
    let recorded = |shape| {
        let slot = || {
            let align = u32::try_from(number("quoit.slot_align")?).ok()?;
            let size = number("quoit.slot_size")?;
            raw::records(size, align)?;
            Some((size, align))
        };
        Some(Kind {
            slot: match shape {
                "records" => Some(slot()?),
                _ => (shape == "frames").then_some(None)?,
            },
            schema: Some(u64::from_str_radix(of("quoit.schema")?, 16).ok()?),
            capacity: Some(number("quoit.capacity").filter(|size| size.is_power_of_two())?),
        })
    };
    let kind = of("quoit.shape").map_or(Some(Kind::FRAMES), recorded);
    kind.ok_or_else(|| wrong(IMPOSSIBLE))
}

fn wrong(text: impl Into<String>) -> Stop {
    Stop::new(Code::Recording, text)
}
