//! `quoit stat`: all that can be seen of a ring.

use std::fmt::Write;
use std::path::PathBuf;

use clap::Args;
use quoit::Role;
use quoit::observer::ShapeKind;
use serde_json::{Value, json};

use crate::output::{Colour, Output, plain};
use crate::pages::{Memory, Pages};
use crate::progress::bytes;
use crate::sight::{Look, Peer, Sight, age, command, core};
use crate::stop::Stop;

const ENDS: [(&str, Role); 2] = [("producer", Role::Producer), ("consumer", Role::Consumer)];

/// Shows the state of a ring, its ends, and what looks wrong
#[derive(Args)]
pub(crate) struct Stat {
    /// The ring: a name in /dev/shm, or a path with a /
    name: PathBuf,
}

impl Stat {
    pub(crate) fn run(&self, output: &Output) -> Result<(), Stop> {
        let sight = Sight::open(&self.name)?;
        let look = sight.look()?;
        let memory = Memory::of(&self.name);
        let text = if output.json {
            format!("{}\n", json(&sight, &look, memory.as_ref()))
        } else {
            words(&sight, &look, memory.as_ref(), output)
        };
        output.answer(text.as_bytes())
    }
}

fn json(sight: &Sight, look: &Look, memory: Option<&Memory>) -> Value {
    let mut value = sight.json(look);
    value["file_system"] = json!(memory.map(|memory| &memory.file_system));
    value["page_bytes"] = json!(memory.map(|memory| memory.own.size));
    for (title, role) in ENDS {
        let pages = pages(memory, &look.peer(role));
        value[title]["mapped_bytes"] = json!(pages.map(|pages| pages.mapped));
        value[title]["huge_bytes"] = json!(pages.map(|pages| pages.huge));
    }
    value
}

fn pages(memory: Option<&Memory>, peer: &Peer) -> Option<Pages> {
    memory?.pages_of(peer.pid()?)
}

/// How much memory it is, and where.
fn place(length: u64, memory: Option<&Memory>) -> String {
    let mut text = format!("{length} bytes");
    if let Some(memory) = memory {
        if let Some(file_system) = &memory.file_system {
            let _ = write!(text, " on {file_system}");
        }
        let _ = write!(text, ", pages of {} KiB", memory.own.size / 1024);
    }
    text
}

/// A title, which a line that goes on has none of, and what it is of.
type Line = (&'static str, String);

fn words(sight: &Sight, look: &Look, memory: Option<&Memory>, output: &Output) -> String {
    let mut lines = ring(sight, look, memory);
    for (title, role) in ENDS {
        lines.extend(end(title, &look.peer(role), memory));
    }
    for wrong in look.wrong() {
        lines.push(("wrong", output.paint(Colour::Red, &wrong)));
    }
    let lines = lines
        .iter()
        .map(|(title, text)| format!("{title:9} {text}\n"));
    lines.collect()
}

fn ring(sight: &Sight, look: &Look, memory: Option<&Memory>) -> Vec<Line> {
    let (info, positions) = (sight.observer.info(), look.sample.positions);
    let (capacity, schema, incarnation) = (info.capacity, info.schema, info.incarnation);
    let holds = match info.shape {
        ShapeKind::Frames => format!("frames in {capacity} bytes"),
        ShapeKind::Records => {
            let (size, align) = (info.slot_size, info.slot_align);
            format!("{capacity} records of {size} bytes, aligned to {align}")
        }
    };
    let made = format!("{} ago, incarnation {incarnation:016x}", sight.age());
    let schema = format!("{schema:016x}, layout version {}", info.layout);
    let unread = format!("{} ({} %)", positions.len(), look.percent());
    vec![
        ("ring", plain(sight.observer.name())),
        ("holds", holds),
        ("schema", schema),
        ("made", made),
        ("doorbell", sight.doorbell().to_owned()),
        ("memory", place(info.length, memory)),
        ("tail", positions.tail.to_string()),
        ("head", positions.head.to_string()),
        ("unread", unread),
    ]
}

fn end(title: &'static str, peer: &Peer, memory: Option<&Memory>) -> Vec<Line> {
    let state = peer.state;
    let mut life = peer.life();
    if peer.is_alive {
        life = peer.named();
        let _ = write!(life, ", here for {}", age(state.since));
        if let Some(core) = peer.pid().and_then(core) {
            let _ = write!(life, ", on core {core}");
        }
        if state.is_asleep {
            life += ", asleep";
        }
    }
    let mut lines = vec![(title, life)];
    if let Some(command) = peer.pid().and_then(command) {
        lines.push(("", plain(&command)));
    }
    if state.epoch > 0 {
        let [times, parks, wakes] = [state.epoch, state.parks, state.wakes];
        let rescues = state.rescues;
        let counts = format!("came {times}, slept {parks}, was rescued {rescues} times");
        let dropped = state.dropped;
        lines.push((
            "",
            format!("{counts}; wake-ups sent: {wakes}; dropped: {dropped}"),
        ));
    }
    if let Some(Pages { mapped, huge, .. }) = pages(memory, peer) {
        let [mapped, huge] = [mapped, huge].map(bytes);
        lines.push((
            "",
            format!("has mapped {mapped}, {huge} of it in huge pages"),
        ));
    }
    lines
}
