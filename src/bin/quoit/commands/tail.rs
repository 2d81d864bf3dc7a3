//! `quoit tail`: the messages of a ring, which stay in it.

use std::fmt::Write;
use std::path::PathBuf;
use std::thread;

use clap::Args;
use quoit::observer::Message;
use serde_json::json;

use crate::interrupt::{Interrupt, MOMENT};
use crate::output::Output;
use crate::sight::Sight;
use crate::stop::Stop;

/// Shows unread messages in hexadecimal and as text, and leaves them in the ring
#[derive(Args)]
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
}

impl Tail {
    pub(crate) fn run(&self, output: &Output) -> Result<(), Stop> {
        let interrupt = Interrupt::listen()?;
        let sight = Sight::open(&self.name)?;
        let mut next = None;
        loop {
            let mut text = String::new();
            sight.observer.unread(self.count, |message| {
                // Not again what an earlier look has shown.
                if next.is_none_or(|next| message.position.wrapping_sub(next) as i64 >= 0) {
                    next = Some(message.position.wrapping_add(1));
                    text += &show(&message, output.json);
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
}

/// Bytes of a line.
const LINE: usize = 16;

fn show(message: &Message, as_json: bool) -> String {
    let Message {
        position,
        kind,
        bytes,
        ..
    } = message;
    let hex = |bytes: &[u8]| -> String {
        let pairs = bytes.iter().map(|byte| format!("{byte:02x}"));
        pairs
            .collect::<Vec<_>>()
            .join(if as_json { "" } else { " " })
    };
    if as_json {
        let value = json!({"position": position, "kind": kind, "bytes": hex(bytes)});
        return format!("{value}\n");
    }
    let mut text = format!("position {position}, kind {kind}, {} bytes\n", bytes.len());
    for (line, bytes) in bytes.chunks(LINE).enumerate() {
        let letters = bytes.iter().map(|&byte| match byte {
            b' '..=b'~' => char::from(byte),
            _ => '.',
        });
        let letters: String = letters.collect();
        let _ = writeln!(text, "  {:6}  {:47}  {letters}", line * LINE, hex(bytes));
    }
    text
}
