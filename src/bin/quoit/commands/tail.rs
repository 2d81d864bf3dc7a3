//! `quoit tail`: the messages of a ring, which stay in it.

use std::collections::VecDeque;
use std::fmt::Write;
use std::io::ErrorKind;
use std::path::PathBuf;

use clap::Args;
use clap::builder::RangedU64ValueParser;
use quoit::observer::{Message, RingInfo, ShapeKind};
use quoit::{Error, Observer};
use serde_json::json;

use crate::fields::{Fields, hex};
use crate::interrupt::{Interrupt, MOMENT};
use crate::manual::block;
use crate::names::expanded;
use crate::output::{Output, columns, json_line, plain};
use crate::sight::copy_of;
use crate::standard::{Patient, Standard};
use crate::stop::{Code, Stop};
use crate::table::NARROW;

/// Shows the newest unread messages, and leaves them in the ring
///
/// They are shown in hexadecimal and as text, or field by field with --format.
/// A layout must have the size of a ring's records. A frame of another size is
/// shown in hexadecimal.
#[derive(Args)]
#[command(after_long_help = block("Layouts:"))]
pub(crate) struct Tail {
    /// The rings: names in /dev/shm, paths with a /, or patterns such as 'feed-*'
    #[arg(required = true)]
    names: Vec<PathBuf>,

    /// How many messages of a ring to show
    #[arg(short = 'n', long, value_name = "MESSAGES", default_value_t = 10)]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    count: usize,

    /// Show the oldest, which the consumer takes next
    #[arg(long)]
    oldest: bool,

    /// Continue with messages that arrive later, until a ring is removed; those that are
    /// read between two polls are not seen
    #[arg(short, long)]
    follow: bool,

    /// The layout of a record's fields, as in "at: u64, price: f64, name: [text; 8]"
    /// (--help has all of it)
    #[arg(long, value_name = "LAYOUT", value_parser = Fields::parse)]
    format: Option<Fields>,
}

/// A ring, and from where on it is shown.
struct Shown {
    observer: Observer,
    next: u64,
}

/// Messages between two checks for a signal.
const FEW: usize = 256;
/// Bytes that are delivered at once.
const PIECE: usize = 1 << 16;

impl Tail {
    pub(crate) fn run(&self, output: &Output) -> Result<(), Stop> {
        let interrupt = Interrupt::listen()?;
        let (mut rings, mut left_out) = (Vec::new(), None);
        for name in expanded(&self.names)? {
            let observer = match Observer::open(&name) {
                // Of a pattern only the rings count that can be read.
                Err(error) if !self.names.contains(&name) && is_to_be_left_out(&error) => {
                    left_out = Some(error);
                    continue;
                }
                observer => observer?,
            };
            self.fits(&observer.info())?;
            let next = self.start(&observer, &interrupt)?;
            rings.push(Shown { observer, next });
        }
        if let Some(error) = left_out.filter(|_| rings.is_empty()) {
            return Err(error.into());
        }
        let out = Standard::Output.open(Some(&interrupt))?;
        interrupt.watch(&out)?;
        let mut show = Show {
            tail: self,
            as_json: output.json,
            has_titles: rings.len() > 1,
            interrupt: &interrupt,
            out,
            text: String::new(),
            width: if columns().is_some_and(|columns| columns < NARROW) {
                8
            } else {
                16
            },
            last: String::new(),
        };
        let mut most = self.count;
        loop {
            for ring in &mut rings {
                let is_over = self.follow && ring.observer.is_superseded()?;
                let seen = show.unread(ring, most)?;
                let name = ring.observer.name().to_owned();
                if is_over && seen < most {
                    let text = || format!("the ring {name:?} was removed or replaced");
                    let copy = copy_of(&ring.observer);
                    ring.observer = copy.ok_or_else(|| Stop::new(Code::NoRing, text()))?;
                }
                if seen == 0 && !self.follow {
                    let name = plain(&name);
                    let none = "nothing is unread; --follow shows what arrives";
                    output.note(&format!("{name}: {none}"));
                }
            }
            if !self.follow {
                return Ok(());
            }
            // All that arrives from now on.
            most = usize::MAX;
            interrupt.sleep(MOMENT)?;
        }
    }

    /// Where the messages begin that are shown first.
    fn start(&self, observer: &Observer, interrupt: &Interrupt) -> Result<u64, Stop> {
        /// Bytes of the shortest frame.
        const SHORTEST: u64 = 8;
        let positions = observer.positions();
        let (count, unread) = (self.count as u64, positions.len());
        let is_of_frames = observer.info().shape == ShapeKind::Frames;
        if self.oldest || is_of_frames && count >= unread / SHORTEST {
            return Ok(positions.head);
        }
        if !is_of_frames {
            return Ok(positions.tail.wrapping_sub(count.min(unread)));
        }
        // Frames refer to the next one, and not to the last.
        let (mut next, mut newest) = (positions.head, VecDeque::new());
        let found = each(observer, &mut next, usize::MAX, interrupt, |message| {
            newest.push_back(message.position);
            newest.drain(..newest.len().saturating_sub(self.count));
            Ok(())
        });
        match found {
            Err(stop @ Stop::Signal(_)) => Err(stop),
            // What is wrong is reported when it is to be shown.
            _ => Ok(newest.front().copied().unwrap_or(positions.head)),
        }
    }

    /// All records of a ring have one size; frames have any.
    fn fits(&self, info: &RingInfo) -> Result<(), Stop> {
        let (record, layout) = (info.slot_size, self.format.as_ref().map(Fields::size));
        let layout = layout.map_or(record, |layout| layout as u64);
        if info.shape == ShapeKind::Frames || layout == record {
            return Ok(());
        }
        let rest = record.checked_sub(layout);
        let rest = rest.map(|rest| format!("; _: [u8; {rest}] skips the rest"));
        let rest = rest.unwrap_or_default();
        let text =
            format!("the layout has {layout} bytes, and a record of this ring {record}{rest}");
        Err(Stop::new(Code::Usage, text))
    }
}

/// Another user's ring or semaphore may be where a pattern looks.
fn is_to_be_left_out(error: &Error) -> bool {
    match error {
        Error::NotARing { .. } | Error::NotFound { .. } => true,
        Error::Io { source, .. } => source.kind() == ErrorKind::PermissionDenied,
        _ => false,
    }
}

/// Hands over the messages from a position on, which becomes that of the next call; how many.
/// What arrives during the call is for the next one.
fn each(
    observer: &Observer,
    next: &mut u64,
    most: usize,
    interrupt: &Interrupt,
    mut take: impl FnMut(&Message) -> Result<(), Stop>,
) -> Result<usize, Stop> {
    let end = observer.positions().tail;
    // Only a tail that is corrupt is before the next message: the first copy reports it.
    let (mut seen, mut wanted, mut found) = (0, 0, 0);
    let has_more = |next, seen| end != next && (seen == 0 || end.wrapping_sub(next) as i64 > 0);
    while found == wanted && seen < most && has_more(*next, seen) {
        interrupt.check()?;
        wanted = FEW.min(most - seen);
        let mut taken = Ok(());
        let copied = observer.unread_from(*next, wanted, |message| {
            *next = message.next;
            if taken.is_ok() {
                taken = take(&message);
            }
        });
        taken?;
        found = copied?;
        seen += found;
    }
    Ok(seen)
}

/// What is shown, delivered in pieces. What was not is lost after a signal: nothing waits
/// for the output again.
struct Show<'a> {
    tail: &'a Tail,
    as_json: bool,
    has_titles: bool,
    interrupt: &'a Interrupt,
    out: Patient<'a>,
    text: String,
    /// Bytes of a line.
    width: usize,
    /// The title that was shown last.
    last: String,
}

impl Show<'_> {
    /// Shows what is unread from a position on, which becomes that of the next call; how
    /// many messages that were. What is sound is shown, whatever is after it.
    fn unread(&mut self, ring: &mut Shown, most: usize) -> Result<usize, Stop> {
        let Shown { observer, next } = ring;
        let seen = each(observer, next, most, self.interrupt, |message| {
            self.add(message, observer)
        });
        // Nothing waits for the output after a signal.
        if !matches!(seen, Err(Stop::Signal(_) | Stop::ClosedPipe)) {
            self.deliver(1)?;
        }
        seen
    }

    fn add(&mut self, message: &Message, ring: &Observer) -> Result<(), Stop> {
        let (position, kind, bytes) = (message.position, message.kind, &message.bytes);
        let fitting = self.tail.format.as_ref();
        let fitting = fitting.filter(|fields| fields.size() == bytes.len());
        if self.as_json {
            let mut value = json!({"ring": ring.name(), "position": position, "kind": kind});
            match fitting {
                Some(fields) => value["fields"] = fields.json(bytes),
                None => value["bytes"] = hex(bytes).into(),
            }
            self.text += &json_line(&value);
            return self.deliver(PIECE);
        }
        if self.has_titles && self.last != ring.name() {
            ring.name().clone_into(&mut self.last);
            self.text += &format!("==> {} <==\n", plain(ring.name()));
        }
        self.text += &format!("position {position}");
        if ring.info().shape == ShapeKind::Frames {
            self.text += &format!(", kind {kind}");
        }
        if let Some(fields) = fitting {
            self.text += &format!(": {}\n", fields.words(bytes));
            return self.deliver(PIECE);
        }
        let layout = self.tail.format.as_ref().map(Fields::size);
        let layout = layout.map(|layout| format!(", not {layout} as the layout"));
        let (length, layout) = (bytes.len(), layout.unwrap_or_default());
        self.text += &format!(", {length} bytes{layout}\n");
        for (line, bytes) in bytes.chunks(self.width).enumerate() {
            dump(line * self.width, bytes, self.width, &mut self.text);
            self.deliver(PIECE)?;
        }
        Ok(())
    }

    /// If there is this much.
    fn deliver(&mut self, least: usize) -> Result<(), Stop> {
        if self.text.len() >= least {
            self.out.write_all(self.text.as_bytes())?;
            self.text.clear();
        }
        Ok(())
    }
}

/// A line of bytes in hexadecimal and as text, with room for as many as the width says.
fn dump(offset: usize, bytes: &[u8], width: usize, text: &mut String) {
    let letters = bytes.iter().map(|&byte| match byte {
        b' '..=b'~' => char::from(byte),
        _ => '.',
    });
    let letters: String = letters.collect();
    let pairs = bytes.iter().map(|byte| format!("{byte:02x} "));
    let pairs: String = pairs.collect();
    let width = 3 * width;
    let _ = writeln!(text, "  {offset:6}  {pairs:width$} {letters}");
}
