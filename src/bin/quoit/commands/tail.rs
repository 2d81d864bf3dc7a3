//! `quoit tail`: the messages of a ring, which stay in it.

use std::fmt::Write;
use std::path::PathBuf;
use std::thread;

use clap::Args;
use quoit::observer::{About, Message, ObservedShape};
use serde_json::json;

use crate::fields::{Fields, hex};
use crate::interrupt::{Interrupt, MOMENT};
use crate::output::Output;
use crate::sight::Sight;
use crate::stop::Stop;

/// The language of layouts; `src/docs/tool.md` has it, too.
const LANGUAGE: &str = "\
Layouts:
LAYOUT  FIELD, FIELD, ...     in the order of the bytes, nothing between them
FIELD   NAME: TYPE            a name of letters, digits and _
        TYPE                  without one: its place in the record, from 0
        _: TYPE               passed over
TYPE    u8 u16 u32 u64 u128   integers, little-endian
        i8 i16 i32 i64 i128   with a sign
        f32 f64               floating-point numbers
        u32be f64be ...       any of these, big-endian
        text                  a byte as text
        hex                   a byte in hexadecimal
        [TYPE; COUNT]         an array; one of text is a string (without the
                              zeros at its end), one of hex a row of digits

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
    #[arg(long, value_name = "MESSAGES", default_value_t = 10)]
    count: usize,

    /// Go on with messages that come later; those that are read in between are
    /// not seen
    #[arg(long)]
    follow: bool,

    /// The layout of a record's fields, as in "at: u64, price: f64, name: [text; 8]"
    /// (--help has all of it)
    #[arg(long, value_name = "LAYOUT", value_parser = Fields::parse)]
    format: Option<Fields>,
}

impl Tail {
    pub(crate) fn run(&self, output: &Output) -> Result<(), Stop> {
        let interrupt = Interrupt::listen()?;
        let sight = Sight::open(&self.name)?;
        self.fits(&sight.observer.about())?;
        let mut next = None;
        loop {
            let mut text = String::new();
            sight.observer.unread(self.count, |message| {
                // Not again what an earlier look has shown.
                if next.is_none_or(|next| message.position.wrapping_sub(next) as i64 >= 0) {
                    next = Some(message.position.wrapping_add(1));
                    text += &self.show(&message, output.json);
                }
            })?;
            output.answer(text.as_bytes())?;
            if !self.follow {
                return Ok(());
            }
            interrupt.check()?;
            thread::sleep(MOMENT);
        }
    }

    /// All records of a ring have one size; frames have any.
    fn fits(&self, about: &About) -> Result<(), Stop> {
        let record = about.slot_size;
        match &self.format {
            Some(fields)
                if fields.size() as u64 != record && about.shape == ObservedShape::Slots =>
            {
                let layout = fields.size() as u64;
                Err(Stop::Layout { layout, record })
            }
            _ => Ok(()),
        }
    }

    fn show(&self, message: &Message, as_json: bool) -> String {
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
            return format!("{value}\n");
        }
        let head = format!("position {position}, kind {kind}");
        let length = bytes.len();
        match (fitting, &self.format) {
            (Some(fields), _) => format!("{head}: {}\n", fields.words(bytes)),
            (None, None) => format!("{head}, {length} bytes\n{}", dump(bytes)),
            (None, Some(fields)) => {
                let layout = fields.size();
                let dump = dump(bytes);
                format!("{head}, {length} bytes, not {layout} as the layout\n{dump}")
            }
        }
    }
}

/// Bytes of a line.
const LINE: usize = 16;

/// The bytes in hexadecimal and as text.
fn dump(bytes: &[u8]) -> String {
    let mut text = String::new();
    for (line, bytes) in bytes.chunks(LINE).enumerate() {
        let letters = bytes.iter().map(|&byte| match byte {
            b' '..=b'~' => char::from(byte),
            _ => '.',
        });
        let letters: String = letters.collect();
        let pairs = bytes.iter().map(|byte| format!("{byte:02x} "));
        let pairs: String = pairs.collect();
        let _ = writeln!(text, "  {:6}  {pairs:48} {letters}", line * LINE);
    }
    text
}
