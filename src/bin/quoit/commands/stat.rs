//! `quoit stat`: all that can be seen of rings.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use clap::Args;
use indicatif::HumanBytes;
use quoit::observer::ShapeKind;

use crate::entry::{Entry, owner};
use crate::names::SHARED_MEMORY;
use crate::output::{Colour, Output, columns, plain, wrapped};
use crate::process::Memory;
use crate::report::{Report, doorbell};
use crate::sight::{Look, Motion, Peer, age};
use crate::stop::Stop;
use crate::watch::{Watch, Watched};
use crate::wrong::wrong;

/// Between the two looks that tell rates.
const WHILE: Duration = Duration::from_millis(200);
/// Of the titles.
const INDENT: usize = 10;

/// Shows the state of rings, their endpoints, and what looks wrong
///
/// It looks twice, 200 ms apart, so that it shows rates and an endpoint that hangs.
#[derive(Args)]
pub(crate) struct Stat {
    /// The rings: names in /dev/shm, paths with a /, or patterns such as 'feed-*'
    /// [default: all in /dev/shm]
    names: Vec<PathBuf>,
}

impl Stat {
    pub(crate) fn run(&self, output: &Output) -> Result<(), Stop> {
        let mut watch = Watch::new(&self.names)?;
        if watch.rings.iter().any(|ring| ring.entry.ring.is_ok()) {
            thread::sleep(WHILE);
            watch.look()?;
        }
        watch.must_find_all()?;
        let memory = |entry: &Entry| Memory::of(&entry.path);
        let rings = watch.rings.iter();
        let text = if output.json {
            let all = rings.map(|ring| (&ring.entry, Some(&ring.motion), memory(&ring.entry)));
            Report::of(all, Vec::new())
        } else if watch.rings.is_empty() {
            format!("no rings in {SHARED_MEMORY}\n")
        } else {
            let each = rings.map(|ring| words(ring, memory(&ring.entry).as_ref(), output));
            each.collect::<Vec<_>>().join("\n")
        };
        output.answer(text)
    }
}

/// A title, which a line that continues has none of, and what it is of.
type Line = (&'static str, String);

fn words(ring: &Watched, memory: Option<&Memory>, output: &Output) -> String {
    let (entry, motion) = (&ring.entry, &ring.motion);
    let path = plain(&entry.path.display().to_string());
    let (owner, mode, inode) = (owner(entry.file.uid()), entry.mode, entry.file.ino());
    let file = format!("{path}, owner {owner}, mode {mode:o}, inode {inode}");
    let mut lines = vec![("ring", plain(&entry.shown())), ("file", file)];
    if let Ok(look) = &entry.ring {
        lines.extend(inside(look, motion, memory));
        for (peer, idle) in look.peers().iter().zip(motion.idle) {
            lines.extend(endpoint(peer, idle, memory));
        }
    }
    let troubles = wrong(entry, Some(motion));
    let columns = columns().map_or(usize::MAX, usize::from);
    let troubles = troubles.iter().map(|trouble| ("wrong", plain(trouble)));
    let mut text = String::new();
    for (title, line) in lines.into_iter().chain(troubles) {
        let mut title = title;
        for line in wrapped(&line, columns, INDENT) {
            let line = match title {
                "wrong" => output.paint(Colour::Red, &line),
                _ => line,
            };
            text += &format!("{title:9} {line}\n");
            title = "";
        }
    }
    text
}

/// How much memory it is, and where.
fn place(length: u64, memory: Option<&Memory>) -> String {
    let Some(Memory {
        file_system, own, ..
    }) = memory
    else {
        return format!("{length} bytes");
    };
    let file_system = file_system.iter().map(|name| format!(" on {name}"));
    let file_system: String = file_system.collect();
    format!(
        "{length} bytes{file_system}, pages of {} KiB",
        own.size / 1024
    )
}

fn inside(look: &Look, motion: &Motion, memory: Option<&Memory>) -> Vec<Line> {
    let (info, positions) = (look.info, look.sample.positions);
    let (capacity, unit) = (info.capacity, look.shape().1);
    let holds = match info.shape {
        ShapeKind::Frames => format!("frames in {capacity} bytes"),
        ShapeKind::Records => {
            let (size, align) = (info.slot_size, info.slot_align);
            format!("{capacity} records of {size} bytes, aligned to {align}")
        }
    };
    let unread = match look.corrupt {
        Some(_) => "unknown: it is corrupt".to_owned(),
        None => format!("{} {unit} ({}%)", positions.len(), look.percent()),
    };
    let position = |at: u64, rate: f64| format!("{at}, {rate:.0} {unit}/s");
    let (schema, layout, incarnation) = (info.schema, info.layout, info.incarnation);
    let made = format!("{} ago, incarnation {incarnation:016x}", age(info.created));
    vec![
        ("holds", holds),
        ("schema", format!("{schema:016x}, layout version {layout}")),
        ("made", made),
        ("doorbell", doorbell(info.doorbell).to_owned()),
        ("memory", place(info.length, memory)),
        ("tail", position(positions.tail, motion.in_per_second)),
        ("head", position(positions.head, motion.out_per_second)),
        ("unread", unread),
    ]
}

fn endpoint(peer: &Peer, idle: Duration, memory: Option<&Memory>) -> Vec<Line> {
    let (state, running) = (peer.state, peer.running());
    let (title, did) = match peer.role {
        quoit::Role::Producer => ("producer", "pushed"),
        quoit::Role::Consumer => ("consumer", "taken"),
    };
    let mut life = peer.life();
    if peer.is_alive {
        let core = running.core.map(|core| format!(", on core {core}"));
        let sleeping = state.is_asleep.then_some(", sleeping at the ring");
        life = format!("{}, attached {} ago", peer.named(), age(state.since));
        life += &(core.unwrap_or_default() + sleeping.unwrap_or_default());
    } else if state.epoch == 0 {
        "never attached".clone_into(&mut life);
    }
    let mut lines = vec![(title, life)];
    let command = running.command.as_deref().map(plain);
    lines.extend(
        command
            .filter(|command| !command.is_empty())
            .map(|command| ("", command)),
    );
    if !idle.is_zero() {
        let (millis, does) = (idle.as_millis(), running.words());
        lines.push(("", format!("has {did} nothing for {millis} ms{does}")));
    }
    if state.epoch > 0 {
        let [epoch, parks, wakes] = [state.epoch, state.parks, state.wakes];
        let [rescues, dropped] = [state.rescues, state.dropped];
        let times = if epoch == 1 { "time" } else { "times" };
        let counts = format!(
            "attached {epoch} {times}; sleeps: {parks}, rescued: {rescues}, wakes sent: {wakes}, \
             dropped: {dropped}"
        );
        lines.push(("", counts));
    }
    let pages = memory.zip(peer.pid());
    if let Some(pages) = pages.and_then(|(memory, pid)| memory.pages_of(pid)) {
        let [mapped, huge] = [pages.mapped, pages.huge].map(HumanBytes);
        let pages = format!("has mapped {mapped}, {huge} of it in huge pages");
        lines.push(("", pages));
    }
    lines
}
