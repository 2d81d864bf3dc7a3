//! The crates of a sender and a receiver, one of each in both directions.

use std::error::Error;
use std::fs::OpenOptions;
use std::path::Path;

use ipc_channel::ipc;
use ringbuf::HeapRb;
use ringbuf::traits::{Consumer as _, Producer as _, Split};
use ringfire::{CleanupMode, FlowControl, RingConsumer, RingProducerBuilder};
use shaq::spsc;
use shmem_ipc::sharedring::{Receiver, Sender};

use crate::CAPACITY;
use crate::common::ends::Ends;
use crate::common::exchange::Link;
use crate::common::polling::retry;

/// Tries to send and to receive, with the processor's hint after each failure.
struct Polled<S, R>(S, R);

impl<S: FnMut(u64) -> bool, R: FnMut() -> Option<u64>> Link for Polled<S, R> {
    #[inline(always)]
    fn send(&mut self, message: u64) {
        retry(|| (self.0)(message).then_some(()));
    }

    #[inline(always)]
    fn receive(&mut self) -> u64 {
        retry(&mut self.1)
    }
}

/// crossbeam-channel: a bounded channel for many senders and receivers. `try_send` and `try_recv`.
pub(crate) fn crossbeam() -> Ends<impl Link + Send> {
    let rings = [(); 2].map(|()| crossbeam_channel::bounded(CAPACITY));
    Ends::of(rings, |sender, receiver| {
        let send = move |message| sender.try_send(message).is_ok();
        Polled(send, move || receiver.try_recv().ok())
    })
}

/// The standard library's bounded channel. `try_send` and `try_recv`.
pub(crate) fn mpsc() -> Ends<impl Link + Send> {
    let rings = [(); 2].map(|()| std::sync::mpsc::sync_channel(CAPACITY));
    Ends::of(rings, |sender, receiver| {
        let send = move |message| sender.try_send(message).is_ok();
        Polled(send, move || receiver.try_recv().ok())
    })
}

/// ringbuf: the lock-free ring on the heap, whose endpoints cache the positions. `try_push` and
/// `try_pop`.
pub(crate) fn ringbuf() -> Ends<impl Link + Send> {
    let rings = [(); 2].map(|()| HeapRb::new(CAPACITY).split());
    Ends::of(rings, |mut producer, mut consumer| {
        let send = move |message| producer.try_push(message).is_ok();
        Polled(send, move || consumer.try_pop())
    })
}

/// shaq: its ring for one producer and one consumer, in a file in shared memory. `try_write` and
/// `try_read`.
pub(crate) fn shaq(place: &Path) -> Result<Ends<impl Link + use<>>, Box<dyn Error>> {
    let ring = |way| -> Result<_, Box<dyn Error>> {
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create_new(true);
        let file = file.open(place.join(way))?;
        let size = spsc::minimum_file_size::<u64>(CAPACITY).next_multiple_of(4096);
        // SAFETY: the file is new, no other process has it, and every value of a number is valid.
        let producer = unsafe { spsc::Producer::<u64>::create(&file, size) };
        let producer = producer.map_err(|error| format!("{error:?}"))?;
        // SAFETY: as above, and there is no other consumer.
        let consumer = unsafe { spsc::Consumer::<u64>::join(&file) };
        Ok((producer, consumer.map_err(|error| format!("{error:?}"))?))
    };
    Ok(Ends::of(
        [ring("there")?, ring("back")?],
        |mut producer, mut consumer| {
            let send = move |message| producer.try_write(message).is_ok();
            Polled(send, move || consumer.try_read())
        },
    ))
}

/// ringfire: its ring for one producer and many consumers, with lossless flow control. `try_push`
/// and `try_recv`.
pub(crate) fn ringfire(place: &Path) -> Result<Ends<impl Link + use<>>, Box<dyn Error>> {
    let ring = |way| -> Result<_, Box<dyn Error>> {
        let path = place.join(way);
        let producer = RingProducerBuilder::new(CAPACITY as u64)
            .flow_control(FlowControl::LosslessBackpressure)
            .cleanup_mode(CleanupMode::Persistent)
            .build::<u64, _>(&path)?;
        Ok((producer, RingConsumer::<u64>::attach(&path)?))
    };
    Ok(Ends::of(
        [ring("there")?, ring("back")?],
        |mut producer, mut consumer| {
            let send = move |message| producer.try_push(&message).is_ok();
            Polled(send, move || consumer.try_recv())
        },
    ))
}

/// shmem-ipc: a ring in a sealed memfd, without its event descriptors.
pub(crate) fn shmem_ipc() -> Result<Ends<impl Link + use<>>, Box<dyn Error>> {
    let ring = || -> Result<_, Box<dyn Error>> {
        let sender = Sender::<u64>::new(CAPACITY)?;
        let memory = sender.memfd().as_file().try_clone()?;
        let signals = [sender.empty_signal(), sender.full_signal()];
        let [empty, full] = signals.map(|signal| signal.try_clone());
        Ok((
            sender,
            Receiver::<u64>::open(CAPACITY, memory, empty?, full?)?,
        ))
    };
    Ok(Ends::of([ring()?, ring()?], |mut sender, mut receiver| {
        let send = move |message| {
            let mut sent = false;
            let put = |place: *mut u64, _| {
                // SAFETY: the ring returns at least one free slot.
                unsafe { place.write(message) };
                sent = true;
                1
            };
            let status = sender.sender_mut().send(put);
            status.expect("the partner follows the protocol");
            sent
        };
        let receive = move || {
            let mut message = None;
            let take = |place: *const u64, _| {
                // SAFETY: the ring returns at least one filled slot.
                message = Some(unsafe { place.read() });
                1
            };
            let status = receiver.receiver_mut().recv(take);
            status.expect("the partner follows the protocol");
            message
        };
        Polled(send, receive)
    }))
}

/// ipc-channel: serialised messages over Unix sockets, limited only by the socket's buffer. `send`
/// and `recv`, which block: it has no calls that wait in user space.
pub(crate) fn ipc_channel() -> Result<Ends<impl Link + use<>>, Box<dyn Error>> {
    let rings = [ipc::channel::<u64>()?, ipc::channel()?];
    Ok(Ends::of(rings, |sender, receiver| {
        let send = move |message| sender.send(message).is_ok();
        Polled(send, move || receiver.recv().ok())
    }))
}
