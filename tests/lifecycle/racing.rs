//! Many threads of many processes at the same time get one ring, and one of them gets its role.
//! Endpoints that close at once remove the name.

use std::sync::Barrier;
use std::thread;

use crate::common::fork::succeeds;
use crate::common::refused::is;
use crate::common::rings::{ends, named, producer};
use crate::common::worker::{Worker, hear, tell};
use quoit::{Error, Ring, RingOptions, StalePolicy};

crate::common::suite::tests! {
    threads_that_open_or_create_get_one_ring,
    two_endpoints_that_close_at_once_remove_the_name,
}

const ROUNDS: usize = 50;
const PROCESSES: usize = 4;
const THREADS: usize = 4;

/// They replace a stale ring of another shape, or there is none, and they open it or create it, or
/// open what another thread has created. All threads of all processes do so at once, and then take
/// a role. With several rings there would be several roles.
fn threads_that_open_or_create_get_one_ring() {
    for round in 0..3 * ROUNDS {
        let options = RingOptions::new(64).stale(StalePolicy::Replace);
        let (old, name) = named::<[u8]>("open-at-once", &options);
        match round % 3 {
            0 => drop(producer(&old)),
            _ => old.unlink().expect("no process holds it"),
        }
        let create = || match RingOptions::new(64).create::<u64>(&name) {
            Err(Error::AlreadyExists { .. }) => Ring::open(&name),
            created => created,
        };
        let act = || {
            let ring = match round % 3 {
                2 => create(),
                _ => options.open_or_create(&name),
            };
            let ring = ring.expect("a ring");
            assert_ne!(ring.incarnation(), old.incarnation());
            match ring.producer() {
                Ok(producer) => Some(producer),
                Err(Error::InUse { .. }) => None,
                Err(other) => panic!("neither taken nor in use: {other:?}"),
            }
        };
        let crowd = [(); PROCESSES].map(|()| {
            Worker::start(|socket| {
                hear(&socket);
                let barrier = Barrier::new(THREADS);
                let begin = || {
                    barrier.wait();
                    act()
                };
                let got = thread::scope(|scope| {
                    [(); THREADS]
                        .map(|()| scope.spawn(begin))
                        .map(|thread| thread.join().expect("no panic"))
                });
                tell(&socket, got.iter().flatten().count() as u8);
                hear(&socket); // none ends before all have acted
            })
        });
        let told = || crowd.iter().for_each(|worker| tell(&worker.socket, 0));
        told();
        let got = crowd.iter().map(|worker| hear(&worker.socket));
        assert_eq!(got.sum::<u8>(), 1);
        told();
        crowd.iter().for_each(|worker| succeeds(worker.pid));
    }
}

/// Either of them may hold its lock a moment longer.
fn two_endpoints_that_close_at_once_remove_the_name() {
    for _ in 0..500 {
        let options = RingOptions::new(4).unlink_on_drop(true);
        let (ring, name) = named::<u64>("at-once", &options);
        let (producer, consumer) = ends(&ring);
        let barrier = Barrier::new(2);
        thread::scope(|scope| {
            scope.spawn(|| {
                barrier.wait();
                drop(producer);
            });
            barrier.wait();
            drop(consumer);
        });
        is!(Ring::<u64>::open(&name) => Err(Error::NotFound { .. }));
    }
}
