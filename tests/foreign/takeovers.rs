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
#[derive(Debug, Default)]
struct Figures {
    kills: u64,
    units: u64,
    /// Takeovers by language: of the killed endpoint, of the next holder.
    takeovers: [[u64; 2]; 2],
}

fn c_and_rust_take_over_from_each_other_after_any_death() {
    let client = Client::compiled();
    let deaths = match env::var(MORE) {
        Ok(number) => number.parse().expect("a number of deaths"),
        Err(_) => DEATHS,
    };
    let mut dice = Dice(u64::from(process::id()));
    let mut figures = Figures::default();
    for variant in VARIANTS {
        let client = Some(client);
        run(client, variant, deaths / 4, &mut dice, &mut figures);
    }
    print_figures(&figures);
}

fn c_is_clean_under_the_sanitizers() {
    let Some(client) = Client::sanitized() else {
        print!("[this compiler has no sanitizers: run without them] ");
        return run_clean(Client::compiled());
    };
    run_clean(&client);
}

fn run_clean(client: &Client) {
    let mut dice = Dice(7);
    let mut figures = Figures::default();
    for variant in VARIANTS {
        run(Some(client), variant, 3, &mut dice, &mut figures);
    }
    print_figures(&figures);
}

fn print_figures(figures: &Figures) {
    let Figures {
        kills,
        units,
        takeovers: [[rr, rc], [cr, cc]],
    } = figures;
    print!(
        "[{kills} kills, {units} slots and bytes, 0 of them wrong; takeovers: C from C {cc}, Rust from C {cr}, C from Rust {rc}, Rust from Rust {rr}] "
    );
}

/// A role, the language of its holder, and the holder.
struct Holder {
    role: &'static str,
    position: u64,
    is_c: bool,
    end: End,
}

fn run(
    client: Option<&Client>,
    variant: Variant,
    deaths: u64,
    dice: &mut Dice,
    figures: &mut Figures,
) {
    let name = RingName::new("takeovers");
    // The positions wrap during the run.
    let first = 0_u64.wrapping_sub(8 * 1024);
    variant.create(&name, first);
    let file = SegmentFile::open(&name.file());
    let never = first.wrapping_add(1 << 62);
    let start = |role: &'static str, is_c: bool, last: u64| {
        let language = client.filter(|_| is_c);
        let position = if role == "produce" { TAIL } else { HEAD };
        let end = End::start(language, role, name.as_str(), variant, last);
        Holder {
            role,
            position,
            is_c,
            end,
        }
    };
    let mut ends = ["produce", "consume"].map(|role| Some(start(role, dice.roll(2) == 1, never)));
    let mut killed = 0;
    while killed < deaths {
        let victims = [&[0][..], &[1], &[0, 1]][dice.roll(3)];
        let enough = dice.roll(3000) as u64;
        for &victim in victims {
            let holder = ends[victim].as_ref().expect("it lives");
            let begin = file.read(holder.position);
            until("it makes progress", || {
                file.read(holder.position).wrapping_sub(begin) >= enough
            });
        }
        let dead: Vec<_> = victims
            .iter()
            .filter_map(|&victim| ends[victim].take())
            .collect();
        let dead: Vec<_> = dead
            .into_iter()
            .map(|holder| {
                holder.end.kill();
                (holder.role, holder.is_c)
            })
            .collect();
        for (&victim, (role, was_c)) in victims.iter().zip(dead) {
            let is_c = dice.roll(2) == 1;
            ends[victim] = Some(start(role, is_c, never));
            figures.takeovers[usize::from(was_c)][usize::from(is_c)] += 1;
            killed += 1;
        }
    }
    // The last two run to their end.
    ends.into_iter()
        .flatten()
        .for_each(|holder| holder.end.kill());
    let last = file.read(TAIL).wrapping_add(40_000);
    let is_c = dice.roll(2) == 1;
    let ends = [start("produce", is_c, last), start("consume", !is_c, last)];
    ends.into_iter().for_each(|holder| holder.end.ends());
    assert_eq!(file.read(TAIL), file.read(HEAD), "all is read");
    assert!(
        file.read(TAIL).wrapping_sub(last) < 1024,
        "they reached the end"
    );
    figures.kills += killed + 2;
    figures.units += file.read(TAIL).wrapping_sub(first);
}
