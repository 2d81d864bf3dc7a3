//! The runbook: what its page quotes is what the tool says.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::process::geteuid;

use crate::tool::*;
use crate::transcript::shell;

/// A child that has this role, after which there may be more in its command.
pub(crate) fn held(name: &str, role: &str) -> Child {
    let holder = Child::start("holder", &[name, role]);
    holder.expect("ready");
    holder
}

/// Takes a role, and then nothing.
pub(crate) fn holder(arguments: &[String]) {
    let (name, role) = (&arguments[0], &arguments[1]);
    let _producer = role
        .starts_with("producer")
        .then(|| FrameProducer::open(name).expect("a role"));
    let _consumer = role
        .starts_with("consumer")
        .then(|| FrameConsumer::open(name).expect("a role"));
    hold();
}

/// Without what is another one each time: words with digits, unless they are a percentage, and
/// functions of the kernel.
const ITS_OWN: fn(char) -> bool = |letter| letter == '_' || letter.is_ascii_digit();

fn shape(text: &str) -> Vec<&str> {
    let is_kept = |word: &&str| word.ends_with('%') || !word.contains(ITS_OWN);
    text.split_whitespace().filter(is_kept).collect()
}

/// Has a /dev/shm of its own, and in it all that the page is about.
pub(crate) fn the_runbook_quotes_what_the_tool_says() {
    if !own_shm(c"mode=1777") {
        return;
    }
    let shm = Path::new("/dev/shm");
    let names = ["bad", "log", "orders", "ticks", "quiet", "x"];
    for (name, frames) in names.into_iter().zip([1, 2048, 1211, 2047, 0, 0]) {
        let mut producer = FrameProducer::create(name, 65536).expect("a ring");
        (0..frames).for_each(|_| producer.push(&[0; 24]).expect("room"));
    }
    SegmentFile::open(&shm.join("bad")).write(TAIL, 0xffff_ffff_ffff);
    let holders = ["orders", "ticks", "quiet"]
        .map(|name| ["producer", "consumer"].map(|role| held(name, role)));
    stop(holders[0][1].pid());
    let root = file_directory();
    File::create(root.path().join(".dockerenv")).expect("a file");
    let container = format!("--all --root {}", root.path().display());

    // Another user looks, or none: an owner without rights cannot look, either.
    let is_root = geteuid().is_root();
    let log = shm.join("log");
    let set = |mode| fs::set_permissions(&log, Permissions::from_mode(mode)).expect("ours");
    let all = says(&["stat"]);
    let (_, owner) = all.split_once(", owner ").expect("an owner");
    let (owner, _) = owner.split_once(',').expect("the end of its name");
    let mut quotes = Vec::new();
    for section in include_str!("../../src/docs/runbook.md").split("\n## ") {
        let title = section.lines().next().expect("a title");
        match title {
            "Permission denied" if !is_root => set(0),
            "SIGBUS" => {
                set(0o600);
                SegmentFile::open(&log).truncate(4096);
            }
            "Leftovers" => drop(FrameProducer::create(".quoit-0123456789abcdef.new", 64)),
            _ => {}
        }
        let rows = section
            .lines()
            .filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
        quotes.extend(rows.map(|(row, _)| (all.clone(), row)));
        for run in section.split("$ ").skip(1) {
            let (run, _) = run.split_once("\n```").expect("the end of a block");
            let (command, quoted) = run.split_once('\n').expect("an answer");
            let command = command.replace("--all", &container);
            let is_denied = title == "Permission denied";
            let ended = shell(&command, if is_denied { "other" } else { "" });
            let said = String::from_utf8_lossy(&ended.output) + &*ended.errors;
            let said = said.replace(owner, "root");
            quotes.extend(quoted.lines().map(|quote| (said.clone(), quote)));
        }
    }
    assert!(quotes.len() > 20, "{quotes:?}");
    for (said, quote) in quotes {
        let mut lines = said.lines().map(shape);
        assert!(
            lines.any(|line| line.ends_with(&shape(quote))),
            "{quote:?} is not in\n{said}"
        );
    }
}
