//! The protocol of sleeping with one step made wrong, by hand.

use super::{Consumer, Producer, Steps};
use crate::harness::mutants::Mutant;
use crate::kernel::Kernel;
use crate::parker::{DROWSY, Doorbell, PARKED, Sleeper, Waker};
use crate::sync::{AtomicU32, CLOSE, LEFT, PUBLISH, READY, WAKE, WORD, fence};

const SHIPPED: Steps = Steps::SHIPPED;

macro_rules! mutants {
    ($($name:literal: $step:ident = $wrong:expr;)*) => {
        pub(crate) static MUTANTS: &[Mutant<Steps>] = &[$(Mutant {
            name: $name,
            step: stringify!($step),
            steps: Steps { $step: $wrong, ..SHIPPED },
        }),*];
    };
}

mutants! {
    "no second look": park = blind;
    "second look before PARKED": park = early_look;
    "sleep on the word, PARKED never stored": park = undeclared;
    "waker leaves the word alone": moved = word_unchanged;
    "wake before the word is changed": moved = wake_first;
    "publish without a wake": moved = |_, _, _| ();
    "word looked at before the publish": publish = look_first;
    "role taken without a wake": take = |_, _, _| ();
    "close without a wake": close = silent;
    "wake before the goodbye": close = wake_then_close;
    "goodbye believed without a last look": is_over = no_last_look;
    "last look before the goodbye": is_over = look_then_goodbye;
    "futex that does not compare": compares = false;
    "no fence, and no barrier that makes up for it": light_fence = false;
}

fn blind(
    sleeper: &mut Sleeper,
    word: &AtomicU32,
    kernel: &Kernel,
    _stirred: &dyn Fn() -> bool,
    position: u64,
) -> bool {
    sleeper.park(word, kernel, || false, u64::MAX, position)
}

fn early_look(
    sleeper: &mut Sleeper,
    word: &AtomicU32,
    kernel: &Kernel,
    stirred: &dyn Fn() -> bool,
    position: u64,
) -> bool {
    let stirred = stirred();
    sleeper.park(word, kernel, || stirred, u64::MAX, position)
}

fn undeclared(
    sleeper: &mut Sleeper,
    word: &AtomicU32,
    kernel: &Kernel,
    stirred: &dyn Fn() -> bool,
    position: u64,
) -> bool {
    sleeper.drowse(word, position);
    sleeper.lie_down(word);
    sleeper.get_up(word);
    if !stirred() {
        kernel.sleep(word);
    }
    false
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
    ring.store(&ring.tail, producer.tail, PUBLISH);
}

fn silent(producer: &Producer) {
    let ring = &producer.ring;
    ring.store(&ring.closed, 1, CLOSE);
}

fn wake_then_close(producer: &Producer) {
    let ring = &producer.ring;
    producer.waker.rouse(&ring.consumer_word, &ring.kernel);
    ring.store(&ring.closed, 1, CLOSE);
}

fn no_last_look(consumer: &Consumer) -> bool {
    let ring = &consumer.ring;
    ring.load(&ring.closed, LEFT) == 1
}

fn look_then_goodbye(consumer: &Consumer) -> bool {
    let ring = &consumer.ring;
    ring.load(&ring.tail, READY) == consumer.head && ring.load(&ring.closed, LEFT) == 1
}
