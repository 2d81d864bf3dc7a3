//! Attacked positions, states and sleep words, for every kind of call.

use quoit::{ClaimError, PopError};

use crate::attacked::arena::{Arena, Bites, count_claim_error, count_pop_error, options, run};
use crate::attacked::attacker::Target;
use crate::attacked::claims::{write_batch, write_records, write_somehow};
use crate::attacked::records;
use crate::attacked::streams::read_pieces;
use crate::attacked::views::{self, Places, read_somehow, visit_somehow};
use crate::common::sample::Words;

crate::common::suite::tests! {
    attacked_positions_do_not_crash_frames,
    attacked_positions_do_not_crash_records,
}

const TARGETS: [Target; 7] = [
    Target::Positions,
    Target::Tail,
    Target::Release,
    Target::Headers,
    Target::Inline,
    Target::SleepWords,
    Target::States,
];

fn attacked_positions_do_not_crash_frames() {
    let mut arena = Arena::frames("positions", 0, &TARGETS);
    run(Bites::Both, |tally, dice| {
        let places = Places::of(&mut arena);
        let (producer, consumer) = arena.ends();
        for _ in 0..1 + dice.roll(3) {
            let written = match dice.roll(3) {
                0 => write_batch(producer, tally, dice),
                _ => write_somehow(producer, tally, dice),
            };
            match written {
                Ok(()) | Err(ClaimError::TooLong { .. }) => {}
                Err(error) => count_claim_error(error, tally),
            }
        }
        match dice.roll(3) {
            0 => {
                let result = read_somehow(consumer, &places, tally, dice);
                views::count(result, consumer, tally);
            }
            1 => {
                let result = visit_somehow(consumer, &places, tally, dice);
                views::count(result, consumer, tally);
            }
            _ => {
                let _ = read_pieces(consumer, tally, dice);
            }
        }
        assert!(producer.len() <= producer.capacity());
        assert!(consumer.len() <= consumer.capacity());
        if producer.corruption().is_some() || consumer.corruption().is_some() {
            arena.restore();
        }
    });
}

fn attacked_positions_do_not_crash_records() {
    let mut arena = Arena::<Words<8>>::new("positions", &options(16), 0, &TARGETS);
    run(Bites::Both, |tally, dice| {
        let (producer, consumer) = arena.ends();
        if let Err(error) = write_records(producer, tally, dice) {
            count_claim_error(error, tally);
        }
        if let Err(error) = records::read_somehow(consumer, tally, dice) {
            count_pop_error(error, tally);
            let is_poisoned = consumer.corruption().is_some();
            assert_eq!(error == PopError::Corrupt, is_poisoned);
        }
        if producer.corruption().is_some() || consumer.corruption().is_some() {
            arena.restore();
        }
    });
}
