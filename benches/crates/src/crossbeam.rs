//! crossbeam-channel: a bounded channel for many senders and receivers, here with one of each. Busy
//! polling with `try_send` and `try_recv`.

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::common::link::Link;
use crate::pair::Pair;

pub(crate) struct End {
    sender: Sender<u64>,
    receiver: Receiver<u64>,
}

pub(crate) fn pair(capacity: usize) -> Pair<End> {
    let (there, far) = bounded(capacity);
    let (back, near) = bounded(capacity);
    let end = |sender, receiver| End { sender, receiver };
    Pair::new(end(there, near), end(back, far))
}

impl Link for End {
    #[inline(always)]
    fn send(&mut self, message: u64) {
        while self.sender.try_send(message).is_err() {
            std::hint::spin_loop();
        }
    }

    #[inline(always)]
    fn receive(&mut self) -> u64 {
        loop {
            match self.receiver.try_recv() {
                Ok(message) => return message,
                Err(_) => std::hint::spin_loop(),
            }
        }
    }
}
