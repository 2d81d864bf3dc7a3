//! Records, which are copied inline when they are published one by one. The number of a
//! record is its position.

use std::ops::Range;

use quoit::{ClaimError, Consumer, PopError, Producer};

use crate::common::sample::{Words, record};
use crate::load::Load;

pub(crate) type Message = Words<4>;

impl Load for Message {
    const CAPACITY: u64 = 16;

    fn number(position: u64) -> u64 {
        position
    }

    fn push(producer: &mut Producer<Self>, numbers: Range<u64>) -> Result<u64, ClaimError> {
        if numbers.end - numbers.start == 1 {
            let mut claim = producer.claim()?;
            claim.write(record(numbers.start));
            claim.commit();
            return Ok(1);
        }
        let batch: Vec<Self> = numbers.map(record).collect();
        Ok(producer.push_slice(&batch)? as u64)
    }

    fn take(
        consumer: &mut Consumer<Self>,
        numbers: Range<u64>,
        mut sees: impl FnMut(u64),
    ) -> Result<u64, PopError> {
        let mut see = |message: Self, number| {
            assert_eq!(message, record(number), "record {number}");
            sees(number);
        };
        let first = consumer.peek()?;
        if numbers.end - numbers.start == 1 {
            see(first.read(), numbers.start);
            first.release();
            return Ok(1);
        }
        let peek = consumer.try_peek_many()?;
        let mut count = 0;
        for (message, number) in peek.iter().zip(numbers) {
            see(message, number);
            count += 1;
        }
        peek.release_first(count);
        Ok(count as u64)
    }
}
