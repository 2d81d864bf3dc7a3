//! Records: each read copies the value once.

use std::hint::black_box;

use quoit::{Consumer, PopError, PushError, Record};

use crate::attacked::arena::{Arena, Bites, Tally, count_pop_error, options, run};
use crate::attacked::attacker::Target;
use crate::common::dice::Dice;
use crate::common::sample::{Words, record};

crate::common::suite::tests! {
    small_records_are_read_once,
    large_records_are_read_once,
}

/// Reads a value twice: it must not change in between.
fn use_twice<T: Record>(value: &T, tally: &mut Tally) {
    let first = black_box(value).as_bytes().to_vec();
    let second = black_box(value).as_bytes();
    assert_eq!(first, second, "a value changes after it was read");
    tally.value(first == record::<T>(7).as_bytes());
}

/// One random call of a consumer of records.
pub(crate) fn read_somehow<T: Record>(
    consumer: &mut Consumer<T>,
    tally: &mut Tally,
    dice: &mut Dice,
) -> Result<(), PopError> {
    let (position, capacity) = (consumer.position(), consumer.capacity());
    match dice.roll(7) {
        0 => use_twice(&consumer.try_pop()?, tally),
        1 => {
            let peek = consumer.try_peek()?;
            let (once, again) = (peek.read(), peek.read());
            use_twice(&once, tally);
            tally.value(once.as_bytes() == again.as_bytes());
            if dice.roll(4) > 0 {
                peek.release();
            }
        }
        2 => {
            let mut values = [T::new_zeroed(); 8];
            let count = consumer.try_pop_slice(&mut values)?;
            values[..count]
                .iter()
                .for_each(|value| use_twice(value, tally));
        }
        3 => {
            let mut count = 0;
            for value in consumer.try_iter().take(4) {
                use_twice(&value, tally);
                count += 1;
            }
            tally.idle += u64::from(count == 0);
        }
        4 => {
            consumer.skip(dice.roll(3))?;
        }
        5 => {
            consumer.skip_to_latest()?;
        }
        _ => {
            let many = consumer.try_peek_many()?;
            let len = many.len();
            assert!(len as u64 <= capacity);
            assert!(many.read(len).is_none());
            let once: Vec<T> = many.iter().collect();
            let mut again = vec![T::new_zeroed(); len + 1];
            assert_eq!(many.copy_to_slice(&mut again), len);
            assert!(again[len].as_bytes().iter().all(|&byte| byte == 0));
            assert_eq!(once.len(), len);
            once.iter().for_each(|value| use_twice(value, tally));
            let pairs = once.iter().zip(&again);
            let mut pairs = pairs.map(|(once, again)| once.as_bytes() == again.as_bytes());
            tally.value(pairs.all(|is_same| is_same));
            many.release_first(dice.roll(len as u64 + 1));
        }
    }
    assert!(consumer.position() - position <= capacity);
    Ok(())
}

/// Publishes a few valid records for a consumer.
pub(crate) fn feed<T: Record>(arena: &mut Arena<T>, count: usize) {
    if arena.consumer().corruption().is_some() {
        let tail = arena.producer().position();
        arena.replace_consumer(tail);
    }
    for _ in 0..count {
        match arena.producer().try_push(record(7)) {
            Ok(()) => {}
            Err(PushError::Full(_)) => {
                let tail = arena.producer().position();
                arena.replace_consumer(tail);
            }
            Err(PushError::Abandoned(_) | PushError::Corrupt(_)) => arena.restore(),
            Err(error) => panic!("{error}"),
        }
    }
}

fn attacked<T: Record>(test: &str) {
    let targets = [Target::Payload, Target::Inline, Target::SleepWords];
    let mut arena = Arena::<T>::new(test, &options(32), 0, &targets);
    run(Bites::Wrong, |tally, dice| {
        feed(&mut arena, 1 + dice.roll(2));
        if let Err(error) = read_somehow(arena.consumer(), tally, dice) {
            assert_ne!(error, PopError::Corrupt, "no position was attacked");
            count_pop_error(error, tally);
        }
    });
}

fn small_records_are_read_once() {
    attacked::<u64>("u64");
}

fn large_records_are_read_once() {
    attacked::<Words<8>>("64-bytes");
}
