//! The process of an endpoint was killed, and its peer makes short waits only. `sleep` and
//! `deadlines` check the waits that last until then; `tests/torture` and
//! `tests/kill_every_instruction` kill and restart both at work.

use std::time::Duration;

use crate::common::fork::{forked, kill, pause};
use crate::common::positions::{End, ROLES, other};
use crate::common::rings::named;
use quoit::WaitStrategy::{Adaptive, Park, Spin, Yield};
use quoit::{PopError, Ring, RingOptions, Role, Select, SelectError, Selected};

crate::common::suite::tests! {
    short_waits_notice_a_death_as_soon_as_long_ones,
}

fn short_waits_notice_a_death_as_soon_as_long_ones() {
    for (milliseconds, strategy) in [(100, Park), (5, Spin), (5, Yield), (5, Park), (5, Adaptive)] {
        let options = RingOptions::new(64).wait_strategy(strategy);
        let peer_check = Duration::from_millis(milliseconds);
        for (role, selects) in ROLES
            .into_iter()
            .flat_map(|role| [(role, false), (role, true)])
        {
            notice_a_death(
                role,
                &options.clone().peer_check(peer_check),
                peer_check,
                selects,
            );
        }
    }
}

/// Waits of a tenth of the interval each. The wait that is active after the interval checks
/// the peer, so at most ten waits end before.
fn notice_a_death(role: Role, options: &RingOptions, peer_check: Duration, selects: bool) {
    let (ring, name) = named::<u64>("short-waits", options);
    let mut end = End::of(&ring, other(role));
    let peer = forked(|| {
        let _end = End::of(&Ring::open(&name).expect("the ring"), role);
        pause();
    });
    end.wait_for_peer().expect("one attaches");
    while end.moves(Duration::ZERO).is_ok() {}
    let (short, mut select) = (peer_check / 10, Select::new());
    // Whether the wait has noticed that the peer has crashed, and has not timed out.
    let mut is_gone = || match selects {
        false => match end.moves(short) {
            Err(PopError::TimedOut) => false,
            ended => ended == Err(PopError::Abandoned),
        },
        true => match select.wait(&mut [end.interest()], Some(short)) {
            Err(SelectError::TimedOut) => false,
            selected => selected.expect("an answer") == Selected::Abandoned(0),
        },
    };
    assert!(!is_gone(), "the peer lives");
    kill(peer);
    let waits = (0..100).take_while(|_| !is_gone()).count();
    assert!(waits <= 10, "{role}, {options:?}: {waits} waits too many");
    // A `Select` reports `Abandoned` once.
    assert_eq!(is_gone(), !selects, "{role}, {options:?}: before any wait");
}
