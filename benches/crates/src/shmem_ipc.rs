//! shmem-ipc: a ring in a sealed memfd. Busy polling of the ring, without its
//! event descriptors.

use std::error::Error;

use shmem_ipc::sharedring::{Receiver, Sender};

use crate::common::link::Link;
use crate::pair::Pair;

pub(crate) struct End {
    sender: Sender<u64>,
    receiver: Receiver<u64>,
}

pub(crate) fn pair(capacity: usize) -> Result<Pair<End>, Box<dyn Error>> {
    let (there, far) = ring(capacity)?;
    let (back, near) = ring(capacity)?;
    let end = |sender, receiver| End { sender, receiver };
    Ok(Pair::new(end(there, near), end(back, far)))
}

fn ring(capacity: usize) -> Result<(Sender<u64>, Receiver<u64>), Box<dyn Error>> {
    let sender = Sender::new(capacity)?;
    let memory = sender.memfd().as_file().try_clone()?;
    let signals = [sender.empty_signal(), sender.full_signal()];
    let [empty, full] = signals.map(|signal| signal.try_clone());
    Ok((sender, Receiver::open(capacity, memory, empty?, full?)?))
}

impl Link for End {
    #[inline(always)]
    fn send(&mut self, message: u64) {
        let mut sent = false;
        while !sent {
            let put = |place: *mut u64, _| {
                // SAFETY: the ring returns at least one free slot.
                unsafe { place.write(message) };
                sent = true;
                1
            };
            let status = self.sender.sender_mut().send(put);
            status.expect("the partner follows the protocol");
            if !sent {
                std::hint::spin_loop();
            }
        }
    }

    #[inline(always)]
    fn receive(&mut self) -> u64 {
        let mut message = None;
        loop {
            let take = |place: *const u64, _| {
                // SAFETY: the ring returns at least one filled slot.
                message = Some(unsafe { place.read() });
                1
            };
            let status = self.receiver.receiver_mut().recv(take);
            status.expect("the partner follows the protocol");
            match message {
                Some(message) => return message,
                None => std::hint::spin_loop(),
            }
        }
    }
}
