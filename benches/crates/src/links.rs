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
use crate::common::link::{Ends, Link, Open};

/// crossbeam-channel: a bounded channel for many senders and receivers, also the standard
/// library's `mpsc`. `try_send` and `try_recv`.
pub(crate) fn crossbeam() -> Ends<impl Link + Send> {
    let rings = [(); 2].map(|()| crossbeam_channel::bounded(CAPACITY));
    Ends::polled(
        rings,
        |s, message| s.try_send(message).ok(),
        |r| r.try_recv().ok(),
    )
}

/// ringbuf: the lock-free ring on the heap, whose endpoints cache the positions. `try_push` and
/// `try_pop`.
pub(crate) fn ringbuf() -> Ends<impl Link + Send> {
    let rings = [(); 2].map(|()| HeapRb::new(CAPACITY).split());
    Ends::polled(
        rings,
        |p, message| p.try_push(message).ok(),
        |c| c.try_pop(),
    )
}

/// A crate that works between processes, or why not here.
pub(crate) type Wire<L> = Result<Open<L>, Box<dyn Error>>;

/// shaq: its ring for one producer and one consumer, in a file in shared memory. `try_write` and
/// `try_read`.
pub(crate) fn shaq(place: &Path) -> Wire<impl Link + use<>> {
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
    let rings = [ring("there")?, ring("back")?];
    let ends = Ends::polled(
        rings,
        |p, message| p.try_write(message).ok(),
        |c| c.try_read(),
    );
    Ok(ends.open())
}

/// ringfire: its ring for one producer and many consumers, with lossless flow control. `try_push`
/// and `try_recv`.
pub(crate) fn ringfire(place: &Path) -> Wire<impl Link + use<>> {
    let ring = |way| -> Result<_, Box<dyn Error>> {
        let path = place.join(way);
        let producer = RingProducerBuilder::new(CAPACITY as u64)
            .flow_control(FlowControl::LosslessBackpressure)
            .cleanup_mode(CleanupMode::Persistent)
            .build::<u64, _>(&path)?;
        Ok((producer, RingConsumer::<u64>::attach(&path)?))
    };
    let rings = [ring("there")?, ring("back")?];
    let ends = Ends::polled(
        rings,
        |p, message| p.try_push(&message).ok(),
        |c| c.try_recv(),
    );
    Ok(ends.open())
}

/// shmem-ipc: a ring in a sealed memfd, without its event descriptors.
pub(crate) fn shmem_ipc(_: &Path) -> Wire<impl Link + use<>> {
    let ring = || -> Result<_, Box<dyn Error>> {
        let sender = Sender::<u64>::new(CAPACITY)?;
        let memory = sender.memfd().as_file().try_clone()?;
        let signals = [sender.empty_signal(), sender.full_signal()];
        let [empty, full] = signals.map(|signal| signal.try_clone());
        let receiver = Receiver::<u64>::open(CAPACITY, memory, empty?, full?)?;
        Ok((sender, receiver))
    };
    let send = |sender: &mut Sender<u64>, message| {
        let mut sent = false;
        let put = |place: *mut u64, _| {
            // SAFETY: the ring returns at least one free slot.
            unsafe { place.write(message) };
            sent = true;
            1
        };
        let status = sender.sender_mut().send(put);
        status.expect("the partner follows the protocol");
        sent.then_some(())
    };
    let receive = |receiver: &mut Receiver<u64>| {
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
    Ok(Ends::polled([ring()?, ring()?], send, receive).open())
}

/// ipc-channel: serialised messages over Unix sockets, limited only by the socket's buffer. `send`
/// and `recv`, which block: it has no calls that wait in user space.
pub(crate) fn ipc_channel(_: &Path) -> Wire<impl Link + use<>> {
    let rings = [ipc::channel::<u64>()?, ipc::channel()?];
    let ends = Ends::polled(rings, |s, message| s.send(message).ok(), |r| r.recv().ok());
    Ok(ends.open())
}
