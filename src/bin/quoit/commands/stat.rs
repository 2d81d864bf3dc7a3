//! `quoit stat`: all that can be seen of rings.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use indicatif::HumanBytes;
use quoit::Role;
use quoit::observer::ShapeKind;

use crate::entry::owner;
use crate::names::SHARED_MEMORY;
use crate::output::{Colour, Output, columns, plain, wrapped};
use crate::process::{Memories, Memory, Pages};
use crate::report::{Ring, doorbell, report};
use crate::sight::{Look, Motion, Peer, age};
use crate::stop::Stop;
use crate::watch::{Watch, Watched};

/// Of the titles.
const INDENT: usize = 10;

/// Shows the state of rings, their endpoints, and what looks wrong
///
/// It samples each ring twice, 200 ms apart, to show rates and endpoints that hang.
#[derive(Args)]
pub(crate) struct Stat {
    /// The rings: names in /dev/shm, paths with a /, or patterns such as 'feed-*'
    /// [default: all in /dev/shm]
    names: Vec<PathBuf>,
}

impl Stat {
    pub(crate) fn run(&self, output: &Output) -> Result<(), Stop> {
        let watch = Watch::twice(&self.names)?;
        watch.must_find_all()?;
        let mut memories = Memories::default();
        let mut memory = |Watched { entry, .. }: &Watched| {
            let peers = &entry.ring.as_ref().ok()?.peers;
            let pids = peers.each_ref().map(Peer::pid);
            memories.of(&entry.path, &entry.file, pids)
        };
        let rings = watch.rings.iter();
        let text = if output.json {
            let each = rings.map(|ring| Ring::of(&ring.entry, Some(&ring.motion), memory(ring)));
            report(each, &[])
        } else if watch.rings.is_empty() {
            format!("no rings in {SHARED_MEMORY}\n")
        } else {
            let each = rings.map(|ring| words(ring, memory(ring).as_ref(), output));
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
        for (at, peer) in look.peers.iter().enumerate() {
            let pages = memory.and_then(|memory| memory.pages[at]);
            lines.extend(endpoint(peer, motion.idle[at], pages));
        }
    }
    let troubles = entry.wrong(Some(motion));
    let columns = columns().map_or(usize::MAX, usize::from);
    let troubles = troubles.iter().map(|trouble| ("wrong", plain(trouble)));
    let mut text = String::new();
    for (mut title, line) in lines.into_iter().chain(troubles) {
        let is_wrong = title == "wrong";
        for line in wrapped(&line, columns, INDENT) {
            let red = || output.paint(Colour::Red, &line);
            let line = if is_wrong { red() } else { line.clone() };
            text += &format!("{title:9} {line}\n");
            title = "";
        }
    }
    text
}

/// How much memory it is, and where.
fn place(length: u64, memory: Option<&Memory>) -> String {
    let mut place = format!("{length} bytes");
    if let Some(Memory { device, .. }) = memory {
        let file_system = device.file_system.iter().map(|name| format!(" on {name}"));
        place.extend(file_system);
        place += &format!(", pages of {} KiB", device.page_bytes / 1024);
    }
    place
}

fn inside(look: &Look, motion: &Motion, memory: Option<&Memory>) -> Vec<Line> {
    let (info, positions) = (look.info, look.sample.positions);
    let (capacity, unit) = (info.capacity, look.unit());
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

fn endpoint(peer: &Peer, idle: Duration, pages: Option<Pages>) -> Vec<Line> {
    let (state, running) = (peer.state, peer.running());
    let (title, did) = match peer.role {
        Role::Producer => ("producer", "pushed"),
        Role::Consumer => ("consumer", "taken"),
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
    let command = running.command.as_deref().map(plain).unwrap_or_default();
    lines.extend((!command.is_empty()).then_some(("", command)));
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
    if let Some(pages) = pages {
        let [mapped, huge] = [pages.mapped, pages.huge].map(HumanBytes);
        let pages = format!("has mapped {mapped}, {huge} of it in huge pages");
        lines.push(("", pages));
    }
    lines
}
