//! The protocol of sleeping with one wrong step.

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
    "reports Abandoned without a second poll": order = Order::NoSecondPoll;
    "epoch read after the second poll": order = Order::EpochAfterSecondPoll;
    "reports Abandoned without a poll after the check": order = Order::NoLastPoll;
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
    "no second poll": park = blind;
    "second poll before PARKED": park = early_poll;
    "sleep on the word, PARKED never stored": park = undeclared;
    "one word of two stays PARKED": park = one_of_two_up;
    "second poll of one of two": park = polls_one_of_two;
    "sleep on one word of two": park = waits_for_one_of_two;
    "waker does not change the word": moved = word_unchanged;
    "wake before the word is changed": moved = wake_first;
    "publish without a wake": moved = |_, _, _| ();
    "word read before the publish": publish = read_first;
    "role taken without a wake": take = |_, _, _| ();
    "close without a wake": close = silent;
    "wake before the close": close = wake_then_close;
    "close accepted without a last poll": is_over = no_last_poll;
    "last poll before the close": is_over = poll_then_close;
    "what is awaited fixed after the second poll": set_parked = fixed_too_late;
    "futex that does not compare": compares = false;
    "no fence, and no barrier in its place": light_fence = false;
}

fn blind(ends: &mut [Parking<'_>], kernel: &Kernel) {
    for end in &mut *ends {
        end.sleeper.begin_park(end.word, end.position);
        end.sleeper.set_parked(end.word);
    }
    wait(ends, kernel);
    sleep::wake_up(ends, Ending::Untold);
}

fn early_poll(ends: &mut [Parking<'_>], kernel: &Kernel) {
    if !ends.iter().any(Parking::has_work) {
        blind(ends, kernel);
    }
}

fn undeclared(ends: &mut [Parking<'_>], kernel: &Kernel) {
    for end in &mut *ends {
        end.sleeper.begin_park(end.word, end.position);
        end.sleeper.set_parked(end.word);
        end.sleeper.clear_parked(end.word);
    }
    if !ends.iter().any(Parking::has_work) {
        kernel.sleep(ends[0].word);
    }
}

fn one_of_two_up(ends: &mut [Parking<'_>], kernel: &Kernel) {
    if sleep::start_sleep(ends, kernel).is_some() {
        wait(ends, kernel);
        sleep::wake_up(&mut ends[..1], Ending::Untold);
    }
}

fn polls_one_of_two(ends: &mut [Parking<'_>], kernel: &Kernel) {
    if !ends[0].has_work() {
        blind(ends, kernel);
    }
}

fn waits_for_one_of_two(ends: &mut [Parking<'_>], kernel: &Kernel) {
    if sleep::start_sleep(ends, kernel).is_some() {
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

fn read_first(producer: &mut Producer, values: u64) {
    producer.moved();
    producer.cursor.publish(values, producer.ring.line());
}

fn unannounced(ring: &Ring, _waker: &Waker, _steps: &'static Steps) {
    peer::attach(&ring.state);
}

fn wake_then_attach(ring: &Ring, waker: &Waker, _steps: &'static Steps) {
    waker.wake_unconditionally(&ring.consumer_word, &*ring.kernel);
    peer::attach(&ring.state);
}

fn silent(producer: &Producer) {
    peer::close(&producer.ring.state);
}

fn wake_then_close(producer: &Producer) {
    let ring = &producer.ring;
    producer
        .waker
        .wake_unconditionally(&ring.consumer_word, &*ring.kernel);
    peer::close(&ring.state);
}

fn no_last_poll(consumer: &mut Consumer) -> bool {
    State::poll(&consumer.ring.state).is_closed()
}

fn poll_then_close(consumer: &mut Consumer) -> bool {
    consumer.look() == 0 && State::poll(&consumer.ring.state).is_closed()
}
