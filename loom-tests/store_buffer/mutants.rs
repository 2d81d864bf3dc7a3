//! The parts of the fence-free publish, omitted one by one.

use super::{
    AtomicU32, Doorbell, Kernel, Machine, PARKED, Sleeper, Steps, WAKE, WORD, Waker, fence,
};
use crate::harness::mutants::Mutant;

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
    "no membarrier": barrier = |_| ();
    "no membarrier of a new owner": barrier = none_of_later_owners;
    "membarrier before DROWSY": park = barrier_first;
    "unregistered waker accepts AWAKE": waker = |_| Waker::new(true);
    "no fence of the waker": fences = false;
    "no second poll": park = blind;
    "waker does not change the word": moved = word_unchanged;
    "role taken without a wake": take = |_, _, _| ();
}

fn none_of_later_owners(kernel: &Kernel) {
    if kernel.generation == 0 {
        Machine::barrier();
    }
}

fn barrier_first(
    sleeper: &mut Sleeper,
    word: &AtomicU32,
    kernel: &Kernel,
    stirred: &dyn Fn() -> bool,
    position: u64,
) {
    (kernel.steps.barrier)(kernel);
    sleeper.begin_park(word, position);
    sleeper.set_parked(word);
    if !stirred() {
        kernel.wait(word, u64::MAX);
    }
    sleeper.clear_parked(word);
}

fn blind(
    sleeper: &mut Sleeper,
    word: &AtomicU32,
    kernel: &Kernel,
    _stirred: &dyn Fn() -> bool,
    position: u64,
) {
    (SHIPPED.park)(sleeper, word, kernel, &|| false, position);
}

fn word_unchanged(_waker: &Waker, word: &AtomicU32, kernel: &Kernel) {
    fence(WAKE);
    if word.load(WORD) == PARKED {
        kernel.wake(word);
    }
}
