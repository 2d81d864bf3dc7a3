//! Every call of the async endpoints that moves messages, as a table.

use std::future::Future;
use std::pin::Pin;

use futures_util::{SinkExt, StreamExt};
use quoit::{ClaimError, PopError};

use super::{Plain, Sink, Stream};
use crate::common::calls::{Calls, reason};
use crate::common::sample::{Words, bytes};

type Moving<'a, E> = Pin<Box<dyn Future<Output = Result<usize, E>> + Send + 'a>>;
type Take<'a, T> = &'a mut (dyn FnMut(<T as Calls>::Message) + Send + 'a);

/// Publishes the first or the first few of these messages, in one of several ways; the result
/// is their number.
pub(crate) type Sending<T> =
    for<'a> fn(&'a mut Sink<T>, &'a [<T as Calls>::Message], usize) -> Moving<'a, ClaimError>;

/// Takes at most this many messages, in one of several ways.
pub(crate) type Receive<T> =
    for<'a> fn(&'a mut Stream<T>, usize, usize, Take<'a, T>) -> Moving<'a, PopError>;

/// A shape with all its async calls.
pub(crate) trait AsyncCalls: Calls<Message: Sync, Producer: Plain, Consumer: Plain> {
    /// A dropped future of these has published nothing.
    const SENDS: &'static [Sending<Self>];
    /// These may leave a message in the sink.
    const SINKS: &'static [Sending<Self>];
    const RECEIVES: &'static [Receive<Self>];
    /// These move no message, and the last one waits until the peer closes.
    const WAITS: &'static [Sending<Self>];
    const RECEIVE_WAITS: &'static [Receive<Self>];
    /// So small that both endpoints wait sometimes.
    const CAPACITY: u64;

    fn numbered(number: u64) -> Self::Message {
        Self::message(number)
    }
}

/// The calls that both shapes have: of the sink, with this argument of `ready` and this way
/// to get an item from a message, and of the stream.
macro_rules! alike {
    ([$($len:literal)?], |$message:ident| $item:expr) => {
        const SINKS: &'static [Sending<Self>] = &[
            |sink, messages, _| {
                let $message = &messages[0];
                Box::pin(async { sink.send($item).await.map(|()| 1) })
            },
            |sink, messages, _| {
                let $message = &messages[0];
                Box::pin(async { sink.feed($item).await.map(|()| 1) })
            },
        ];
        const WAITS: &'static [Sending<Self>] = &[
            |sink, _, _| Box::pin(async { sink.ready($($len)?).await.map(|()| 0) }),
            |sink, _, _| Box::pin(async { Ok(sink.wait_for_peer().await.map_or(0, |()| 0)) }),
            |sink, _, _| Box::pin(async { sink.flush().await.map(|()| 0) }),
            |sink, _, _| {
                Box::pin(async {
                    sink.closed().await.expect("it was attached");
                    Err(ClaimError::Abandoned)
                })
            },
        ];
        const RECEIVE_WAITS: &'static [Receive<Self>] = &[
            |stream, _, _, _| Box::pin(async { stream.ready().await.map(|()| 0) }),
            |stream, _, _, _| Box::pin(async { Ok(stream.wait_for_peer().await.map_or(0, |()| 0)) }),
            |stream, _, _, _| Box::pin(async { Ok(stream.closed().await.map_or(0, |()| 0)) }),
        ];
    };
}

impl AsyncCalls for Words<2> {
    const CAPACITY: u64 = 8;

    alike!([], |value| *value);

    const SENDS: &'static [Sending<Self>] = &[
        |sink, values, _| {
            Box::pin(async {
                let pushed = sink.push(values[0]).await;
                pushed.map(|()| 1).map_err(|error| reason(error, values[0]))
            })
        },
        |sink, values, _| Box::pin(sink.push_slice(values)),
        |sink, values, manner| {
            Box::pin(async move {
                let mut claim = sink.claim().await?;
                claim.write(values[0]);
                if manner % 2 == 1 {
                    return Ok(0); // and drops the claim
                }
                claim.commit();
                Ok(1)
            })
        },
    ];
    const RECEIVES: &'static [Receive<Self>] = &[
        |stream, _, _, take| Box::pin(async { stream.pop().await.map(take).map(|()| 1) }),
        |stream, wanted, _, take| {
            Box::pin(async move {
                let mut values = vec![Self([0; 2]); wanted];
                let count = stream.pop_slice(&mut values).await?;
                values[..count].iter().copied().for_each(take);
                Ok(count)
            })
        },
        |stream, _, manner, take| {
            Box::pin(async move {
                let peek = stream.peek().await?;
                if manner % 2 == 1 {
                    return Ok(0); // and releases nothing
                }
                take(peek.read());
                peek.release();
                Ok(1)
            })
        },
        |stream, _, _, take| {
            Box::pin(async {
                take(stream.next().await.unwrap_or(Err(PopError::Abandoned))?);
                Ok(1)
            })
        },
    ];
}

impl AsyncCalls for [u8] {
    const CAPACITY: u64 = 256;

    alike!([64], |frame| frame.1.clone());

    const SENDS: &'static [Sending<Self>] = &[
        |sink, frames, _| Box::pin(async { sink.push(&frames[0].1).await.map(|()| 1) }),
        |sink, frames, _| Box::pin(async { sink.push_kind(0, &frames[0].1).await.map(|()| 1) }),
        |sink, frames, manner| {
            Box::pin(async move {
                let payload = &frames[0].1;
                let (front, back) = payload.split_at(manner % (payload.len() + 1));
                sink.push_parts(0, &[front, back]).await.map(|()| 1)
            })
        },
        |sink, frames, manner| {
            Box::pin(async move {
                let mut claim = sink.claim(64).await?;
                claim.write_at(0, &frames[0].1);
                if manner % 2 == 1 {
                    return Ok(0); // and drops the claim
                }
                claim.commit_first(frames[0].1.len());
                Ok(1)
            })
        },
    ];
    const RECEIVES: &'static [Receive<Self>] = &[
        |stream, _, manner, take| {
            Box::pin(async move {
                let mut buffer = vec![0; if manner % 2 == 1 { 8 } else { 64 }];
                let popped = match stream.pop(&mut buffer).await {
                    Err(PopError::TooShort { needed }) => {
                        buffer = vec![0; needed];
                        stream.pop(&mut buffer).await?
                    }
                    popped => popped?,
                };
                take((popped.kind, buffer[..popped.len].to_vec()));
                Ok(1)
            })
        },
        |stream, _, _, take| {
            Box::pin(async {
                let mut bytes = vec![9; 9];
                let kind = stream.pop_into(&mut bytes).await?;
                take((kind, bytes));
                Ok(1)
            })
        },
        |stream, _, manner, take| {
            Box::pin(async move {
                let frame = stream.peek().await?;
                if manner % 2 == 1 {
                    return Ok(0); // and releases nothing
                }
                take((frame.kind(), frame.to_vec()));
                frame.release();
                Ok(1)
            })
        },
        |stream, wanted, manner, take| {
            Box::pin(async move {
                let mut frames = stream.peek_many().await?;
                let wanted = if manner % 2 == 1 { 0 } else { wanted };
                for count in 0..wanted {
                    let Some(frame) = frames.next_frame()? else {
                        frames.release();
                        return Ok(count);
                    };
                    take((frame.kind(), frame.to_vec()));
                }
                frames.release();
                Ok(wanted)
            })
        },
        |stream, _, _, take| {
            Box::pin(async {
                take((0, stream.next().await.unwrap_or(Err(PopError::Abandoned))?));
                Ok(1)
            })
        },
    ];

    fn numbered(number: u64) -> (u32, Vec<u8>) {
        (0, bytes(number, (number % 61) as usize))
    }
}
