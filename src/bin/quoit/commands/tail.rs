//! `quoit tail`: the messages of a ring, which stay in it.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use clap::builder::RangedU64ValueParser;
use quoit::observer::{Message, RingInfo, ShapeKind};
use serde_json::json;

use crate::fields::{Fields, hex};
use crate::interrupt::{Interrupt, MOMENT};
use crate::output::{Output, failed, plain};
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

/// Shows unread messages, and leaves them in the ring
///
/// They are shown in hexadecimal and as text, or field by field with --format.
/// A layout must have the size of a ring's records. A frame of another size is
/// shown in hexadecimal.
#[derive(Args)]
#[command(after_long_help = LANGUAGE)]
pub(crate) struct Tail {
    /// The ring: a name in /dev/shm, or a path with a /
    name: PathBuf,

    /// How many messages to show at a look, from the oldest on
    #[arg(short = 'n', long, value_name = "MESSAGES", default_value_t = 10, value_parser = at_least_one())]
    count: usize,

    /// Go on with messages that come later, until the ring is gone; those that are
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

impl Tail {
    pub(crate) fn run(&self, output: &Output) -> Result<(), Stop> {
        let sight = Sight::open(&self.name)?;
        self.fits(&sight.observer.info())?;
        let interrupt = Interrupt::listen()?;
        let out = Patient::output(&interrupt)?;
        interrupt.watch(&out)?;
        let mut pieces = Pieces {
            bytes: Vec::new(),
            out,
        };
        if self.follow {
            return self.follow(sight, &interrupt, &mut pieces, output);
        }
        let mut next = sight.observer.positions().head;
        if self.look(&sight, &mut next, &interrupt, &mut pieces, output)? == 0 {
            let name = plain(sight.observer.name());
            output.note(&format!(
                "{name}: nothing is unread; --follow shows what comes"
            ));
        }
        Ok(())
    }

    fn follow(
        &self,
        mut sight: Sight,
        interrupt: &Interrupt,
        out: &mut Pieces<'_>,
        output: &Output,
    ) -> Result<(), Stop> {
        let mut next = sight.observer.positions().head;
        loop {
            let is_over = sight.observer.is_superseded()?;
            let seen = self.look(&sight, &mut next, interrupt, out, output)?;
            if seen < self.count && is_over {
                let name = sight.observer.name().to_owned();
                sight = sight.copy().ok_or(Stop::Gone(name))?;
            }
            interrupt.sleep(MOMENT)?;
        }
    }

    /// Shows what is unread from a position on, which becomes that of the next look;
    /// how many messages that were. What is sound is shown, whatever comes after it.
    fn look(
        &self,
        sight: &Sight,
        next: &mut u64,
        interrupt: &Interrupt,
        out: &mut Pieces<'_>,
        output: &Output,
    ) -> Result<usize, Stop> {
        let observer = &sight.observer;
        let has_kinds = observer.info().shape == ShapeKind::Frames;
        // What comes while this looks is for the next look.
        let end = observer.positions().tail;
        let mut seen = 0;
        while seen < self.count && end.wrapping_sub(*next) as i64 > 0 {
            interrupt.check()?;
            let wanted = FEW.min(self.count - seen);
            let mut shown = Ok(());
            let found = observer.unread_from(*next, wanted, |message| {
                *next = message.next;
                if shown.is_ok() {
                    shown = self.show(&message, has_kinds, output.json, out);
                }
            });
            shown.map_err(failed())?;
            // What is wrong stands behind what is sound.
            if found.is_err() {
                out.deliver().map_err(failed())?;
            }
            let found = found?;
            seen += found;
            if found < wanted {
                break;
            }
        }
        out.deliver().map_err(failed())?;
        Ok(seen)
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

    fn show(
        &self,
        message: &Message,
        has_kind: bool,
        as_json: bool,
        out: &mut impl Write,
    ) -> io::Result<()> {
        let Message {
            position,
            kind,
            bytes,
            ..
        } = message;
        let fitting = self.format.as_ref();
        let fitting = fitting.filter(|fields| fields.size() == bytes.len());
        if as_json {
            let mut value = json!({"position": position, "kind": kind});
            match fitting {
                Some(fields) => value["fields"] = fields.json(bytes),
                None => value["bytes"] = hex(bytes).into(),
            }
            return writeln!(out, "{value}");
        }
        let head = match has_kind {
            true => format!("position {position}, kind {kind}"),
            false => format!("position {position}"),
        };
        let length = bytes.len();
        match (fitting, &self.format) {
            (Some(fields), _) => return writeln!(out, "{head}: {}", fields.words(bytes)),
            (None, None) => writeln!(out, "{head}, {length} bytes")?,
            (None, Some(fields)) => {
                let layout = fields.size();
                writeln!(out, "{head}, {length} bytes, not {layout} as the layout")?;
            }
        }
        dump(bytes, out)
    }
}

/// Messages between two looks for a signal.
const FEW: usize = 256;

/// Text that is delivered in pieces. What was not is gone when it is dropped: after a
/// signal nothing waits for the output again.
struct Pieces<'a> {
    bytes: Vec<u8>,
    out: Patient<'a>,
}

impl Pieces<'_> {
    const LENGTH: usize = 1 << 16;

    fn deliver(&mut self) -> io::Result<()> {
        self.out.write_all(&self.bytes)?;
        self.bytes.clear();
        Ok(())
    }
}

impl Write for Pieces<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        if self.bytes.len() >= Self::LENGTH {
            self.deliver()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.deliver()
    }
}

/// Bytes of a line.
const LINE: usize = 16;

/// The bytes in hexadecimal and as text.
fn dump(bytes: &[u8], out: &mut impl Write) -> io::Result<()> {
    for (line, bytes) in bytes.chunks(LINE).enumerate() {
        let letters = bytes.iter().map(|&byte| match byte {
            b' '..=b'~' => char::from(byte),
            _ => '.',
        });
        let letters: String = letters.collect();
        let pairs = bytes.iter().map(|byte| format!("{byte:02x} "));
        let pairs: String = pairs.collect();
        writeln!(out, "  {:6}  {pairs:48} {letters}", line * LINE)?;
    }
    Ok(())
}
