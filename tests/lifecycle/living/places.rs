//! The file that a name refers to depends on the process; whether a ring is superseded does not.

use std::env;
use std::fs;
use std::io;
use std::os::unix::fs::chroot;
use std::path::{Path, PathBuf};
use std::time::Duration;

use quoit::{Error, Observer, PopError, Producer, Ring, RingOptions};

use crate::common::PATIENCE;
use crate::common::child::{Child, hear, say};
use crate::common::fork::in_a_directory;
use crate::common::mounts::{mount, own_mounts};
use crate::common::names::{files_in, shared_memory_directory};

crate::common::suite::tests! {
    a_wait_continues_when_the_name_refers_to_nothing,
    unlink_reports_a_name_that_refers_to_another_file,
    an_observer_sees_that_its_file_was_copied_up;
    parts: displaced, unlinker
}

/// The change of the process, or of the name, after it has opened the ring.
const WAYS: [&str; 4] = ["chroot", "mount", "chdir", "mv"];

fn a_wait_continues_when_the_name_refers_to_nothing() {
    for way in WAYS {
        let directory = shared_memory_directory();
        let path = directory.path();
        fs::create_dir(path.join("empty")).expect("our directory");
        RingOptions::new(4)
            .create::<u64>(path.join("ring"))
            .expect("a ring");
        let text = path.to_str().expect("a path in UTF-8");
        let mut child = Child::start("displaced", &[text, way]);
        let said = child.says();
        if let Some(refusal) = said.strip_prefix("refused: ") {
            eprintln!("[no {way}: {refusal}] ");
            continue;
        }
        assert_eq!(said, "waits");
        let name = path.join(if way == "mv" { "moved" } else { "ring" });
        let mut producer = Producer::<u64>::open(&name).expect("the role is free");
        producer.try_push(7).expect("there is room");
        child.expect("got Ok(7)");
        drop(producer);
        fs::remove_file(&name).expect("it exists");
        child.tell("removed");
        child.expect("got Err(Superseded)");
        child.succeeds();
    }
}

/// The name by which the ring is opened, in its directory.
fn name_for(directory: &Path, way: &str) -> PathBuf {
    match way {
        "chdir" => Path::new("./ring").to_owned(),
        _ => directory.join("ring"),
    }
}

/// Makes the name refer to nothing for this process.
fn displace(directory: &Path, way: &str) -> io::Result<()> {
    match way {
        "chroot" => own_mounts().and_then(|()| chroot(directory.join("empty"))),
        "mount" => own_mounts().and_then(|()| mount(c"none", directory, c"tmpfs", 0, c"")),
        "chdir" => env::set_current_dir("/"),
        _ => fs::rename(directory.join("ring"), directory.join("moved")),
    }
}

/// Waits for its first producer from there.
fn displaced(arguments: &[String]) {
    let directory = Path::new(&arguments[0]);
    env::set_current_dir(directory).expect("it exists");
    let way = &*arguments[1];
    let name = name_for(directory, way);
    let options = RingOptions::new(4).peer_check(Duration::from_millis(1));
    let ring = options.open::<u64>(&name).expect("a ring");
    let mut consumer = ring.consumer().expect("the role is free");
    if let Err(error) = displace(directory, way) {
        return say(format_args!("refused: {error}"));
    }
    assert!(
        Ring::<u64>::open(&name).is_err(),
        "the name refers to nothing"
    );
    assert!(!consumer.is_superseded());
    // For many liveness checks.
    let popped = consumer.pop_timeout(Duration::from_millis(50));
    assert_eq!(popped, Err(PopError::TimedOut), "{way}");
    if way != "chroot" {
        // By the path in /proc.
        drop(ring.producer().expect("the role is free"));
    }
    say("waits");
    let popped = match consumer.pop_timeout(PATIENCE) {
        // The role that was taken and released above.
        Err(PopError::Abandoned) => {
            consumer.wait_for_peer_timeout(PATIENCE).expect("a peer");
            consumer.pop_timeout(PATIENCE)
        }
        other => other,
    };
    say(format_args!("got {popped:?}")
        .to_string()
        .replace("\n", " "));
    hear();
    let popped = consumer.pop_timeout(PATIENCE);
    assert_eq!(popped, Err(PopError::Superseded));
    say("got Err(Superseded)");
}

/// `Ring::unlink` returns the correct error if the name refers to another file, and another
/// ring with the name is kept.
fn unlink_reports_a_name_that_refers_to_another_file() {
    for way in WAYS {
        let directory = shared_memory_directory();
        let path = directory.path();
        fs::create_dir(path.join("empty")).expect("our directory");
        let text = path.to_str().expect("a path in UTF-8");
        Child::start("unlinker", &[text, way]).succeeds();
        let left = files_in(path);
        let expected = match way {
            "mv" => vec!["empty", "moved", "ring"],
            _ => vec!["empty", "ring"],
        };
        assert_eq!(left, expected, "{way}");
    }
}

/// Unlinks its ring from there.
fn unlinker(arguments: &[String]) {
    let directory = Path::new(&arguments[0]);
    env::set_current_dir(directory).expect("it exists");
    let way = &*arguments[1];
    let name = name_for(directory, way);
    let options = RingOptions::new(4);
    let ring = options.create::<u64>(&name).expect("a ring");
    drop(ring.producer().expect("the role is free")); // it was used, and is stale
    if let Err(error) = displace(directory, way) {
        return eprintln!("[no {way}: {error}] ");
    }
    let refused = |error: Option<Error>| {
        let elsewhere = matches!(error, Some(Error::NameElsewhere { .. }));
        assert!(elsewhere, "{way}: {error:?}");
        let text = error.expect("it is refused").to_string();
        assert!(
            text.contains("elsewhere") && text.contains("renamed"),
            "{text}"
        );
        assert!(!text.contains("was unlinked"), "{text}");
    };
    refused(ring.unlink().err());
    refused(ring.unlink_if_read().err());
    if way != "mv" {
        return;
    }
    // The ring that has the name now, which was also read to its end.
    let other = options.create::<u64>(&name).expect("the name is free");
    drop(other.producer().expect("the role is free"));
    refused(ring.unlink().err());
    refused(ring.unlink_if_read().err());
    fs::remove_file(directory.join("moved")).expect("it exists");
    assert!(matches!(ring.unlink(), Err(Error::Superseded { .. })));
    assert!(!ring.unlink_if_read().expect("it was removed"));
    other.unlink().expect("no process holds it");
    fs::write(directory.join("moved"), "").expect("our directory");
    fs::write(directory.join("ring"), "").expect("our directory");
}

fn an_observer_sees_that_its_file_was_copied_up() {
    in_a_directory(over_a_layer);
}

fn over_a_layer(directory: &Path) {
    let Some(merged) = layers(directory) else {
        return;
    };
    let name = merged.join("ring");
    let observer = Observer::open(&name).expect("a ring");
    let is_over = || observer.is_superseded().expect("an answer");
    assert!(!is_over());
    let mut producer = Producer::<u64>::open(&name).expect("the role is free");
    producer.try_push(7).expect("there is room");
    assert_eq!(observer.positions().tail, 0, "it has the lower layer");
    assert!(is_over());
    let current = Observer::open(&name).expect("a ring");
    assert!(!current.is_superseded().expect("an answer"));
    assert_eq!(current.info().incarnation, observer.info().incarnation);
    assert_eq!(current.positions().tail, 1);
}

/// An overlayfs whose lower layer has a ring; prints a note if there can be none.
fn layers(directory: &Path) -> Option<std::path::PathBuf> {
    let mounted = own_mounts().and_then(|()| mount(c"none", directory, c"tmpfs", 0, c""));
    for layer in ["lower", "upper", "work", "merged"] {
        fs::create_dir(directory.join(layer)).expect("our directory");
    }
    let lower = directory.join("lower").join("ring");
    drop(RingOptions::new(4).create::<u64>(&lower).expect("a ring"));
    env::set_current_dir(directory).expect("it exists");
    let options = c"lowerdir=lower,upperdir=upper,workdir=work";
    let merged = directory.join("merged");
    let mounted = mounted.and_then(|()| mount(c"overlay", &merged, c"overlay", 0, options));
    if let Err(error) = mounted {
        eprintln!("[no overlay: {error}] ");
        return None;
    }
    Some(merged)
}
