//! `quoit stat`: all that can be seen of a ring.

use std::fmt::Write;
use std::path::PathBuf;

use clap::Args;
use quoit::Role;
use quoit::observer::ObservedShape;
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
    memory
        .filter(|_| peer.is_alive)
        .and_then(|memory| memory.pages_of(peer.state.pid))
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

fn words(sight: &Sight, look: &Look, memory: Option<&Memory>, output: &Output) -> String {
    let (about, positions) = (sight.observer.about(), look.sample.positions);
    let capacity = about.capacity;
    let holds = match about.shape {
        ObservedShape::Frames => format!("frames in {capacity} bytes"),
        ObservedShape::Slots => {
            let (size, align) = (about.slot_size, about.slot_align);
            format!("{capacity} slots of {size} bytes, aligned to {align}")
        }
    };
    let mut lines = vec![
        ("ring", plain(sight.observer.name())),
        ("holds", holds),
        (
            "schema",
            format!("{:016x}, layout version {}", about.schema, about.layout),
        ),
        (
            "made",
            format!(
                "{} ago, incarnation {:016x}",
                sight.age(),
                about.incarnation
            ),
        ),
        ("doorbell", sight.doorbell().to_owned()),
        ("memory", place(about.length, memory)),
        ("tail", positions.tail.to_string()),
        ("head", positions.head.to_string()),
        (
            "unread",
            format!("{} ({} %)", positions.fill(), look.percent()),
        ),
    ];
    for (title, role) in ENDS {
        let peer = look.peer(role);
        let state = peer.state;
        let mut life = peer.life();
        if peer.is_alive {
            life = format!("process {life}");
            if let Some(core) = core(state.pid) {
                let _ = write!(life, " on core {core}");
            }
            let _ = write!(life, " for {}", age(state.since));
            if state.is_asleep {
                life += ", asleep";
            }
            if let Some(command) = command(state.pid) {
                let _ = write!(life, ": {}", plain(&command));
            }
        }
        lines.push((title, life));
        if state.epoch > 0 {
            let [times, parks, wakes] = [state.epoch, state.parks, state.wakes];
            let rescues = state.rescues;
            let counts = format!("came {times}, slept {parks}, was rescued {rescues} times");
            lines.push(("", format!("{counts}; sent {wakes} wake-ups")));
        }
        if let Some(Pages { mapped, huge, .. }) = pages(memory, &peer) {
            let [mapped, huge] = [mapped, huge].map(bytes);
            lines.push((
                "",
                format!("has mapped {mapped}, {huge} of it in huge pages"),
            ));
        }
    }
    for wrong in look.wrong() {
        lines.push(("wrong", output.paint(Colour::Red, &wrong)));
    }
    let lines = lines
        .iter()
        .map(|(title, text)| format!("{title:9} {text}\n"));
    lines.collect()
}
