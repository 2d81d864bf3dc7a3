//! Records of every size class and alignment.

use std::fmt::Debug;

use quoit::{ClaimError, Consumer, PopError, Producer, Record};

use crate::common::dice::Dice;
use crate::common::sample::{Words, record};
use crate::tests;
use crate::world::{Modelled, World, behaves_like_a_queue};

/// The number of sequences for each of the ten types of records.
const SEQUENCES: u32 = 6_500;

/// A type that is too large or too strictly aligned has no inline copies; others must have had
/// both kinds of transfer.
fn are_a_queue<T: Record + PartialEq + Debug>(may_be_inline: bool) {
    let journeys = behaves_like_a_queue::<T>(SEQUENCES, &[1, 2, 4, 8, 64], 100);
    assert!(journeys.walks.get() > 100, "too few had no inline copy");
    let copies = journeys.has_inline_copy.get();
    assert!(
        may_be_inline == (copies > 100) && may_be_inline == (copies > 0),
        "{copies}"
    );
}

tests! {
    single_bytes_are_a_queue: are_a_queue::<u8>(true);
    three_bytes_are_a_queue: are_a_queue::<[u8; 3]>(true);
    two_byte_words_are_a_queue: are_a_queue::<u16>(true);
    words_are_a_queue: are_a_queue::<u64>(true);
    pairs_of_words_are_a_queue: are_a_queue::<[u64; 2]>(true);
    records_of_40_bytes_are_a_queue: are_a_queue::<Words<5>>(true);
    records_of_48_bytes_are_a_queue: are_a_queue::<Words<6>>(true);
    records_of_56_bytes_are_a_queue: are_a_queue::<Words<7>>(false);
    records_aligned_to_16_bytes_are_a_queue: are_a_queue::<u128>(false);
    records_of_100_bytes_are_a_queue: are_a_queue::<[u8; 100]>(false);
}

impl<T: Record + PartialEq + Debug> Modelled for T {
    const UNIT: u64 = 1;

    fn fresh(world: &mut World<'_, T>, dice: &mut Dice) -> Vec<T> {
        let most = [4, 79][dice.roll(2)];
        let count = 1 + dice.roll(most) as u64;
        let first = world.number;
        world.number += count;
        (first..first + count).map(record).collect()
    }

    fn size(_: &T) -> u64 {
        1
    }

    fn claimed(message: &T, _: usize) -> T {
        *message
    }

    fn place(world: &World<'_, T>, ahead: u64, _: &T) -> Result<u64, ClaimError> {
        match world.producer_closed || room(world) <= ahead {
            true if world.no_room_comes() => Err(ClaimError::Abandoned),
            true => Err(ClaimError::Full),
            false => Ok(1),
        }
    }

    fn skip(consumer: &mut Consumer<T>, count: Option<usize>) -> Result<usize, PopError> {
        match count {
            Some(count) => consumer.skip(count),
            None => consumer.skip_to_latest(),
        }
    }

    fn compare(
        world: &World<'_, T>,
        producer: Option<&Producer<T>>,
        consumer: Option<&Consumer<T>>,
    ) {
        let is_full = room(world) == 0;
        if let Some(producer) = producer {
            assert_eq!(producer.vacant(), room(world));
            assert_eq!(producer.is_full(), is_full);
        }
        assert!(consumer.is_none_or(|consumer| consumer.is_full() == is_full));
    }
}

fn room<T: Modelled>(world: &World<'_, T>) -> u64 {
    world.capacity - world.unread()
}
