//! Descriptors: with any number of free descriptors, a call takes what it needs, or returns
//! an error and closes all of them.

use std::fs::File;

use quoit::{Error, Producer, RingOptions, StalePolicy};
use rustix::process::Resource;

use crate::common::names::{files_in, shared_memory_directory};
use crate::common::process::set_limit;
use crate::limits::is_refused;

crate::common::suite::tests! {
    too_few_descriptors_are_an_error_at_every_call,
}

fn too_few_descriptors_are_an_error_at_every_call() {
    let private = shared_memory_directory();
    let directory = private.path();
    let name = &directory.join("ring");
    set_limit(Resource::Nofile, 32);
    let options = RingOptions::new(64);
    let replacing = options.clone().stale(StalePolicy::Replace);
    let (nothing, a_ring) = ([].as_slice(), ["ring"].as_slice());
    let has = |files: &'static [&str]| move || assert_eq!(files_in(directory), files);

    let ring = with_few("create", || options.create::<u64>(name), has(nothing));
    drop(ring);
    let ring = with_few("open", || options.open::<u64>(name), has(a_ring));
    let producer = with_few("producer", || ring.producer(), has(a_ring));
    let consumer = with_few("consumer", || ring.consumer(), has(a_ring));
    // Using and closing them needs no descriptor.
    let full = take_all();
    let (mut producer, mut consumer) = (producer, consumer);
    producer.push(7).expect("the consumer is attached");
    assert_eq!(consumer.pop(), Ok(7));
    drop((producer, consumer, full));
    let replaced = with_few("replace", || replacing.create::<u64>(name), has(a_ring));
    drop((ring, replaced));
    with_few("unlink", || quoit::unlink(name), has(a_ring));
    let open_or_create = || options.open_or_create::<u64>(name);
    drop(with_few("open_or_create", open_or_create, has(nothing)));

    let anonymous = || options.create_anonymous::<u64>();
    let ring = with_few("create_anonymous", anonymous, has(a_ring));
    let descriptor = ring.descriptor().expect("it is anonymous");
    let again = || options.open_descriptor::<u64>(descriptor);
    drop(with_few("open_descriptor", again, has(a_ring)));
    drop(with_few("anonymous", || ring.producer(), has(a_ring)));
    quoit::unlink(name).expect("no process holds it");

    // One suffices for a new ring. The ring stays if its creator gets no role, and the next
    // call opens it.
    let taken = take_all_but(1);
    let created = Producer::<u64>::create(name, 64);
    drop(taken);
    is_refused(created, libc::EMFILE, SAYS);
    let open_or_create = || Producer::<u64>::open_or_create(name, 64);
    drop(with_few("an endpoint", open_or_create, has(a_ring)));
}

const SAYS: [&str; 2] = ["could not", "ulimit -n"];

/// Calls with no free descriptor, with one, and so on until the call succeeds. A failed
/// call must leave everything `as_before`.
fn with_few<R>(call: &str, attempt: impl Fn() -> Result<R, Error>, as_before: impl Fn()) -> R {
    for free in 0.. {
        let taken = take_all_but(free);
        let result = attempt();
        let still_free = take_all().len();
        drop(taken);
        if let Ok(done) = result {
            assert!(free > 0, "{call} takes a descriptor");
            return done;
        }
        is_refused(result, libc::EMFILE, SAYS);
        assert_eq!(still_free, free, "{call} keeps descriptors");
        as_before();
    }
    unreachable!("there are no more numbers")
}

fn take_all_but(free: usize) -> Vec<File> {
    let mut taken = take_all();
    taken.truncate(taken.len() - free);
    taken
}

/// All free descriptors.
fn take_all() -> Vec<File> {
    std::iter::from_fn(|| File::open("/dev/null").ok()).collect()
}
