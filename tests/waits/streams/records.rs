//! Records by every call.

use std::fmt::Debug;

use quoit::{ClaimMany, Consumer, PopError, Producer, Record};

use super::{ATTACHED, Streamed};
use crate::common::PATIENCE;
use crate::common::dice::Dice;
use crate::common::sample::record;

impl<T: Record + PartialEq + Debug> Streamed for T {
    fn send(producer: &mut Producer<T>, messages: u64) {
        let mut dice = Dice(1);
        let mut sent = 0;
        while sent < messages {
            let count = (messages - sent).min(1 + dice.roll(50) as u64);
            let batch = || -> Vec<T> { (sent..sent + count).map(record).collect() };
            sent += match dice.roll(16) {
                0 => {
                    producer.push_all(&batch()).expect(ATTACHED);
                    count
                }
                1 => {
                    // The first of them that fit.
                    let mut rest = batch().into_iter();
                    let pushed = producer.try_extend(&mut rest).unwrap_or(0) as u64;
                    assert_eq!(rest.len() as u64, count - pushed);
                    pushed
                }
                2 => producer.push_slice(&batch()).expect(ATTACHED) as u64,
                3 => {
                    let claim = producer.try_claim_many(count as usize);
                    claim.map_or(0, |claim| fill(claim, sent, &mut dice))
                }
                4 => {
                    // Not all slots: the receiver may wait for a second record.
                    let exact = count.min(producer.capacity() - 1).max(1) as usize;
                    let claim = producer.claim_many(exact).expect(ATTACHED);
                    assert_eq!(claim.len(), exact);
                    fill(claim, sent, &mut dice)
                }
                5..=9 => {
                    let mut claim = producer.claim().expect(ATTACHED);
                    claim.write(record(sent));
                    claim.commit();
                    1
                }
                _ => {
                    producer.push(record(sent)).expect(ATTACHED);
                    1
                }
            };
        }
    }

    fn receive(consumer: &mut Consumer<T>, messages: u64) {
        let mut dice = Dice(2);
        let mut received = 0;
        let mut take = |message: T| {
            assert_eq!(message, record(received));
            received += 1;
        };
        let mut buffer = [T::new_zeroed(); 32];
        loop {
            let way = dice.roll(10);
            let end = match way {
                0 | 1 => {
                    let at_least = consumer.capacity().min(2) as usize;
                    let peek = match way {
                        0 => consumer.try_peek_many(),
                        _ => consumer.peek_many(at_least),
                    };
                    peek.map(|peek| {
                        let release = dice.roll(peek.len() as u64 + 1);
                        if dice.roll(2) == 0 {
                            peek.iter().take(release).for_each(&mut take);
                        } else {
                            // SAFETY: the producer does not access unreleased slots.
                            let (front, back) = unsafe { peek.slices() };
                            front
                                .iter()
                                .chain(back)
                                .take(release)
                                .copied()
                                .for_each(&mut take);
                        }
                        peek.release_first(release);
                    })
                }
                2 => {
                    consumer.try_iter().for_each(&mut take);
                    Ok(())
                }
                3 => {
                    let popped = consumer.pop_slice_timeout(&mut buffer, PATIENCE);
                    popped.map(|count| buffer[..count].iter().copied().for_each(&mut take))
                }
                4 | 5 => consumer.peek_timeout(PATIENCE).map(|peek| {
                    take(peek.read());
                    peek.release();
                }),
                6 | 7 => consumer.pop().map(&mut take),
                _ => consumer.pop_timeout(PATIENCE).map(&mut take),
            };
            match end {
                Ok(()) => {}
                // These may find fewer than they ask for.
                Err(PopError::Empty | PopError::Abandoned) if way <= 1 => {}
                Err(PopError::Abandoned) => break,
                Err(other) => panic!("{other}"),
            }
        }
        assert_eq!(received, messages);
    }

    fn send_one(producer: &mut Producer<T>, number: u64) {
        producer.push(record(number)).expect(ATTACHED);
    }

    fn receive_one(consumer: &mut Consumer<T>, number: u64) -> Result<(), PopError> {
        let popped = consumer.pop_timeout(PATIENCE);
        popped.map(|message| assert_eq!(message, record(number)))
    }

    fn forward(consumer: &mut Consumer<T>, producer: &mut Producer<T>) -> Result<(), PopError> {
        let message = consumer.pop()?;
        producer.push(message).expect(ATTACHED);
        Ok(())
    }
}

/// Fills a claim from `first` on, in one of three ways; returns how many were committed.
fn fill<T: Record>(mut claim: ClaimMany<'_, T>, first: u64, dice: &mut Dice) -> u64 {
    let values: Vec<T> = (first..).take(claim.len()).map(record).collect();
    match dice.roll(3) {
        0 => claim.copy_from_slice(&values),
        1 => {
            for (index, &value) in values.iter().enumerate() {
                claim.write(index, value);
            }
        }
        _ => {
            // SAFETY: the consumer does not access unpublished slots.
            let (front, back) = unsafe { claim.slices_mut() };
            for (slot, &value) in front.iter_mut().chain(back).zip(&values) {
                *slot = value;
            }
        }
    }
    let commit = 1 + dice.roll(values.len() as u64);
    claim.commit_first(commit);
    commit as u64
}
