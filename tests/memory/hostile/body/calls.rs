//! What the executions need of both shapes: messages, the bytes of these, and the calls that
//! the table does not have.

use std::error::Error;
use std::fmt::Debug;
use std::hint::black_box;
use std::io::{self, BufRead, IoSlice, Read as _, Write as _};
use std::time::Duration;

use quoit::{
    ClaimError, Consumer, FrameConsumer, FrameProducer, Interest, PopError, Producer, Record,
    Select, SelectError,
};

use super::choices::Choices;
use super::memory::PAGE;
use super::model::Model;
use crate::common::calls::Amount::UpTo;
use crate::common::calls::watch::{Moment, tell};
use crate::common::calls::{Calls, Read, Row, TIMED, TRY, Wait, Way, Write, ways};
use crate::common::sample::bytes;

/// A shape whose endpoints are used by every call.
pub(crate) trait Prey: Calls {
    /// Bytes of a position.
    const UNIT: usize;
    /// Bytes before a message.
    const HEADER: usize;
    /// The last one nearly fills a page: a read beyond it reaches the guard.
    const CAPACITIES: [usize; 4];
    const MORE_WRITES: &'static [Row<Write<Self>>];
    const MORE_READS: &'static [Row<Read<Self>>];

    /// The address of the data of an empty ring.
    fn address_of_data(producer: &mut Self::Producer) -> usize;
    /// A message for a ring of this capacity: the one with this number, or one whose bytes are all
    /// the same.
    fn any(choices: &mut Choices, capacity: u64, number: Option<u64>) -> Self::Message;
    fn bytes(message: &Self::Message) -> &[u8];
    /// By how many bytes a claim is longer than its message.
    fn claims_more(manner: usize) -> usize;
    /// The getters that only endpoints of this shape have.
    fn ask(producer: Option<&Self::Producer>, consumer: Option<&Self::Consumer>);
    /// Compares the results of these getters.
    fn compare(
        model: &Model<Self>,
        producer: Option<&Self::Producer>,
        consumer: Option<&Self::Consumer>,
    );

    /// Every call that publishes, in these forms.
    fn writes(waits: &[Wait]) -> Vec<Way<Write<Self>>> {
        [ways(Self::WRITES, waits), ways(Self::MORE_WRITES, waits)].concat()
    }

    /// Every call that takes messages.
    fn reads(waits: &[Wait]) -> Vec<Way<Read<Self>>> {
        [ways(Self::READS, waits), ways(Self::MORE_READS, waits)].concat()
    }
}

/// The reads that both kinds of consumers have.
macro_rules! more_reads {
    ($($more:expr),*) => {
        &[
            Row::new("skip", TRY, [UpTo; 2], |end, wanted, _, _, _| end.skip(wanted)),
            Row::new("skip_to_latest", TRY, [UpTo; 2], |end, _, _, _, _| end.skip_to_latest()),
            Row::new("select", TRY | TIMED, [UpTo; 2], |end, _, _, manner, _| {
                Ok(select(end.interest(), manner))
            }),
            $($more),*
        ]
    };
}

impl<T: Record + PartialEq + Debug> Prey for T {
    const UNIT: usize = size_of::<T>();
    const HEADER: usize = 0;
    const CAPACITIES: [usize; 4] = [1, 2, 8, 1 << (PAGE / size_of::<T>()).ilog2()];

    const MORE_WRITES: &'static [Row<Write<T>>] = &[Row::new(
        "select",
        TRY | TIMED,
        [UpTo; 2],
        |end, _, _, manner| Ok(select(end.interest(), manner)),
    )];

    const MORE_READS: &'static [Row<Read<T>>] = more_reads!();

    fn address_of_data(producer: &mut Producer<T>) -> usize {
        let next = (producer.position() % producer.capacity()) as usize * size_of::<T>();
        let mut claim = producer.try_claim().expect("there is room");
        claim.as_mut_ptr().expose_provenance() - next
    }

    fn any(choices: &mut Choices, _: u64, number: Option<u64>) -> T {
        if let Some(number) = number {
            return T::message(number);
        }
        let mut value = T::new_zeroed();
        value.as_mut_bytes().fill(choices.byte());
        value
    }

    fn claims_more(_: usize) -> usize {
        0
    }

    fn bytes(message: &T) -> &[u8] {
        message.as_bytes()
    }

    fn ask(producer: Option<&Producer<T>>, consumer: Option<&Consumer<T>>) {
        let vacant = producer.map(|producer| (producer.is_full(), producer.vacant()));
        let capacity = producer.map(Producer::capacity);
        assert!(vacant.map(|(_, vacant)| vacant) <= capacity);
        black_box((vacant, consumer.map(Consumer::is_full)));
    }

    fn compare(model: &Model<T>, producer: Option<&Producer<T>>, consumer: Option<&Consumer<T>>) {
        let is_full = model.room_for(0, 0).is_err();
        if let Some(producer) = producer {
            assert_eq!(producer.vacant(), producer.capacity() - model.unread());
            assert_eq!(producer.is_full(), is_full);
        }
        assert!(consumer.is_none_or(|consumer| consumer.is_full() == is_full));
    }
}

impl Prey for [u8] {
    const UNIT: usize = 1;
    const HEADER: usize = 8;
    const CAPACITIES: [usize; 4] = [64, 128, 512, PAGE];

    const MORE_WRITES: &'static [Row<Write<[u8]>>] = &[
        Row::new(
            "select",
            TRY | TIMED,
            [UpTo; 2],
            |end, frames, _, manner| {
                let len = frames.first().map_or(0, |(_, payload)| payload.len());
                Ok(select(end.interest(len), manner))
            },
        ),
        Row::new(
            "writer",
            TRY | TIMED,
            [UpTo; 2],
            |end, frames, _, manner| write_stream(end, frames, manner),
        ),
    ];

    const MORE_READS: &'static [Row<Read<[u8]>>] = more_reads!(Row::new(
        "reader",
        TRY | TIMED,
        [UpTo; 2],
        |end, wanted, _, manner, _| read_stream(end, wanted.min(8), manner)
    ));

    fn address_of_data(producer: &mut FrameProducer) -> usize {
        let next = (producer.position() % producer.capacity()) as usize;
        let mut claim = producer.try_claim(0).expect("there is room");
        claim.as_mut_ptr().expose_provenance() - Self::HEADER - next
    }

    fn any(choices: &mut Choices, capacity: u64, number: Option<u64>) -> (u32, Vec<u8>) {
        // Sometimes longer than the longest frame.
        let len = choices.half() % (capacity as usize / 2);
        let len = if choices.coin() { len } else { len % 48 };
        match number {
            Some(number) => (Self::varied(number).0, bytes(number, len)),
            None => (choices.one_of(&[0, 7]), vec![choices.byte(); len]),
        }
    }

    fn claims_more(manner: usize) -> usize {
        manner % 2 * (manner % 17)
    }

    fn bytes((_, payload): &(u32, Vec<u8>)) -> &[u8] {
        payload
    }

    fn ask(producer: Option<&FrameProducer>, _: Option<&FrameConsumer>) {
        let longest = producer.map(FrameProducer::max_frame_len);
        assert!(producer.and_then(FrameProducer::vacant) <= longest);
    }

    fn compare(model: &Model<[u8]>, producer: Option<&FrameProducer>, _: Option<&FrameConsumer>) {
        if let Some(producer) = producer {
            let longest = producer.capacity() as usize / 2 - Self::HEADER;
            assert_eq!(producer.max_frame_len(), longest);
            // The longest payload for which there is room: a longer one never needs less.
            let vacant = producer.vacant();
            let fits = |len| model.room_for(0, len).is_ok();
            assert!(vacant.is_none_or(fits) && !fits(vacant.map_or(0, |len| len + 1)));
        }
    }
}

/// Waits for the endpoint by a `Select`: it is ready, closed, or neither.
fn select(end: Interest<'_>, manner: usize) -> usize {
    match Select::new().wait(&mut [end], Some(timeout(manner))) {
        Ok(_) | Err(SelectError::TimedOut | SelectError::NotAFutex { index: 0 }) => 0,
        Err(error) => panic!("{error}"),
    }
}

/// Almost always zero; otherwise enough for a short sleep.
fn timeout(manner: usize) -> Duration {
    Duration::from_micros(u64::from(manner % 16 == 15))
}

/// The payloads as a stream of bytes, which becomes one frame.
fn write_stream(
    producer: &mut FrameProducer,
    frames: &[(u32, Vec<u8>)],
    manner: usize,
) -> Result<usize, ClaimError> {
    let max = (producer.capacity() / 4) as usize - <[u8]>::HEADER;
    let mut writer = producer.writer();
    writer.set_timeout(Some(timeout(manner)));
    let count = if manner % 2 == 0 { 1 } else { frames.len() };
    let parts: Vec<_> = frames.iter().take(count).collect();
    let parts: Vec<_> = parts.iter().map(|(_, part)| IoSlice::new(part)).collect();
    let len = parts.iter().map(|part| part.len()).sum::<usize>();
    let written = match (manner % 2, parts.first()) {
        (0, Some(part)) => writer.write(part),
        _ => writer.write_vectored(&parts),
    };
    match written {
        Ok(written) => {
            assert_eq!(written, len.min(max));
            Ok(usize::from(len > 0))
        }
        Err(error) => Err(reason(&error)),
    }
}

/// The ring's own error in that of a stream.
fn reason<E: Error + Copy + 'static>(error: &io::Error) -> E {
    let found = error.get_ref().and_then(|error| error.downcast_ref());
    *found.expect("an error of the ring")
}

/// Frames as a stream of bytes, in pieces of any size.
fn read_stream(
    consumer: &mut FrameConsumer,
    pieces: usize,
    manner: usize,
) -> Result<usize, PopError> {
    let capacity = consumer.capacity() as usize;
    let mut reader = consumer.reader();
    reader.set_timeout(Some(timeout(manner)));
    for piece in 0..pieces {
        let manner = manner / 4 + 7 * piece;
        let read = match manner % 3 {
            0 => {
                let mut buffer = vec![0xa5; manner % 64];
                let read = reader.read(&mut buffer);
                read.map(|count| assert!(buffer[count..].iter().all(|byte| *byte == 0xa5)))
            }
            _ => reader.fill_buf().map(<[u8]>::to_vec).map(|bytes| {
                assert!(bytes.len() < capacity);
                tell(Moment::Pauses);
                let again = reader.fill_buf();
                // The end of a stream is reported again.
                if !bytes.is_empty() {
                    assert_eq!(again.expect("a copy"), bytes, "a copy has changed");
                    let part = manner % (bytes.len() + 1);
                    reader.consume(part);
                    if part < bytes.len() {
                        assert_eq!(reader.fill_buf().expect("a copy"), &bytes[part..]);
                    }
                }
            }),
        };
        read.map_err(|error| reason(&error))?;
        tell(Moment::Pauses);
    }
    // It may be poisoned during the read, and report that at the next call.
    Ok(0)
}
