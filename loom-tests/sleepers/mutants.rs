//! The protocol of sleeping with one step made wrong, by hand.

use super::polled::Polled;
use super::reactor::fixed_too_late;
use super::{Consumer, Parking, Producer, Steps};
use crate::harness::mutants::Mutant;
use crate::kernel::Kernel;
use crate::parker::{DROWSY, Doorbell, PARKED, Waker};
use crate::sync::{AtomicU32, CLOSE, LEFT, PUBLISH, READY, WAKE, WORD, fence};
use crate::wait::sleep::{self, Ending, Parkable};

const SHIPPED: Steps = Steps::SHIPPED;

macro_rules! mutants {
    ($list:ident, $($name:literal: $step:ident = $wrong:expr;)*) => {
        pub(crate) static $list: &[Mutant<Steps>] = &[$(Mutant {
            name: $name,
            step: stringify!($step),
            steps: Steps { $step: $wrong, ..SHIPPED },
        }),*];
    };
}

mutants! {
    OF_AN_EVENT,
    "event drained after the second poll": arm = Polled::drained_after_the_second_poll;
    "second poll that finds something, and no event": arm = Polled::second_poll_untold;
}

mutants! {
    MUTANTS,
    "no second look": park = blind;
    "second look before PARKED": park = early_look;
    "sleep on the word, PARKED never stored": park = undeclared;
    "one word of two stays PARKED": park = one_of_two_up;
    "second look at one of two": park = looks_at_one_of_two;
    "sleep on one word of two": park = waits_for_one_of_two;
    "waker leaves the word alone": moved = word_unchanged;
    "wake before the word is changed": moved = wake_first;
    "publish without a wake": moved = |_, _, _| ();
    "word looked at before the publish": publish = look_first;
    "role taken without a wake": take = |_, _, _| ();
    "close without a wake": close = silent;
    "wake before the goodbye": close = wake_then_close;
    "goodbye believed without a last look": is_over = no_last_look;
    "last look before the goodbye": is_over = look_then_goodbye;
    "what is awaited fixed after the second poll": lie_down = fixed_too_late;
    "futex that does not compare": compares = false;
    "no fence, and no barrier that makes up for it": light_fence = false;
}

fn blind(ends: &mut [Parking<'_>], kernel: &Kernel) {
    for end in &mut *ends {
        end.sleeper.drowse(end.word, end.position);
        end.sleeper.lie_down(end.word);
    }
    wait(ends, kernel);
    sleep::wake_up(ends, Ending::Untold);
}

fn early_look(ends: &mut [Parking<'_>], kernel: &Kernel) {
    if !ends.iter().any(Parking::has_work) {
        blind(ends, kernel);
    }
}

fn undeclared(ends: &mut [Parking<'_>], kernel: &Kernel) {
    for end in &mut *ends {
        end.sleeper.drowse(end.word, end.position);
        end.sleeper.lie_down(end.word);
        end.sleeper.get_up(end.word);
    }
    if !ends.iter().any(Parking::has_work) {
        kernel.sleep(ends[0].word);
    }
}

fn one_of_two_up(ends: &mut [Parking<'_>], kernel: &Kernel) {
    if sleep::fall_asleep(ends, kernel).is_some() {
        wait(ends, kernel);
        sleep::wake_up(&mut ends[..1], Ending::Untold);
    }
}

fn looks_at_one_of_two(ends: &mut [Parking<'_>], kernel: &Kernel) {
    if !ends[0].has_work() {
        blind(ends, kernel);
    }
}

fn waits_for_one_of_two(ends: &mut [Parking<'_>], kernel: &Kernel) {
    if sleep::fall_asleep(ends, kernel).is_some() {
        wait(&ends[..1], kernel);
        sleep::wake_up(ends, Ending::Untold);
    }
}

fn wait(ends: &[Parking<'_>], kernel: &Kernel) {
    let words: Vec<_> = ends.iter().map(|end| end.word).collect();
    kernel.wait_any(&words);
}

fn word_unchanged(_waker: &Waker, word: &AtomicU32, kernel: &Kernel) {
    fence(WAKE);
    if word.load(WORD) == PARKED {
        kernel.wake(word);
    }
}

fn wake_first(_waker: &Waker, word: &AtomicU32, kernel: &Kernel) {
    fence(WAKE);
    if word.load(WORD) == PARKED {
        kernel.wake(word);
        word.replace(PARKED, DROWSY, WORD);
    }
}

fn look_first(producer: &Producer) {
    producer.moved();
    let ring = &producer.ring;
    ring.tail.model_store(producer.tail, PUBLISH);
}

fn silent(producer: &Producer) {
    let ring = &producer.ring;
    ring.closed.model_store(1, CLOSE);
}

fn wake_then_close(producer: &Producer) {
    let ring = &producer.ring;
    producer.waker.rouse(&ring.consumer_word, &*ring.kernel);
    ring.closed.model_store(1, CLOSE);
}

fn no_last_look(consumer: &Consumer) -> bool {
    let ring = &consumer.ring;
    ring.closed.model_load(LEFT) == 1
}

fn look_then_goodbye(consumer: &Consumer) -> bool {
    let ring = &consumer.ring;
    ring.tail.model_load(READY) == consumer.head && ring.closed.model_load(LEFT) == 1
}
