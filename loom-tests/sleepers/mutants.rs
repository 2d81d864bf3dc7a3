//! The protocol of sleeping with one step made wrong.

use super::polled::Polled;
use super::reactor::fixed_too_late;
use super::selected::Order;
use super::{Consumer, Parking, Producer, Ring, Steps, peers};
use crate::harness::mutants::Mutant;
use crate::kernel::Kernel;
use crate::parker::{DROWSY, Doorbell, PARKED, Waker};
use crate::peer::{self, State};
use crate::sync::{AtomicU32, WAKE, WORD, fence};
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
    OF_PEERS,
    "epoch opened without a wake": attach = unannounced;
    "wake before the epoch": attach = wake_then_attach;
    "lock asked before the state": until_attached = peers::lock_before_state;
}

mutants! {
    OF_SELECT,
    "gone without a second poll": order = Order::NoSecondPoll;
    "epoch read after the second poll": order = Order::EpochAfterSecondPoll;
    "gone without a poll after the check": order = Order::NoLastPoll;
    "epoch read after the check": order = Order::EpochAfterCheck;
    "epoch of an older state than is checked": order = Order::EpochBeforeState;
    "last poll before the check": order = Order::PollBeforeCheck;
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

fn look_first(producer: &mut Producer, values: u64) {
    producer.moved();
    producer.cursor.publish(values, producer.ring.line());
}

fn unannounced(ring: &Ring, _waker: &Waker, _steps: &'static Steps) {
    peer::attach(&ring.state);
}

fn wake_then_attach(ring: &Ring, waker: &Waker, _steps: &'static Steps) {
    waker.rouse(&ring.consumer_word, &*ring.kernel);
    peer::attach(&ring.state);
}

fn silent(producer: &Producer) {
    peer::close(&producer.ring.state);
}

fn wake_then_close(producer: &Producer) {
    let ring = &producer.ring;
    producer.waker.rouse(&ring.consumer_word, &*ring.kernel);
    peer::close(&ring.state);
}

fn no_last_look(consumer: &mut Consumer) -> bool {
    State::poll(&consumer.ring.state).is_closed()
}

fn look_then_goodbye(consumer: &mut Consumer) -> bool {
    consumer.look() == 0 && State::poll(&consumer.ring.state).is_closed()
}
