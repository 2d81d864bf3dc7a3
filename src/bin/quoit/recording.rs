//! The file that `record` writes and `replay` reads. All numbers are
//! little-endian.
//!
//! ```text
//! header    8 bytes  QUOITREC
//!           u32      version, 1
//!           u32      0
//!           u64      capacity of the ring that was recorded
//!           u64      when the recording began, in ns since 1970
//! frame     u64      when the frame was taken from the ring, in ns since then
//!           u32      its kind
//!           u32      its length
//!           bytes    its payload
//! ...
//! end       u64      all ones
//!           u64      number of frames; all ones while the recorder still writes
//! ```
//!
//! A file without its end was not finished: its recorder was killed. The place of the
//! end is written behind each batch, so that a full disk, or a limit of a file's size,
//! has room for it.

use std::io::{ErrorKind, Read};

use quoit::FrameView;

use crate::stop::Stop;

const MAGIC: [u8; 8] = *b"QUOITREC";
const VERSION: u32 = 1;
const END: u64 = u64::MAX;
/// A number of frames that is not known yet.
const OPEN: u64 = u64::MAX;

/// A frame of a recording.
pub(crate) struct Entry {
    /// In ns since the recording began.
    pub(crate) time: u64,
    pub(crate) kind: u32,
    pub(crate) payload: Vec<u8>,
}

pub(crate) fn header(capacity: u64, began: u64) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend(VERSION.to_le_bytes());
    bytes.extend(0_u32.to_le_bytes());
    bytes.extend(capacity.to_le_bytes());
    bytes.extend(began.to_le_bytes());
    bytes
}

pub(crate) fn frame(bytes: &mut Vec<u8>, time: u64, frame: &FrameView<'_>) {
    bytes.extend(time.to_le_bytes());
    bytes.extend(frame.kind().to_le_bytes());
    // A frame's length is 32 bits in the ring, too.
    bytes.extend((frame.len() as u32).to_le_bytes());
    frame.append_to(bytes);
}

pub(crate) fn end(frames: u64) -> Vec<u8> {
    [END.to_le_bytes(), frames.to_le_bytes()].concat()
}

/// In the place of the end, as long as there is none.
pub(crate) fn open_end() -> Vec<u8> {
    end(OPEN)
}

/// Reads a recording.
pub(crate) struct Reader<R> {
    input: R,
    /// Bytes that were read.
    offset: u64,
    frames: u64,
    capacity: u64,
}

impl<R: Read> Reader<R> {
    /// Reads the header.
    pub(crate) fn new(mut input: R) -> Result<Self, Stop> {
        let mut begin = [0; 12];
        let version = match input.read_exact(&mut begin) {
            Ok(()) if begin[..8] == MAGIC => {
                u32::from_le_bytes([begin[8], begin[9], begin[10], begin[11]])
            }
            Err(error) if error.kind() != ErrorKind::UnexpectedEof => {
                return Err(Stop::io("read the recording")(error));
            }
            _ => return Err(wrong("the file is not a recording of quoit")),
        };
        if version != VERSION {
            return Err(wrong(format!(
                "the recording has version {version}, this program knows {VERSION}"
            )));
        }
        let mut reader = Self {
            input,
            offset: 12,
            frames: 0,
            capacity: 0,
        };
        let rest = reader.bytes::<20>("the rest of the header")?;
        // Between 4 bytes of nothing and the time.
        reader.capacity = word(&rest, 4);
        if !reader.capacity.is_power_of_two() {
            return Err(wrong("the recording is of a ring that cannot be"));
        }
        Ok(reader)
    }

    /// Of the ring that was recorded.
    pub(crate) fn capacity(&self) -> u64 {
        self.capacity
    }

    /// The next frame, or none at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Entry>, Stop> {
        // Of a frame, or the end of all.
        let head = self.bytes::<16>("the head of the next frame")?;
        let [time, rest] = [0, 8].map(|at| word(&head, at));
        if time == END {
            let frames = rest;
            let found = self.frames;
            if frames == OPEN {
                return Err(self.truncated("its recorder did not finish"));
            }
            if frames != found {
                let text = format!("the recording has {found} frames, not {frames}");
                return Err(wrong(text));
            }
            return match self.input.read(&mut [0]) {
                Ok(0) => Ok(None),
                Ok(_) => Err(wrong("something stands behind the end of the recording")),
                Err(error) => Err(Stop::io("read the recording")(error)),
            };
        }
        let (kind, length) = (rest as u32, (rest >> 32) as u32);
        let mut payload = Vec::new();
        let read = (&mut self.input)
            .take(length.into())
            .read_to_end(&mut payload);
        let found = read.map_err(Stop::io("read the recording"))?;
        if found < length as usize {
            return Err(self.cut("the payload of the next frame", length as usize, found));
        }
        self.offset += u64::from(length);
        self.frames += 1;
        Ok(Some(Entry {
            time,
            kind,
            payload,
        }))
    }

    fn bytes<const N: usize>(&mut self, what: &str) -> Result<[u8; N], Stop> {
        let mut bytes = Vec::with_capacity(N);
        let read = (&mut self.input).take(N as u64).read_to_end(&mut bytes);
        let found = read.map_err(Stop::io("read the recording"))?;
        let bytes = bytes.try_into();
        let bytes = bytes.map_err(|_| self.cut(what, N, found))?;
        self.offset += N as u64;
        Ok(bytes)
    }

    /// The file ends within something that begins where this has come to.
    fn cut(&self, what: &str, length: usize, found: usize) -> Stop {
        let (offset, missing) = (self.offset, length - found);
        self.truncated(&format!(
            "{what} begins at byte {offset} and has {length} bytes, and {missing} of them are missing"
        ))
    }

    fn truncated(&self, why: &str) -> Stop {
        let frames = self.frames;
        wrong(format!(
            "the recording is truncated after {frames} whole frames: {why}"
        ))
    }
}

fn word(bytes: &[u8], at: usize) -> u64 {
    let bytes = bytes[at..at + 8].try_into();
    u64::from_le_bytes(bytes.expect("8 bytes"))
}

fn wrong(text: impl Into<String>) -> Stop {
    Stop::Recording(text.into())
}
