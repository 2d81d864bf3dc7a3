//! `quoit stat`: all that can be seen of a ring.

use std::fmt::Write;
use std::path::PathBuf;

use clap::Args;
use quoit::{Error, Role};

use crate::output::{Colour, Output};
use crate::sight::{Sight, age, command, core};
use crate::stop::Stop;

/// Shows the state of a ring, its ends, and what looks wrong
#[derive(Args)]
pub(crate) struct Stat {
    /// The ring: a name in /dev/shm, or a path with a /
    name: PathBuf,
}

impl Stat {
    pub(crate) fn run(&self, output: &Output) -> Result<(), Stop> {
        let sight = Sight::open(&self.name)?;
        let text = if output.json {
            format!("{}\n", sight.json()?)
        } else {
            words(&sight, output)?
        };
        output.answer(text.as_bytes())
    }
}

fn words(sight: &Sight, output: &Output) -> Result<String, Error> {
    let (about, positions) = (sight.observer.about(), sight.observer.positions());
    let unit = match sight.shape() {
        "frames" => "bytes".to_owned(),
        _ => format!("slots of {} bytes", about.slot_size),
    };
    let mut lines = vec![
        ("ring", sight.observer.name().to_owned()),
        (
            "holds",
            format!("{}, capacity {} {unit}", sight.shape(), about.capacity),
        ),
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
        ("memory", format!("{} bytes", about.length)),
        ("tail", positions.tail.to_string()),
        ("head", positions.head.to_string()),
        (
            "unread",
            format!("{} ({} %)", positions.fill(), sight.percent()),
        ),
    ];
    for (title, role) in [("producer", Role::Producer), ("consumer", Role::Consumer)] {
        let peer = sight.peer(role)?;
        let state = peer.state;
        let mut life = peer.life();
        if peer.is_alive {
            life = format!("process {life}");
            if let Some(core) = core(state.pid) {
                let _ = write!(life, " on core {core}");
            }
            let _ = write!(life, " for {}", age(state.since));
            if let Some(command) = command(state.pid) {
                let _ = write!(life, ": {command}");
            }
        }
        lines.push((title, life));
        if state.epoch > 0 {
            let [times, parks, wakes] = [state.epoch, state.parks, state.wakes];
            let rescues = state.rescues;
            let counts = format!("came {times} times, slept {parks}, woke the other {wakes}");
            lines.push(("", format!("{counts}, rescued {rescues}")));
        }
    }
    for wrong in sight.wrong()? {
        lines.push(("wrong", output.paint(Colour::Red, &wrong)));
    }
    let lines = lines
        .iter()
        .map(|(title, text)| format!("{title:9} {text}\n"));
    Ok(lines.collect())
}
