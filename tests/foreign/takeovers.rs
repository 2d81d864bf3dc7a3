//! Endpoints in C or Rust are killed, and the next holder, in C or Rust, continues.

use std::env;
use std::process;

use super::client::{Client, End, VARIANTS, Variant};
use super::until;
use crate::common::dice::Dice;
use crate::common::names::RingName;
use crate::common::segment_file::{HEAD, SegmentFile, TAIL};

crate::common::suite::tests! {
    c_and_rust_take_over_from_each_other_after_any_death,
    c_is_clean_under_the_sanitizers,
}

/// The kills of all variants together, in a short run.
const DEATHS: u64 = 40;
/// The environment variable with another number.
const MORE: &str = "QUOIT_FOREIGN_KILLS";

/// The results of a run.
#[derive(Default)]
struct Figures {
    kills: u64,
    units: u64,
    /// Takeovers by language: of the killed endpoint, of the next holder.
    takeovers: [[u64; 2]; 2],
}

fn c_and_rust_take_over_from_each_other_after_any_death() {
    let deaths = env::var(MORE).map_or(DEATHS, |number| number.parse().expect("a number"));
    run_all(Client::compiled(), deaths / 4, Dice(process::id().into()));
}

fn c_is_clean_under_the_sanitizers() {
    let Some(client) = Client::sanitized() else {
        print!("[this compiler has no sanitizers: run without them] ");
        return run_all(Client::compiled(), 3, Dice(7));
    };
    run_all(&client, 3, Dice(7));
}

fn run_all(client: &Client, deaths: u64, mut dice: Dice) {
    let mut figures = Figures::default();
    for variant in VARIANTS {
        run(client, variant, deaths, &mut dice, &mut figures);
    }
    let Figures { kills, units, .. } = figures;
    let [[rr, rc], [cr, cc]] = figures.takeovers;
    print!("[{kills} kills, {units} slots and bytes, 0 of them wrong; takeovers: C from C {cc}, ");
    print!("Rust from C {cr}, C from Rust {rc}, Rust from Rust {rr}] ");
}

/// The producer and the consumer: the role, and the position that it moves.
const ENDS: [(&str, u64); 2] = [("produce", TAIL), ("consume", HEAD)];

fn run(client: &Client, variant: Variant, deaths: u64, dice: &mut Dice, figures: &mut Figures) {
    let name = RingName::new("takeovers");
    // The positions wrap during the run.
    let first = 0_u64.wrapping_sub(8 * 1024);
    variant.create(&name, first);
    let file = SegmentFile::open(&name.file());
    let never = first.wrapping_add(1 << 62);
    let start = |end: usize, is_c: bool, last: u64| {
        let language = is_c.then_some(client);
        let end = End::start(language, ENDS[end].0, &name, variant, last);
        (is_c, end)
    };
    let mut ends = [0, 1].map(|end| Some(start(end, dice.roll(2) == 1, never)));
    let mut killed = 0;
    while killed < deaths {
        let victims = [&[0][..], &[1], &[0, 1]][dice.roll(3)];
        let enough = dice.roll(3000) as u64;
        for &victim in victims {
            let position = || file.read(ENDS[victim].1);
            let begin = position();
            until("it makes progress", || {
                position().wrapping_sub(begin) >= enough
            });
        }
        let dead = victims.iter().map(|&victim| {
            let (was_c, end) = ends[victim].take().expect("it lives");
            end.kill();
            (victim, was_c)
        });
        for (victim, was_c) in dead.collect::<Vec<_>>() {
            let is_c = dice.roll(2) == 1;
            ends[victim] = Some(start(victim, is_c, never));
            figures.takeovers[usize::from(was_c)][usize::from(is_c)] += 1;
            killed += 1;
        }
    }
    // The last two run to their end.
    ends.into_iter().flatten().for_each(|(_, end)| end.kill());
    let last = file.read(TAIL).wrapping_add(40_000);
    let is_c = dice.roll(2) == 1;
    let ends = [start(0, is_c, last), start(1, !is_c, last)];
    ends.into_iter().for_each(|(_, end)| end.ends());
    let tail = file.read(TAIL);
    assert_eq!(tail, file.read(HEAD), "all is read");
    assert!(tail.wrapping_sub(last) < 1024, "they reached the end");
    figures.kills += killed + 2;
    figures.units += tail.wrapping_sub(first);
}
