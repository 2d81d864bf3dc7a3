//! `quoit stat`: all that can be seen of rings.

use std::fmt::Write;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use clap::Args;
use indicatif::HumanBytes;
use quoit::Role;
use quoit::observer::ShapeKind;

use crate::entry::Entry;
use crate::names::{self, SHARED_MEMORY, expanded};
use crate::output::{Colour, Output, columns, plain, wrapped};
use crate::process::{Memory, Pages, Running};
use crate::report::{Report, Ring, doorbell, pages};
use crate::sight::{Look, Motion, ROLES, Sight, age};
use crate::stop::Stop;
use crate::wrong::wrong;

/// Between the two looks that tell rates.
const WHILE: Duration = Duration::from_millis(200);
/// Of the titles.
const INDENT: usize = 10;

/// Shows the state of rings, their ends, and what looks wrong
///
/// It looks twice, 200 ms apart, so that it shows rates and an end that hangs.
#[derive(Args)]
pub(crate) struct Stat {
    /// The rings: names in /dev/shm, paths with a /, or patterns such as 'feed-*'
    /// [default: all in /dev/shm]
    names: Vec<PathBuf>,
}

impl Stat {
    pub(crate) fn run(&self, output: &Output) -> Result<(), Stop> {
        let mut entries = self.entries()?;
        let mut motions = vec![None; entries.len()];
        if entries.iter().any(|entry| entry.ring.is_ok()) {
            thread::sleep(WHILE);
        }
        for (entry, motion) in entries.iter_mut().zip(&mut motions) {
            let Ok((sight, look)) = &mut entry.ring else {
                continue;
            };
            let now = sight.look()?;
            let mut since = Motion::default();
            since.add(look, &now);
            *look = now;
            *motion = Some(since);
        }
        let all = entries.iter().zip(&motions);
        let memory = |entry: &Entry| Memory::of(&entry.file.as_ref()?.path);
        let text = if output.json {
            let rings = all.map(|(entry, motion)| {
                let memory = memory(entry);
                Ring::of(entry, motion.as_ref(), memory.as_ref())
            });
            Report::new(rings.collect(), Vec::new()).text()
        } else if entries.is_empty() {
            format!("no rings in {SHARED_MEMORY}\n")
        } else {
            let each = all.map(|(entry, motion)| {
                let memory = memory(entry);
                words(entry, motion.as_ref(), memory.as_ref(), output)
            });
            each.collect::<Vec<_>>().join("\n")
        };
        output.answer(text.as_bytes())
    }

    /// An error if one of the names leads to no ring.
    fn entries(&self) -> Result<Vec<Entry>, Stop> {
        if self.names.is_empty() {
            return Ok(names::all()?.into_iter().filter_map(Entry::of).collect());
        }
        let mut entries = Vec::new();
        for name in expanded(&self.names)? {
            match Entry::of(name.clone()) {
                Some(entry) => entries.push(entry),
                // Of a pattern only the rings count.
                None if !self.names.contains(&name) => {}
                None => drop(Sight::open(&name)?),
            }
        }
        Ok(entries)
    }
}

/// A title, which a line that goes on has none of, and what it is of.
type Line = (&'static str, String);

fn words(
    entry: &Entry,
    motion: Option<&Motion>,
    memory: Option<&Memory>,
    output: &Output,
) -> String {
    let name = entry.shown();
    let mut lines = vec![("ring", plain(&name))];
    if let Some(file) = &entry.file {
        let (path, mode, inode) = (file.path.display(), file.mode, file.inode);
        let owner = file.owner();
        let path = plain(&path.to_string());
        lines.push((
            "file",
            format!("{path}, owner {owner}, mode {mode:o}, inode {inode}"),
        ));
    }
    let mut troubles = Vec::new();
    match &entry.ring {
        Ok((_, look)) => {
            lines.extend(ring(look, motion, memory));
            for role in ROLES {
                lines.extend(end(role, look, motion, memory));
            }
            troubles = wrong(&name, look, motion);
        }
        Err(trouble) => troubles.push(trouble.words(entry)),
    }
    let columns = columns().map_or(usize::MAX, usize::from);
    let mut text = String::new();
    for (title, line) in lines {
        let line = wrapped(&line, columns, INDENT);
        let _ = writeln!(text, "{title:9} {line}");
    }
    for trouble in troubles {
        let lines = wrapped(&plain(&trouble), columns, INDENT);
        let lines = lines
            .split('\n')
            .map(|line| match line.strip_prefix("          ") {
                Some(rest) => format!("{:INDENT$}{}", "", output.paint(Colour::Red, rest)),
                None => output.paint(Colour::Red, line),
            });
        let lines: Vec<_> = lines.collect();
        let _ = writeln!(text, "{:9} {}", "wrong", lines.join("\n"));
    }
    text
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

fn ring(look: &Look, motion: Option<&Motion>, memory: Option<&Memory>) -> Vec<Line> {
    let (info, positions) = (look.info, look.sample.positions);
    let (capacity, schema, incarnation) = (info.capacity, info.schema, info.incarnation);
    let holds = match info.shape {
        ShapeKind::Frames => format!("frames in {capacity} bytes"),
        ShapeKind::Records => {
            let (size, align) = (info.slot_size, info.slot_align);
            format!("{capacity} records of {size} bytes, aligned to {align}")
        }
    };
    let age = age(info.created);
    let unread = match look.corrupt {
        Some(_) => "unknown: it is corrupt".to_owned(),
        None => format!("{} {} ({})", positions.len(), look.unit(), look.fill()),
    };
    let rate = |of: fn(&Motion) -> f64| {
        let rate = motion.map(of);
        rate.map_or_else(String::new, |rate| format!(", {rate:.0} {}/s", look.unit()))
    };
    vec![
        ("holds", holds),
        (
            "schema",
            format!("{schema:016x}, layout version {}", info.layout),
        ),
        ("made", format!("{age} ago, incarnation {incarnation:016x}")),
        ("doorbell", doorbell(info.doorbell).to_owned()),
        ("memory", place(info.length, memory)),
        (
            "tail",
            positions.tail.to_string() + &rate(|motion| motion.rates.pushed),
        ),
        (
            "head",
            positions.head.to_string() + &rate(|motion| motion.rates.popped),
        ),
        ("unread", unread),
    ]
}

fn end(role: Role, look: &Look, motion: Option<&Motion>, memory: Option<&Memory>) -> Vec<Line> {
    let peer = look.peer(role);
    let (title, at, did) = match role {
        Role::Producer => ("producer", 0, "pushed"),
        Role::Consumer => ("consumer", 1, "taken"),
    };
    let state = peer.state;
    let running = peer.pid().and_then(Running::of);
    let mut life = peer.life();
    if peer.is_alive {
        life = peer.named();
        let _ = write!(life, ", attached {} ago", age(state.since));
        if let Some(core) = running.as_ref().and_then(|running| running.core) {
            let _ = write!(life, ", on core {core}");
        }
        if state.is_asleep {
            life += ", sleeping at the ring";
        }
    }
    let mut lines = vec![(title, life)];
    if let Some(command) = running
        .as_ref()
        .and_then(|running| running.command.as_ref())
    {
        lines.extend((!command.is_empty()).then(|| ("", plain(command))));
    }
    let idle = motion.map(|motion| motion.idle[at]);
    if let Some(idle) = idle.filter(|idle| !idle.is_zero()) {
        let mut text = format!("has {did} nothing for {} ms", idle.as_millis());
        if let Some(running) = &running {
            let _ = write!(text, "; {}", running.words());
        }
        lines.push(("", text));
    }
    if state.epoch > 0 {
        let [epoch, parks, wakes] = [state.epoch, state.parks, state.wakes];
        let [rescues, dropped] = [state.rescues, state.dropped];
        let times = if epoch == 1 { "time" } else { "times" };
        lines.push((
            "",
            format!(
                "attached {epoch} {times}; sleeps: {parks}, rescued: {rescues}, wakes sent: \
                 {wakes}, dropped: {dropped}"
            ),
        ));
    }
    if let Some(Pages { mapped, huge, .. }) = pages(memory, &peer) {
        let [mapped, huge] = [mapped, huge].map(HumanBytes);
        lines.push((
            "",
            format!("has mapped {mapped}, {huge} of it in huge pages"),
        ));
    }
    lines
}
