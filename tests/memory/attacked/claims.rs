//! Writing calls, with the attacker as the consumer. This process holds the consumer's
//! role, so that the producer has a peer, and does not use it.

use std::time::Duration;

use quoit::{ClaimError, FrameProducer, Producer, PushError, Record};

use crate::attacked::arena::{
    Arena, Bites, TEXT, Tally, any_text, count_claim_error, options, run,
};
use crate::attacked::attacker::Target;
use crate::common::dice::Dice;
use crate::common::sample::{Words, record};

crate::common::suite::tests! {
    claims_of_frames_do_not_crash_under_attack,
    batches_do_not_crash_under_attack,
    claims_of_records_do_not_crash_under_attack,
}

/// Long enough for a running attacker to release something.
const SOON: Duration = Duration::from_micros(20);

/// What the attacker rewrites: as a consumer, and in addition.
const CONSUMER: [Target; 5] = [
    Target::Release,
    Target::Payload,
    Target::Headers,
    Target::Inline,
    Target::SleepWords,
];

/// Writes one or several frames with a random call.
pub(crate) fn write_somehow(
    producer: &mut FrameProducer,
    tally: &mut Tally,
    dice: &mut Dice,
) -> Result<(), ClaimError> {
    let text = any_text(dice);
    let len = text.len();
    let position = producer.position();
    match dice.roll(5) {
        0 => producer.try_push(text)?,
        1 => {
            let (front, back) = text.split_at(dice.roll(len as u64 + 1));
            producer.try_push_parts(7, &[front, back])?;
        }
        2 => {
            let mut claim = producer.try_claim(len)?;
            claim.copy_from_slice(text);
            claim.commit();
        }
        _ => {
            let mut claim = producer.try_claim(len)?;
            claim.set_kind(u32::MAX);
            for _ in 0..3 {
                let offset = dice.roll(len as u64 + 1);
                let part = dice.roll((len - offset) as u64 + 1);
                claim.write_at(offset, &text[offset..offset + part]);
            }
            assert_eq!(claim.len(), len);
            if dice.roll(8) > 0 {
                // A short frame is read back from the ring.
                claim.commit_first(dice.roll(len as u64 + 1));
            }
        }
    }
    assert!(producer.position() - position <= producer.capacity());
    tally.done += 1;
    Ok(())
}

pub(crate) fn write_batch(
    producer: &mut FrameProducer,
    tally: &mut Tally,
    dice: &mut Dice,
) -> Result<(), ClaimError> {
    let mut batch = producer.batch();
    let wanted = dice.roll(6);
    let mut end = Ok(());
    for _ in 0..wanted {
        let text = any_text(dice);
        let len = text.len();
        let added = match dice.roll(3) {
            0 => batch.try_push(1, text),
            1 => batch.claim_timeout(2, len, SOON).map(|mut frame| {
                frame.copy_from_slice(text);
            }),
            _ => batch.try_claim(3, len).map(|mut frame| {
                let offset = dice.roll(len as u64 + 1);
                frame.write_at(offset, &text[offset..]);
            }),
        };
        if added.is_err() {
            end = added;
            break;
        }
    }
    let held = batch.len();
    assert_eq!(batch.commit(), held);
    tally.done += u64::from(held > 0);
    end
}

/// Counts the result of a write, and lets the attacker make room.
fn count(result: Result<(), ClaimError>, tally: &mut Tally) -> bool {
    match result {
        Ok(()) => false,
        // The whole batch is too long for the ring.
        Err(ClaimError::TooLong { .. }) => false,
        Err(error) => {
            count_claim_error(error, tally);
            error == ClaimError::Corrupt
        }
    }
}

fn claims_of_frames_do_not_crash_under_attack() {
    let mut arena = Arena::frames("claims", 0, &CONSUMER);
    run(Bites::Neither, |tally, dice| {
        let producer = arena.producer();
        let mut result = write_somehow(producer, tally, dice);
        if result == Err(ClaimError::Full) {
            result = producer.claim_timeout(TEXT.len(), SOON).map(drop);
        }
        assert!(
            !count(result, tally),
            "a consumer that releases everything poisons the producer"
        );
    });
}

fn batches_do_not_crash_under_attack() {
    let mut arena = Arena::frames("batches", 0, &CONSUMER);
    run(Bites::Neither, |tally, dice| {
        let producer = arena.producer();
        let result = write_batch(producer, tally, dice);
        assert!(
            !count(result, tally),
            "a consumer that releases everything poisons the producer"
        );
    });
}

/// Writes one or several records with a random call.
pub(crate) fn write_records<T: Record>(
    producer: &mut Producer<T>,
    tally: &mut Tally,
    dice: &mut Dice,
) -> Result<(), ClaimError> {
    let value: T = record(7);
    let position = producer.position();
    match dice.roll(5) {
        0 => match producer.try_push(value) {
            Ok(()) => {}
            Err(PushError::Full(_)) => return Err(ClaimError::Full),
            Err(PushError::Abandoned(_)) => return Err(ClaimError::Abandoned),
            Err(PushError::Corrupt(_)) => return Err(ClaimError::Corrupt),
            Err(error) => panic!("{error}"),
        },
        1 => {
            let pushed = producer.try_push_slice(&[value; 5])?;
            assert!(pushed <= 5);
        }
        2 => {
            let mut claim = producer.try_claim()?;
            claim.write(value);
            let (once, again) = (claim.read(), claim.read());
            tally.value(once.as_bytes() == again.as_bytes());
            claim.commit();
        }
        _ => {
            let wanted = dice.roll(6);
            let mut claim = match dice.roll(2) {
                0 => producer.try_claim_many(wanted)?,
                _ => producer.claim_many_timeout(wanted, SOON)?,
            };
            let len = claim.len();
            match dice.roll(2) {
                0 => claim.copy_from_slice(&vec![value; len]),
                _ => (0..len).for_each(|index| claim.write(index, value)),
            }
            claim.commit_first(dice.roll(len as u64 + 1));
        }
    }
    assert!(producer.position() - position <= producer.capacity());
    tally.done += 1;
    Ok(())
}

fn claims_of_records_do_not_crash_under_attack() {
    let targets = [
        Target::Release,
        Target::Payload,
        Target::Inline,
        Target::SleepWords,
    ];
    let mut arena = Arena::<Words<8>>::new("claims", &options(16), 0, &targets);
    run(Bites::Wrong, |tally, dice| {
        let producer = arena.producer();
        let mut result = write_records(producer, tally, dice);
        if result == Err(ClaimError::Full) {
            result = producer.claim_timeout(SOON).map(drop);
        }
        assert!(
            !count(result, tally),
            "a consumer that releases everything poisons the producer"
        );
    });
}
