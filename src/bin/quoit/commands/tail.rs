//! `quoit tail`: the messages of a ring, which stay in it.

use std::collections::VecDeque;
use std::fmt::Write;
use std::path::PathBuf;

use clap::Args;
use clap::builder::RangedU64ValueParser;
use quoit::Error;
use quoit::observer::{Message, RingInfo, ShapeKind};
use serde_json::json;

use crate::fields::{Fields, hex};
use crate::interrupt::{Interrupt, MOMENT};
use crate::names::expanded;
use crate::output::{Output, plain};
use crate::patient::Patient;
use crate::sight::Sight;
use crate::stop::Stop;

/// The language of layouts; `src/docs/tool.md` has it, too. The man page leaves lines
/// alone that are indented.
const LANGUAGE: &str = "\
Layouts:
  LAYOUT  FIELD, FIELD, ...    in the order of the bytes, with no gaps
  FIELD   NAME: TYPE           a name of ASCII letters, digits and _
          TYPE                 without one: its place, from 0
          _: TYPE              passed over
  TYPE    u8 u16 u32 u64 u128  integers, little-endian
          i8 i16 i32 i64 i128  with a sign
          f32 f64              floating-point numbers
          u32be f64be ...      any of these, big-endian
          text                 a byte as text
          hex                  a byte in hexadecimal
          [TYPE; COUNT]        an array; of text a string (without its
                               last zeros), of hex a row of digits

In JSON integers of 128 bits are strings, and so are NaN and inf.";

/// Shows the newest unread messages, and leaves them in the ring
///
/// They are shown in hexadecimal and as text, or field by field with --format.
/// A layout must have the size of a ring's records. A frame of another size is
/// shown in hexadecimal.
#[derive(Args)]
#[command(after_long_help = LANGUAGE)]
pub(crate) struct Tail {
    /// The rings: names in /dev/shm, paths with a /, or patterns such as 'feed-*'
    #[arg(required = true)]
    names: Vec<PathBuf>,

    /// How many messages of a ring to show
    #[arg(short = 'n', long, value_name = "MESSAGES", default_value_t = 10, value_parser = at_least_one())]
    count: usize,

    /// Show the oldest, which the consumer takes next
    #[arg(long)]
    oldest: bool,

    /// Go on with messages that come later, until a ring is gone; those that are
    /// read between two looks are not seen
    #[arg(short, long)]
    follow: bool,

    /// The layout of a record's fields, as in "at: u64, price: f64, name: [text; 8]"
    /// (--help has all of it)
    #[arg(long, value_name = "LAYOUT", value_parser = Fields::parse)]
    format: Option<Fields>,
}

fn at_least_one() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..)
}

/// A ring, and from where on it is shown.
struct Shown {
    sight: Sight,
    next: u64,
}

impl Tail {
    pub(crate) fn run(&self, output: &Output) -> Result<(), Stop> {
        let interrupt = Interrupt::listen()?;
        let mut rings = Vec::new();
        for name in expanded(&self.names)? {
            let sight = match Sight::open(&name) {
                // Of a pattern only the rings count.
                Err(Error::NotARing { .. }) if !self.names.contains(&name) => continue,
                sight => sight?,
            };
            self.fits(&sight.observer.info())?;
            let next = self.start(&sight, &interrupt)?;
            rings.push(Shown { sight, next });
        }
        let out = Patient::output(&interrupt)?;
        interrupt.watch(&out)?;
        let mut show = Show {
            tail: self,
            as_json: output.json,
            interrupt: &interrupt,
            out,
            text: String::new(),
            last: None,
        };
        let many = rings.len() > 1;
        let mut most = self.count;
        loop {
            for (at, ring) in rings.iter_mut().enumerate() {
                let title = many.then_some(at);
                let is_over = self.follow && ring.sight.observer.is_superseded()?;
                let seen = show.look(ring, most, title)?;
                if is_over && seen < most {
                    let name = ring.sight.observer.name().to_owned();
                    ring.sight = ring.sight.copy().ok_or(Stop::Gone(name))?;
                }
                if seen == 0 && !self.follow {
                    let name = plain(ring.sight.observer.name());
                    output.note(&format!(
                        "{name}: nothing is unread; --follow shows what comes"
                    ));
                }
            }
            if !self.follow {
                return Ok(());
            }
            // Whatever comes from now on.
            most = usize::MAX;
            interrupt.sleep(MOMENT)?;
        }
    }

    /// Where the messages begin that are shown first.
    fn start(&self, sight: &Sight, interrupt: &Interrupt) -> Result<u64, Stop> {
        /// Bytes of the shortest frame.
        const SHORTEST: u64 = 8;
        let observer = &sight.observer;
        let positions = observer.positions();
        let (count, unread) = (self.count as u64, positions.len());
        let is_frames = observer.info().shape == ShapeKind::Frames;
        let all = match is_frames {
            true => count >= unread / SHORTEST,
            false => count >= unread,
        };
        if self.oldest || all {
            return Ok(positions.head);
        }
        if !is_frames {
            return Ok(positions.tail.wrapping_sub(count));
        }
        // Frames lead from one to the next, and not back.
        let (mut next, mut newest) = (positions.head, VecDeque::new());
        while positions.tail.wrapping_sub(next) as i64 > 0 {
            interrupt.check()?;
            let found = observer.unread_from(next, FEW, |message| {
                next = message.next;
                newest.push_back(message.position);
                if newest.len() > self.count {
                    newest.pop_front();
                }
            });
            // What is wrong is told when it is to be shown.
            if found.is_ok_and(|found| found == FEW) {
                continue;
            }
            break;
        }
        Ok(newest.front().copied().unwrap_or(positions.head))
    }

    /// All records of a ring have one size; frames have any.
    fn fits(&self, info: &RingInfo) -> Result<(), Stop> {
        let record = info.slot_size;
        match &self.format {
            Some(fields) if fields.size() as u64 != record && info.shape == ShapeKind::Records => {
                let layout = fields.size() as u64;
                Err(Stop::Layout { layout, record })
            }
            _ => Ok(()),
        }
    }

    /// The message, or what stands above its bytes; then true.
    fn show(&self, message: &Message, ring: &Shown, as_json: bool, text: &mut String) -> bool {
        let Message {
            position,
            kind,
            bytes,
            ..
        } = message;
        let fitting = self.format.as_ref();
        let fitting = fitting.filter(|fields| fields.size() == bytes.len());
        // A string takes all that is written to it.
        if as_json {
            let name = ring.sight.observer.name();
            let mut value = json!({"ring": name, "position": position, "kind": kind});
            match fitting {
                Some(fields) => value["fields"] = fields.json(bytes),
                None => value["bytes"] = hex(bytes).into(),
            }
            let _ = writeln!(text, "{value}");
            return false;
        }
        let _ = write!(text, "position {position}");
        if ring.sight.observer.info().shape == ShapeKind::Frames {
            let _ = write!(text, ", kind {kind}");
        }
        let length = bytes.len();
        let _ = match (fitting, &self.format) {
            (Some(fields), _) => writeln!(text, ": {}", fields.words(bytes)),
            (None, None) => writeln!(text, ", {length} bytes"),
            (None, Some(fields)) => {
                let layout = fields.size();
                writeln!(text, ", {length} bytes, not {layout} as the layout")
            }
        };
        fitting.is_none()
    }
}

/// Messages between two looks for a signal.
const FEW: usize = 256;
/// Bytes that are delivered at once.
const PIECE: usize = 1 << 16;

/// What is shown, delivered in pieces. What was not is gone after a signal: nothing waits
/// for the output again.
struct Show<'a> {
    tail: &'a Tail,
    as_json: bool,
    interrupt: &'a Interrupt,
    out: Patient<'a>,
    text: String,
    /// The ring that was shown last, of many.
    last: Option<usize>,
}

impl Show<'_> {
    /// Shows what is unread from a position on, which becomes that of the next look;
    /// how many messages that were. What is sound is shown, whatever comes after it.
    fn look(&mut self, ring: &mut Shown, most: usize, title: Option<usize>) -> Result<usize, Stop> {
        // What comes while this looks is for the next look.
        let end = ring.sight.observer.positions().tail;
        let mut seen = 0;
        while seen < most && end.wrapping_sub(ring.next) as i64 > 0 {
            self.interrupt.check()?;
            let wanted = FEW.min(most - seen);
            let (mut next, mut shown) = (ring.next, Ok(()));
            let found = ring
                .sight
                .observer
                .unread_from(ring.next, wanted, |message| {
                    next = message.next;
                    if shown.is_ok() {
                        shown = self.add(&message, ring, title);
                    }
                });
            ring.next = next;
            shown?;
            // What is wrong stands behind what is sound.
            if found.is_err() {
                self.deliver()?;
            }
            let found = found?;
            seen += found;
            if found < wanted {
                break;
            }
        }
        self.deliver()?;
        Ok(seen)
    }

    fn add(&mut self, message: &Message, ring: &Shown, title: Option<usize>) -> Result<(), Stop> {
        if title.is_some() && !self.as_json && self.last != title {
            self.last = title;
            let name = plain(ring.sight.observer.name());
            let _ = writeln!(self.text, "==> {name} <==");
        }
        let (as_json, text) = (self.as_json, &mut self.text);
        if self.tail.show(message, ring, as_json, text) {
            for (line, bytes) in message.bytes.chunks(LINE).enumerate() {
                dump(line * LINE, bytes, &mut self.text);
                self.deliver_if(PIECE)?;
            }
        }
        self.deliver_if(PIECE)
    }

    fn deliver_if(&mut self, least: usize) -> Result<(), Stop> {
        match self.text.len() >= least {
            true => self.deliver(),
            false => Ok(()),
        }
    }

    fn deliver(&mut self) -> Result<(), Stop> {
        self.out.write_all(self.text.as_bytes())?;
        self.text.clear();
        Ok(())
    }
}

/// Bytes of a line.
const LINE: usize = 16;

/// A line of bytes in hexadecimal and as text.
fn dump(offset: usize, bytes: &[u8], text: &mut String) {
    let letters = bytes.iter().map(|&byte| match byte {
        b' '..=b'~' => char::from(byte),
        _ => '.',
    });
    let letters: String = letters.collect();
    let pairs = bytes.iter().map(|byte| format!("{byte:02x} "));
    let pairs: String = pairs.collect();
    let _ = writeln!(text, "  {offset:6}  {pairs:48} {letters}");
}
