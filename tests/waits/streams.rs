//! Streams of messages: every message arrives whole, once, and in order.
//!
//! The content of each message follows from its number. Both endpoints choose among all calls
//! at random: single messages, batches, in place. So messages are copied inline, wrap, and
//! arrive in batches. The streams run between threads and between processes, in rings of one
//! message and of many, and with every wait strategy on every doorbell.

mod frames;
pub(crate) mod processes;
mod records;
pub(crate) mod strategies;
pub(crate) mod threads;

use quoit::{PopError, Shape};

use crate::common::sample::Words;

/// Records that may be copied inline.
pub(crate) type Short = Words<4>;

const ATTACHED: &str = "the consumer is attached";

/// A shape whose messages have numbers.
pub(crate) trait Streamed: Shape<Producer: Send, Consumer: Send> {
    /// Sends messages by every call.
    fn send(producer: &mut Self::Producer, messages: u64);

    /// Receives messages by every call, until the producer has closed.
    fn receive(consumer: &mut Self::Consumer, messages: u64);

    fn send_one(producer: &mut Self::Producer, number: u64);
    fn receive_one(consumer: &mut Self::Consumer, number: u64) -> Result<(), PopError>;
    fn forward(
        consumer: &mut Self::Consumer,
        producer: &mut Self::Producer,
    ) -> Result<(), PopError>;
}
