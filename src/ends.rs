//! The endpoints of a ring of each shape.

use crate::consumer::Consumer;
use crate::endpoint::Endpoint;
use crate::error::Error;
use crate::frame_consumer::FrameConsumer;
use crate::frame_producer::FrameProducer;
use crate::producer::Producer;
use crate::ring::{Record, Ring, Sealed, Shape};

impl<T: Record> Shape for T {
    type Producer = Producer<T>;
    type Consumer = Consumer<T>;

    fn producer(ring: &Ring<T>) -> Result<Producer<T>, Error> {
        Endpoint::producer(ring.shared(), T::DESCRIPTION).map(Producer::new)
    }

    fn consumer(ring: &Ring<T>) -> Result<Consumer<T>, Error> {
        Endpoint::consumer(ring.shared(), T::DESCRIPTION).map(Consumer::new)
    }
}

impl Shape for [u8] {
    type Producer = FrameProducer;
    type Consumer = FrameConsumer;

    fn producer(ring: &Ring<[u8]>) -> Result<FrameProducer, Error> {
        Endpoint::producer(ring.shared(), Self::DESCRIPTION).map(FrameProducer::new)
    }

    fn consumer(ring: &Ring<[u8]>) -> Result<FrameConsumer, Error> {
        Endpoint::consumer(ring.shared(), Self::DESCRIPTION).map(FrameConsumer::new)
    }
}
