//! ringbuf: the lock-free ring on the heap, whose endpoints cache the positions. Busy
//! polling with `try_push` and `try_pop`.

use ringbuf::traits::{Consumer, Producer, Split};
use ringbuf::{HeapCons, HeapProd, HeapRb};

use crate::common::link::Link;
use crate::pair::Pair;

pub(crate) struct End {
    producer: HeapProd<u64>,
    consumer: HeapCons<u64>,
}

pub(crate) fn pair(capacity: usize) -> Pair<End> {
    let (there, far) = HeapRb::new(capacity).split();
    let (back, near) = HeapRb::new(capacity).split();
    let end = |producer, consumer| End { producer, consumer };
    Pair::new(end(there, near), end(back, far))
}

impl Link for End {
    #[inline(always)]
    fn send(&mut self, message: u64) {
        while self.producer.try_push(message).is_err() {
            std::hint::spin_loop();
        }
    }

    #[inline(always)]
    fn receive(&mut self) -> u64 {
        loop {
            match self.consumer.try_pop() {
                Some(message) => return message,
                None => std::hint::spin_loop(),
            }
        }
    }
}
