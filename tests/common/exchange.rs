//! Messages to another process, and its answer to each.

use quoit::PopError;

use super::PATIENCE;
use super::calls::{Calls, Wait, pop, push};

const MESSAGES: u64 = 100_000;

/// Sends messages of one shape, and receives the answers, of another one.
pub(crate) fn asks<T: Calls + ?Sized, U: Calls + ?Sized>(
    mut producer: T::Producer,
    mut consumer: U::Consumer,
) {
    let wait = Wait::Until(PATIENCE.into());
    for number in 0..MESSAGES {
        push::<T>(&mut producer, &T::varied(number), wait).expect("it is taken");
        // Several are in flight.
        if number % 8 == 7 {
            for number in number - 7..=number {
                assert_eq!(pop::<U>(&mut consumer, wait), Ok(U::varied(!number)));
            }
        }
    }
    drop(producer);
    assert_eq!(pop::<U>(&mut consumer, wait), Err(PopError::Abandoned));
}

/// In the other process: answers each message until there are no more.
pub(crate) fn answers<T: Calls + ?Sized, U: Calls + ?Sized>(
    mut consumer: T::Consumer,
    mut producer: U::Producer,
) {
    let wait = Wait::Until(PATIENCE.into());
    for number in 0..MESSAGES {
        assert_eq!(pop::<T>(&mut consumer, wait), Ok(T::varied(number)));
        push::<U>(&mut producer, &U::varied(!number), wait).expect("it is taken");
    }
    assert_eq!(pop::<T>(&mut consumer, wait), Err(PopError::Abandoned));
}
