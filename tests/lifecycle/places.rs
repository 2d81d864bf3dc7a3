//! The file that a name refers to depends on the process; whether a ring is superseded does not.

use std::env;
use std::fs;
use std::io;
use std::os::unix::fs::chroot;
use std::path::Path;
use std::time::Duration;

use quoit::{Error, Observer, PopError, Producer, RingOptions};

use crate::common::PATIENCE;
use crate::common::fork::{in_a_directory, succeeds};
use crate::common::mounts::{mount, own_mounts};
use crate::common::names::shared_memory_directory;
use crate::common::refused::is;
use crate::common::rings::{consumer, producer};
use crate::common::worker::{Worker, hear, tell};

crate::common::suite::tests! {
    a_ring_lives_where_its_name_refers_to_nothing,
    an_observer_sees_that_its_file_was_copied_up,
}

/// Makes the name refer to nothing for this process, and returns false if it may not.
fn displace(directory: &Path, way: &str) -> bool {
    let displaced = match way {
        "chroot" => own_mounts().and_then(|()| chroot(directory.join("empty"))),
        "mount" => own_mounts().and_then(|()| mount(c"none", directory, c"tmpfs", 0, c"")),
        _ => env::set_current_dir("/"),
    };
    is_done(displaced, way)
}

fn is_done(result: io::Result<()>, what: &str) -> bool {
    result
        .inspect_err(|error| eprintln!("[no {what}: {error}] "))
        .is_ok()
}

/// A consumer waits there for its first producer, and no call unlinks the ring from there.
fn a_ring_lives_where_its_name_refers_to_nothing() {
    for way in ["chroot", "mount", "chdir"] {
        let directory = shared_memory_directory();
        let path = directory.path();
        fs::create_dir(path.join("empty")).expect("our directory");
        let worker = Worker::start(|socket| {
            env::set_current_dir(path).expect("it exists");
            let parent = if way == "chdir" { Path::new(".") } else { path };
            let options = RingOptions::new(4).peer_check(Duration::from_millis(1));
            let [ring, stale] = ["ring", "stale"].map(|name| {
                let ring = options.create::<u64>(parent.join(name));
                ring.expect("a ring")
            });
            drop(producer(&stale));
            let mut consumer = consumer(&ring);
            let is_displaced = displace(path, way);
            tell(&socket, is_displaced.into());
            if !is_displaced {
                return;
            }
            let again = options.open::<u64>(parent.join("ring"));
            is!(again => Err(Error::NotFound { .. }));
            assert!(!consumer.is_superseded());
            // For many liveness checks.
            let popped = consumer.pop_timeout(Duration::from_millis(50));
            assert_eq!(popped, Err(PopError::TimedOut), "{way}");
            if way != "chroot" {
                // By the path in /proc.
                drop(producer(&ring));
            }
            is!(stale.unlink() => Err(Error::NameElsewhere { .. }));
            is!(stale.unlink_if_read() => Err(Error::NameElsewhere { .. }));
            is!(stale.sync_all() => Err(Error::NameElsewhere { .. }));
            tell(&socket, 0);
            consumer.wait_for_peer_timeout(PATIENCE).expect("a peer");
            assert_eq!(consumer.pop_timeout(PATIENCE), Ok(7));
            tell(&socket, 0);
            hear(&socket);
            let popped = consumer.pop_timeout(PATIENCE);
            assert_eq!(popped, Err(PopError::Superseded));
        });
        if hear(&worker.socket) == 1 {
            hear(&worker.socket);
            let name = path.join("ring");
            let mut producer = Producer::<u64>::open(&name).expect("the role is free");
            producer.try_push(7).expect("there is room");
            hear(&worker.socket);
            drop(producer);
            fs::remove_file(&name).expect("it exists");
            assert!(path.join("stale").exists(), "{way}");
            tell(&worker.socket, 0);
        }
        succeeds(worker.pid);
    }
}

fn an_observer_sees_that_its_file_was_copied_up() {
    in_a_directory(over_a_layer);
}

/// On an overlayfs whose lower layer has a ring.
fn over_a_layer(directory: &Path) {
    if !displace(directory, "mount") {
        return;
    }
    let [lower, _, _, merged] = ["lower", "upper", "work", "merged"].map(|layer| {
        fs::create_dir(directory.join(layer)).expect("our directory");
        directory.join(layer)
    });
    let ring = RingOptions::new(4).create::<u64>(lower.join("ring"));
    drop(ring.expect("a ring"));
    env::set_current_dir(directory).expect("it exists");
    let options = c"lowerdir=lower,upperdir=upper,workdir=work";
    if !is_done(
        mount(c"overlay", &merged, c"overlay", 0, options),
        "overlay",
    ) {
        return;
    }
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
