//! Every call of an endpoint under attack: the steps of the fuzzer (`hostile`), with all
//! their checks.

use quoit::DoorbellKind;

use super::arena::{Arena, SPACING, any_choices, run};
use crate::common::calls::{Wait, push};
use crate::common::dice::Dice;
use crate::common::sample::Words;
use crate::hostile::body::Tally;
use crate::hostile::body::calls::Prey;
use crate::hostile::body::memory::Target::{self, Headers, Inline, Payload, SleepWords};
use crate::hostile::body::memory::{EVERYTHING, PAGE};
use crate::hostile::body::oracle::Writes;
use crate::hostile::body::rings::Set;

crate::common::suite::tests! {
    payloads_that_are_attacked_alone_stay_frames,
    evenly_spaced_frames_do_not_crash_under_attack,
    frames_that_are_attacked_everywhere_do_not_crash,
    records_that_are_attacked_everywhere_do_not_crash,
    attacked_sleep_words_change_no_result,
    records_are_read_once,
}

/// The attack must have these effects, and poisons no endpoint unless "corrupt" is one of them.
fn attacked<T: Prey + ?Sized>(
    mut arena: Arena<T>,
    effects: &[&str],
    mut step: impl FnMut(&mut Arena<T>, &mut Dice),
) {
    let tally = arena.tally.clone();
    run(&tally, effects, |dice| {
        step(&mut arena, dice);
        if arena.world.is_poisoned() {
            assert!(effects.contains(&"corrupt"), "nothing checked was attacked");
            let choices = &mut any_choices(dice, 256);
            arena.world.write(choices);
            arena.world.read(choices);
            arena.restore();
        }
    });
}

/// Frames whose headers are where the attacker knows.
fn spaced_frames(targets: &[Target], effects: &[&str]) {
    let arena = Arena::<[u8]>::new(PAGE, SPACING, targets, &Tally::default());
    attacked(arena, effects, |arena, dice| {
        let producer = arena.world.producer.as_mut().expect("the role was taken");
        for _ in 0..=dice.roll(3) {
            let frame = (0, vec![7; SPACING - 8]);
            let _ = push::<[u8]>(&mut producer.end, &frame, Wait::Never); // unless it is full
        }
        arena.world.read(&mut any_choices(dice, 256));
    });
}

fn payloads_that_are_attacked_alone_stay_frames() {
    spaced_frames(&[Payload], &["wrong"]);
}

fn evenly_spaced_frames_do_not_crash_under_attack() {
    spaced_frames(&[Payload, Payload, Headers], &["wrong", "corrupt"]);
}

/// Steps of both endpoints, which also attach, close, and open the ring.
fn everywhere<T: Prey + ?Sized>(capacity: usize) {
    for doorbell in [DoorbellKind::Futex, DoorbellKind::Semaphore] {
        let set = Set::new(capacity, doorbell);
        let arena = Arena::<T>::of(set, Writes::Always, 0, &EVERYTHING, &Tally::default());
        let effects = ["wrong", "corrupt", "published", "delivered"];
        attacked(arena, &effects, |arena, dice| {
            let choices = &mut any_choices(dice, 256);
            (0..4).for_each(|_| arena.world.step(choices));
            if !arena.world.has_both() || dice.roll(50) == 0 {
                arena.restore();
            }
        });
    }
}

fn frames_that_are_attacked_everywhere_do_not_crash() {
    everywhere::<[u8]>(PAGE);
}

fn records_that_are_attacked_everywhere_do_not_crash() {
    everywhere::<Words<8>>(16);
}

/// They only delay: the ring is a queue, and a wait ends by its deadline.
fn attacked_sleep_words_change_no_result() {
    fn attacked<T: Prey + ?Sized>() {
        let (set, tally) = (Set::new(PAGE / 8, DoorbellKind::Futex), Tally::default());
        let mut arena = Arena::<T>::of(set, Writes::Never, 0, &[SleepWords], &tally);
        run(&tally, &["published", "delivered"], |dice| {
            arena.world.step(&mut any_choices(dice, 256));
        });
    }
    attacked::<u64>();
    attacked::<[u8]>();
}

/// Only bytes that no endpoint checks.
fn unchecked<T: Prey>() {
    let targets = [Payload, Inline, SleepWords];
    let arena = Arena::<T>::new(32, 0, &targets, &Tally::default());
    attacked(arena, &["wrong"], |arena, dice| {
        let choices = &mut any_choices(dice, 256);
        (0..=dice.roll(3)).for_each(|_| arena.world.write(choices));
        arena.world.read(choices);
    });
}

fn records_are_read_once() {
    unchecked::<u64>();
    unchecked::<Words<8>>();
}
