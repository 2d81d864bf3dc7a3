//! ringfire: its ring for one producer and many consumers, with lossless flow control. Busy
//! polling with `try_push` and `try_recv`.

use std::error::Error;
use std::path::Path;

use ringfire::{CleanupMode, FlowControl, RingConsumer, RingProducer, RingProducerBuilder};

use crate::common::link::Link;
use crate::pair::Pair;

pub(crate) struct End {
    producer: RingProducer<u64>,
    consumer: RingConsumer<u64>,
}

pub(crate) fn pair(directory: &Path, capacity: u64) -> Result<Pair<End>, Box<dyn Error>> {
    let (there, far) = ring(&directory.join("ringfire-there"), capacity)?;
    let (back, near) = ring(&directory.join("ringfire-back"), capacity)?;
    let end = |producer, consumer| End { producer, consumer };
    Ok(Pair::new(end(there, near), end(back, far)))
}

fn ring(
    path: &Path,
    capacity: u64,
) -> Result<(RingProducer<u64>, RingConsumer<u64>), Box<dyn Error>> {
    let producer = RingProducerBuilder::new(capacity)
        .flow_control(FlowControl::LosslessBackpressure)
        .cleanup_mode(CleanupMode::Persistent)
        .build(path)?;
    Ok((producer, RingConsumer::attach(path)?))
}

impl Link for End {
    #[inline(always)]
    fn send(&mut self, message: u64) {
        while self.producer.try_push(&message).is_err() {
            std::hint::spin_loop();
        }
    }

    #[inline(always)]
    fn receive(&mut self) -> u64 {
        loop {
            match self.consumer.try_recv() {
                Some(message) => return message,
                None => std::hint::spin_loop(),
            }
        }
    }
}
