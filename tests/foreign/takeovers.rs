//! Endpoints in C or Rust are killed, and the next holder, in C or Rust, continues. The ring is
//! created by either.

use std::env;
use std::process;

use super::client::{Client, End, VARIANTS, Variant};
use super::until;
use crate::common::dice::Dice;
use crate::common::names::RingName;
use crate::common::positions::ROLES;
use crate::common::segment_file::{HEAD, SegmentFile, TAIL, position};

crate::common::suite::tests! {
    c_and_rust_take_over_from_each_other_after_any_death,
}

/// The kills of all variants together, in a short run.
const DEATHS: u64 = 64;
/// The environment variable with another number.
const MORE: &str = "QUOIT_FOREIGN_KILLS";

fn c_and_rust_take_over_from_each_other_after_any_death() {
    let deaths = env::var(MORE).map_or(DEATHS, |number| number.parse().expect("a number"));
    let sanitized = Client::sanitized();
    if sanitized.is_none() {
        print!("[this compiler has no sanitizers: run without them] ");
    }
    let plain = Client::compiled();
    let mut dice = Dice(process::id().into());
    for client in [plain, sanitized.as_ref().unwrap_or(plain)] {
        for variant in VARIANTS {
            for creator in [None, Some(client)] {
                run(client, variant, creator, deaths / 16, &mut dice);
            }
        }
    }
}

fn run(client: &Client, variant: Variant, creator: Option<&Client>, deaths: u64, dice: &mut Dice) {
    let name = RingName::new("takeovers");
    // The positions wrap during the run.
    let first = 0_u64.wrapping_sub(8 * 1024);
    variant.create(creator, &name, first);
    let file = SegmentFile::open(&name.file());
    let never = first.wrapping_add(1 << 62);
    let start = |end: usize, is_c: bool, last: u64| {
        End::start(is_c.then_some(client), ROLES[end], &name, variant, last)
    };
    let mut ends = [0, 1].map(|end| Some(start(end, dice.roll(2) == 1, never)));
    let mut killed = 0;
    while killed < deaths {
        let victims = [&[0][..], &[1], &[0, 1]][dice.roll(3)];
        let enough = dice.roll(3000) as u64;
        for &victim in victims {
            let position = || file.read(position(ROLES[victim]));
            let begin = position();
            until("it makes progress", || {
                position().wrapping_sub(begin) >= enough
            });
        }
        for &victim in victims {
            ends[victim].take().expect("it lives").kill();
        }
        for &victim in victims {
            ends[victim] = Some(start(victim, dice.roll(2) == 1, never));
            killed += 1;
        }
    }
    // The last two run to their end.
    ends.into_iter().flatten().for_each(End::kill);
    let last = file.read(TAIL).wrapping_add(40_000);
    let is_c = dice.roll(2) == 1;
    let ends = [start(0, is_c, last), start(1, !is_c, last)];
    ends.into_iter().for_each(End::ends);
    let tail = file.read(TAIL);
    assert_eq!(tail, file.read(HEAD), "all is read");
    assert!(tail.wrapping_sub(last) < 1024, "they reached the end");
}
