//! What `stat` says: where a ring is, on which pages, and where its endpoints run.

use std::path::Path;
use std::process::Command;

use quoit::{FrameProducer, Producer};

use crate::common::child::{Child, hear, say};
use crate::common::cores;
use crate::common::mappings::mapped;
use crate::common::mounts::{mount, own_mounts};
use crate::common::names::{RingName, file_directory};
use crate::looking::{ring_of, says};
use crate::tool::file_in;

/// Moves to the last core that it may use, says which, takes a role and waits.
pub(crate) fn pinned(arguments: &[String]) {
    let last = *cores::allowed().expect("cores").last().expect("a core");
    cores::stay_on(last).expect("the core was allowed");
    let _producer = FrameProducer::create(&arguments[0], 64).expect("a ring");
    say(last);
    hear();
}

pub(crate) fn an_endpoint_is_shown_with_its_core_and_command() {
    let name = RingName::new("core");
    let pinned = Child::start("pinned", &[name.as_str(), "two words\x1b", ""]);
    let core = pinned.says();
    let (pid, program) = (pinned.pid(), std::env::current_exe().expect("a path"));
    let command = format!("{} {name} two words\x1b", program.display());
    let stat = ring_of(&["stat", "--json", name.as_str()]);
    assert_eq!(stat["producer"]["core"].to_string(), core);
    assert_eq!(stat["producer"]["command"], command);
    assert_eq!(stat["consumer"]["core"], serde_json::Value::Null);
    let text = says(&["stat", name.as_str()]);
    let start = format!("producer  process {pid}, attached ");
    let mut lines = text.lines().skip_while(|line| !line.starts_with(&start));
    let life = lines.next().unwrap_or_else(|| panic!("{text}"));
    assert!(life.contains(&format!("s ago, on core {core}")), "{life}");
    let shown = format!("          {}", command.replace('\x1b', "?"));
    assert_eq!(lines.next(), Some(&*shown));
}

pub(crate) fn a_ring_is_shown_with_the_file_system_it_is_on() {
    let directory = file_directory();
    let file = &*file_in(&directory, "ring");
    drop(Producer::<u64>::create(file, 64).expect("a ring"));
    let df = Command::new("df").args(["--output=fstype", file]).output();
    let df = String::from_utf8(df.expect("df runs").stdout).expect("text");
    let expected = df.lines().nth(1).expect("a file system");
    let stat = ring_of(&["stat", "--json", file]);
    assert_eq!(stat["file_system"], expected);

    let name = RingName::new("tmpfs");
    drop(Producer::<u64>::create(&name, 64).expect("a ring"));
    let text = says(&["stat", name.as_str()]);
    let memory = text.lines().find(|line| line.starts_with("memory "));
    // SAFETY: the call only asks.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    let expected = format!(" on tmpfs, pages of {} KiB", page / 1024);
    assert!(
        memory.is_some_and(|line| line.ends_with(&expected)),
        "{text}"
    );
    assert_eq!(
        ring_of(&["stat", "--json", name.as_str()])["page_bytes"],
        page
    );
}

pub(crate) fn an_odd_name_hides_no_pages() {
    let name = RingName::new("odd").and("\n (deleted)");
    let _producer = Producer::<u64>::create(&name, 64).expect("a ring");
    let stat = ring_of(&["stat", "--json", name.as_str()]);
    assert_eq!(stat["file_system"], "tmpfs");
    assert!(
        stat["producer"]["mapped_bytes"].as_u64() > Some(0),
        "{stat}"
    );
}

pub(crate) fn the_pages_of_each_endpoint_are_shown() {
    Child::start("among_huge_pages", &[]).succeeds();
}

/// Has a /dev/shm of its own, which is removed with it.
pub(crate) fn among_huge_pages(_: &[String]) {
    let shm = Path::new("/dev/shm");
    let mounted =
        own_mounts().and_then(|()| mount(c"none", shm, c"tmpfs", 0, c"huge=always,size=64m"));
    if let Err(error) = mounted {
        return eprintln!("[no huge pages of its own: {error}] ");
    }
    // Opened by its name, the mapping has that name.
    drop(FrameProducer::create("ring", 8 << 20).expect("a ring"));
    let mut producer = FrameProducer::open("ring").expect("the role is free");
    producer.push(&vec![7; 3 << 20]).expect("room");
    let stat = ring_of(&["stat", "--json", "ring"]);
    let kilobytes = |field| mapped(&shm.join("ring"), field);
    let (rss, huge) = (kilobytes("Rss:"), kilobytes("ShmemPmdMapped:"));
    // The kernel may lack memory for huge pages.
    assert!(rss >= 3 << 10 && huge <= rss, "{huge} of {rss} kB");
    assert_eq!(stat["producer"]["mapped_bytes"], rss << 10);
    assert_eq!(stat["producer"]["huge_bytes"], huge << 10);
    assert_eq!(stat["file_system"], "tmpfs");
    let text = says(&["stat", "ring"]);
    assert!(text.contains("\n          has mapped "), "{text}");
}
