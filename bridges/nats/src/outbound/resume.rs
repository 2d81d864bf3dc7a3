//! How far the stream has the ring.

use async_nats::jetstream::stream::{Info, Stream};

use super::options::Outbound;
use super::window::BATCH;
use crate::error::Error;
use crate::link::{Backoff, Link, has_none};
use crate::ring::Reader;
use crate::wire::Id;

/// The last message of the subject.
pub(super) struct Last {
    /// Its sequence; 0 if there is none.
    pub(super) sequence: u64,
    pub(super) id: Option<Id>,
    /// The connection on which the server has said so.
    pub(super) connects: u64,
}

pub(super) async fn last_message(
    link: &mut Link,
    stream: &Stream<Info>,
    subject: &str,
    backoff: &mut Backoff,
) -> Result<Last, Error> {
    loop {
        let connects = link.connected().await?;
        let error = match stream.get_last_raw_message_by_subject(subject).await {
            Ok(last) => {
                return Ok(Last {
                    sequence: last.sequence,
                    id: Id::of(&last.headers),
                    connects,
                });
            }
            Err(error) => error,
        };
        let which = format!("the last of {subject}");
        if has_none(&error, stream, &which)? {
            return Ok(Last {
                sequence: 0,
                id: None,
                connects,
            });
        }
        let doing = format!("read {which}");
        link.retry(backoff, &doing, error).await;
    }
}

/// What of the ring the stream has.
pub(super) struct Known {
    /// The position after it.
    pub(super) end: u64,
    /// Messages that are not released.
    pub(super) count: u64,
}

/// Finds the messages in the ring up to the one at this position. The reader continues
/// anywhere.
pub(super) fn find(reader: &mut Reader, position: u64, options: &Outbound) -> Result<Known, Error> {
    let head = reader.head();
    let ahead = position.wrapping_sub(head);
    if ahead as i64 >= 0 && ahead >= reader.tail().wrapping_sub(head) {
        return Err(Error::Diverged(format!(
            "the stream {} has the position {position} of the ring {}, which has published up to \
             {} only: the ring is an older copy of itself; use a new ring",
            options.stream,
            options.ring.text(),
            reader.tail()
        )));
    }
    reader.rewind();
    let (mut known, mut is_over) = (
        Known {
            end: head,
            count: 0,
        },
        (ahead as i64) < 0,
    );
    while !is_over {
        let read = reader.read(BATCH, |message| {
            if position.wrapping_sub(message.position) as i64 >= 0 {
                known.end = message.next;
                known.count += 1;
            } else {
                is_over = true;
            }
        })?;
        is_over |= read == 0;
    }
    Ok(known)
}
