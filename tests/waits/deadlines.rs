//! Every call that takes a timeout ends at its deadline: with a silent peer, and with a
//! peer whose activity does not satisfy the call.
//!
//! One row for each call. `tests/house` checks that none is missing, and `docs::api` has
//! the same table.

use std::io::{self, BufRead, ErrorKind, IoSlice, Read, Write};
use std::mem;
use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use crate::common::PATIENCE;
use crate::common::names::RingName;
use crate::common::process::handle;
use crate::common::rings::named;
use crate::common::threads::while_repeating;
use quoit::rpc::{CallError, Client, Server};
use quoit::{
    ClaimError, Consumer, Deadline, DoorbellKind, Fences, FrameConsumer, FrameProducer, PeerError,
    PopError, Producer, PushError, Ring, RingOptions, Select, SelectError, WaitStrategy,
};

crate::common::suite::tests! {
    every_call_ends_at_its_deadline_with_a_silent_peer,
    every_call_ends_at_its_deadline_while_it_is_fed,
    the_longest_timeout_waits_until_the_peer_closes,
    a_peer_that_is_always_faster_moves_no_deadline,
}

const SHORT: Duration = Duration::from_millis(20);

/// How a call ended.
#[derive(Debug, PartialEq, Eq)]
enum Ended {
    TimedOut,
    /// With another result, as text.
    Otherwise(String),
}

/// A call that waits. The test makes it several times.
type Call = Box<dyn FnMut(Deadline) -> Ended + Send>;
/// One step of a peer whose activity does not satisfy the call. Dropping it ends the call.
type Feed = Box<dyn FnMut() + Send>;

struct Row {
    call: &'static str,
    /// Builds a call that finds nothing to do, and its peer.
    make: fn(&RingOptions) -> (Call, Feed),
}

/// A row for a call of an endpoint: both endpoints, the call of one, the step of the other.
macro_rules! row {
    ($name:literal, $ends:ident($options:ident) -> ($waiting:ident, $peer:ident),
     $timed_out:pat, $call:expr, $feed:expr) => {
        Row {
            call: $name,
            make: |$options| {
                #[allow(unused_mut)]
                let (mut $waiting, mut $peer) = $ends($options);
                #[allow(clippy::redundant_closure_call)]
                let call = move |timeout: Deadline| match ($call)(&mut $waiting, timeout) {
                    Err($timed_out) => Ended::TimedOut,
                    other => Ended::Otherwise(format!("{:?}", other.map(drop))),
                };
                #[allow(clippy::redundant_closure_call)]
                let feed = move || ($feed)(&mut $peer);
                (Box::new(call), Box::new(feed))
            },
        }
    };
}

/// An empty ring of records, for a call that reads.
fn empty(options: &RingOptions) -> (Consumer<u8>, Producer<u8>) {
    let (producer, consumer) = options.heap::<u8>().expect("there is memory");
    (consumer, producer)
}

/// A full ring of records, for a call that writes.
fn full(options: &RingOptions) -> (Producer<u8>, Consumer<u8>) {
    let (mut producer, consumer) = options.heap::<u8>().expect("there is memory");
    while producer.try_push(1).is_ok() {}
    (producer, consumer)
}

fn no_frames(options: &RingOptions) -> (FrameConsumer, FrameProducer) {
    let (producer, consumer) = options.heap::<[u8]>().expect("there is memory");
    (consumer, producer)
}

/// A ring that is full of empty frames.
fn full_of_frames(options: &RingOptions) -> (FrameProducer, FrameConsumer) {
    let (mut producer, consumer) = options.heap::<[u8]>().expect("there is memory");
    while producer.try_push(b"").is_ok() {}
    (producer, consumer)
}

/// A ring without a peer. Dropping the value attaches one.
struct Attaches<F: FnMut()>(F);

impl<F: FnMut()> Drop for Attaches<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// A consumer of a named ring, and its ring.
fn alone(options: &RingOptions) -> (RingName, Ring<u8>) {
    let (ring, name) = named::<u8>("alone", options);
    (name, ring)
}

/// Releases an empty frame, whose room suffices for no other frame.
fn release_little(consumer: &mut FrameConsumer) {
    if consumer.len() == consumer.capacity() {
        consumer.skip(1).expect("it was full");
    }
}

/// Releases three records.
fn release_three(consumer: &mut Consumer<u8>) {
    if consumer.is_full() {
        consumer.skip(3).expect("it was full");
    }
}

/// Sends nothing: a read of one message would take any message.
fn nothing<E>(_: &mut E) {
    thread::yield_now();
}

fn send_three(producer: &mut Producer<u8>) {
    if producer.is_empty() {
        producer.try_push_slice(&[1, 2, 3]).expect("it was empty");
    }
}

fn heartbeats(producer: &mut FrameProducer) {
    let _ = producer.try_push_slice(0, &[b""; 4]);
}

fn io_result<R>(result: io::Result<R>) -> Result<(), ErrorKind> {
    result.map(drop).map_err(|error| error.kind())
}

/// The timeout as a stream takes it: `None` for forever.
fn as_duration(timeout: Deadline) -> Option<Duration> {
    [Duration::ZERO, SHORT, Duration::MAX]
        .into_iter()
        .find(|duration| Deadline::from(*duration) == timeout)
        .or(Some(Duration::ZERO)) // an instant in the past
}

const PAYLOAD: [u8; 24] = [7; 24];
/// More than a peer moves within a timeout.
const MUCH: usize = 1 << 28;

/// A client whose server the test controls.
fn client(options: &RingOptions) -> (Client, (FrameConsumer, FrameProducer)) {
    // Room for the requests of all calls of this test.
    let (requests, requests_in) = RingOptions::new(4096)
        .heap::<[u8]>()
        .expect("there is memory");
    let (replies_in, replies) = options.heap::<[u8]>().expect("there is memory");
    (Client::new(requests, replies), (requests_in, replies_in))
}

/// A client that has no room for a request.
fn client_without_room(options: &RingOptions) -> (Client, (FrameConsumer, FrameProducer)) {
    let (requests, requests_in) = full_of_frames(options);
    let (replies_in, replies) = options.heap::<[u8]>().expect("there is memory");
    (Client::new(requests, replies), (requests_in, replies_in))
}

/// A server whose client does not read, and that client.
fn server(options: &RingOptions) -> (Server, Client) {
    let (requests, requests_in) = options.heap::<[u8]>().expect("there is memory");
    let (replies_in, replies) = full_of_frames(options);
    (
        Server::new(requests_in, replies_in),
        Client::new(requests, replies),
    )
}

fn endless_call(client: &mut Client) {
    if client.in_flight() == 0 {
        let call = client.start(&7_u64.to_ne_bytes(), Duration::MAX);
        // Dropping a call cancels it.
        mem::forget(call.expect("there is room"));
    }
}

fn other_replies(rings: &mut (FrameConsumer, FrameProducer)) {
    heartbeats(&mut rings.1);
}

fn echo(request: &[u8], reply: &mut Vec<u8>) -> Result<(), String> {
    reply.extend_from_slice(request);
    Ok(())
}

/// A set of a consumer, and of a producer that waits for much room.
fn set(
    options: &RingOptions,
) -> (
    (FrameConsumer, FrameProducer),
    (FrameConsumer, FrameProducer),
) {
    let options = options.clone().doorbell(DoorbellKind::Futex);
    let (messages, messages_in) = no_frames(&options);
    let (room, room_in) = full_of_frames(&options);
    ((messages, room), (room_in, messages_in))
}

#[rustfmt::skip]
const ROWS: &[Row] = &[
    row!("Producer::push_timeout", full(options) -> (producer, peer), PushError::TimedOut(_),
        |end: &mut Producer<u8>, timeout| end.push_timeout(1, timeout), nothing),
    row!("Producer::push_slice_timeout", full(options) -> (producer, peer), ClaimError::TimedOut,
        |end: &mut Producer<u8>, timeout| end.push_slice_timeout(&[1, 2], timeout), nothing),
    row!("Producer::push_all_timeout", full(options) -> (producer, peer), ClaimError::TimedOut,
        |end: &mut Producer<u8>, timeout| end.push_all_timeout(&vec![0; MUCH], timeout),
        |peer: &mut Consumer<u8>| { let _ = peer.skip(usize::MAX); }),
    row!("Producer::claim_timeout", full(options) -> (producer, peer), ClaimError::TimedOut,
        |end: &mut Producer<u8>, timeout| end.claim_timeout(timeout).map(drop), nothing),
    row!("Producer::claim_many_timeout", full(options) -> (producer, peer), ClaimError::TimedOut,
        |end: &mut Producer<u8>, timeout| end.claim_many_timeout(4, timeout).map(drop), release_three),
    row!("Consumer::pop_timeout", empty(options) -> (consumer, peer), PopError::TimedOut,
        |end: &mut Consumer<u8>, timeout| end.pop_timeout(timeout), nothing),
    row!("Consumer::pop_slice_timeout", empty(options) -> (consumer, peer), PopError::TimedOut,
        |end: &mut Consumer<u8>, timeout| end.pop_slice_timeout(&mut [0; 2], timeout), nothing),
    row!("Consumer::pop_exact_timeout", empty(options) -> (consumer, peer), PopError::TimedOut,
        |end: &mut Consumer<u8>, timeout| end.pop_exact_timeout(&mut vec![0; MUCH], timeout),
        |peer: &mut Producer<u8>| { let _ = peer.try_push_slice(&[1; 64]); }),
    row!("Consumer::peek_timeout", empty(options) -> (consumer, peer), PopError::TimedOut,
        |end: &mut Consumer<u8>, timeout| end.peek_timeout(timeout).map(drop), nothing),
    row!("Consumer::peek_many_timeout", empty(options) -> (consumer, peer), PopError::TimedOut,
        |end: &mut Consumer<u8>, timeout| end.peek_many_timeout(4, timeout).map(drop), send_three),
    row!("FrameProducer::push_timeout", full_of_frames(options) -> (producer, peer), ClaimError::TimedOut,
        |end: &mut FrameProducer, timeout| end.push_timeout(&PAYLOAD, timeout), release_little),
    row!("FrameProducer::push_kind_timeout", full_of_frames(options) -> (producer, peer), ClaimError::TimedOut,
        |end: &mut FrameProducer, timeout| end.push_kind_timeout(7, &PAYLOAD, timeout), release_little),
    row!("FrameProducer::push_parts_timeout", full_of_frames(options) -> (producer, peer), ClaimError::TimedOut,
        |end: &mut FrameProducer, timeout| end.push_parts_timeout(7, &[&PAYLOAD], timeout), release_little),
    row!("FrameProducer::push_slice_timeout", full_of_frames(options) -> (producer, peer), ClaimError::TimedOut,
        |end: &mut FrameProducer, timeout| end.push_slice_timeout(7, &[PAYLOAD], timeout), release_little),
    row!("FrameProducer::push_all_timeout", full_of_frames(options) -> (producer, peer), ClaimError::TimedOut,
        |end: &mut FrameProducer, timeout| end.push_all_timeout(7, [[0_u8; 0]; MUCH].as_slice(), timeout),
        |peer: &mut FrameConsumer| { let _ = peer.skip(usize::MAX); }),
    row!("FrameProducer::claim_timeout", full_of_frames(options) -> (producer, peer), ClaimError::TimedOut,
        |end: &mut FrameProducer, timeout| end.claim_timeout(24, timeout).map(drop), release_little),
    row!("FrameBatch::claim_timeout", full_of_frames(options) -> (producer, peer), ClaimError::TimedOut,
        |end: &mut FrameProducer, timeout| end.batch().claim_timeout(7, 24, timeout).map(drop), release_little),
    row!("FrameConsumer::pop_timeout", no_frames(options) -> (consumer, peer), PopError::TimedOut,
        |end: &mut FrameConsumer, timeout| end.pop_timeout(&mut [0; 64], timeout), nothing),
    row!("FrameConsumer::pop_into_timeout", no_frames(options) -> (consumer, peer), PopError::TimedOut,
        |end: &mut FrameConsumer, timeout| end.pop_into_timeout(&mut Vec::new(), timeout), nothing),
    row!("FrameConsumer::peek_timeout", no_frames(options) -> (consumer, peer), PopError::TimedOut,
        |end: &mut FrameConsumer, timeout| end.peek_timeout(timeout).map(drop), nothing),
    row!("FrameConsumer::peek_many_timeout", no_frames(options) -> (consumer, peer), PopError::TimedOut,
        |end: &mut FrameConsumer, timeout| end.peek_many_timeout(timeout).map(drop), nothing),
    Row { call: "Producer::wait_for_peer_timeout", make: |options| {
        let (name, ring) = alone(options);
        let mut producer = ring.producer().expect("the role is free");
        let call = move |timeout: Deadline| peer_found(producer.wait_for_peer_timeout(timeout));
        let attaches = Attaches(move || { let _name = &name; drop(ring.consumer()); });
        (Box::new(call), Box::new(move || nothing(&mut &attaches)))
    } },
    Row { call: "Consumer::wait_for_peer_timeout", make: |options| {
        let (name, ring) = alone(options);
        let mut consumer = ring.consumer().expect("the role is free");
        let call = move |timeout: Deadline| peer_found(consumer.wait_for_peer_timeout(timeout));
        let attaches = Attaches(move || { let _name = &name; drop(ring.producer()); });
        (Box::new(call), Box::new(move || nothing(&mut &attaches)))
    } },
    row!("Reader::read", no_frames(options) -> (consumer, peer), ErrorKind::TimedOut,
        |end: &mut FrameConsumer, timeout| {
            let mut reader = end.reader();
            reader.set_timeout(as_duration(timeout));
            io_result(reader.read(&mut [0; 8]))
        }, heartbeats),
    row!("Reader::fill_buf", no_frames(options) -> (consumer, peer), ErrorKind::TimedOut,
        |end: &mut FrameConsumer, timeout| {
            let mut reader = end.reader();
            reader.set_timeout(as_duration(timeout));
            io_result(reader.fill_buf().map(drop))
        }, heartbeats),
    row!("Writer::write", full_of_frames(options) -> (producer, peer), ErrorKind::TimedOut,
        |end: &mut FrameProducer, timeout| {
            let mut writer = end.writer();
            writer.set_timeout(as_duration(timeout));
            io_result(writer.write(&PAYLOAD))
        }, release_little),
    row!("Writer::write_vectored", full_of_frames(options) -> (producer, peer), ErrorKind::TimedOut,
        |end: &mut FrameProducer, timeout| {
            let mut writer = end.writer();
            writer.set_timeout(as_duration(timeout));
            io_result(writer.write_vectored(&[IoSlice::new(&PAYLOAD)]))
        }, release_little),
    row!("Client::start", client_without_room(options) -> (client, rings), CallError::TimedOut,
        |client: &mut Client, timeout| client.start(&PAYLOAD[..8], timeout).map(|call| client.cancel(call)),
        |rings: &mut (FrameConsumer, FrameProducer)| release_little(&mut rings.0)),
    row!("Client::finish", client(options) -> (client, rings), CallError::TimedOut,
        |client: &mut Client, timeout| {
            let call = client.start(b"", timeout)?;
            client.finish(&call, &mut Vec::new())
        }, other_replies),
    row!("Client::call", client(options) -> (client, rings), CallError::TimedOut,
        |client: &mut Client, timeout| client.call(b"", &mut Vec::new(), timeout), other_replies),
    row!("Client::call_record", client(options) -> (client, rings), CallError::TimedOut,
        |client: &mut Client, timeout| client.call_record::<u8, u8>(&7, timeout), other_replies),
    row!("Server::answer", server(options) -> (server, client), PopError::TimedOut,
        |server: &mut Server, timeout| server.answer(timeout, echo), endless_call),
    row!("Server::answer_record", server(options) -> (server, client), PopError::TimedOut,
        |server: &mut Server, timeout| server.answer_record(timeout, |number: u64| Ok::<_, String>(number)),
        endless_call),
    row!("Select::wait", set(options) -> (ends, peers), SelectError::TimedOut,
        |ends: &mut (FrameConsumer, FrameProducer), timeout| {
            let mut ends = [ends.0.interest(), ends.1.interest(24)];
            Select::new().wait(&mut ends, timeout)
        },
        |peers: &mut (FrameConsumer, FrameProducer)| release_little(&mut peers.0)),
];

fn peer_found(found: Result<(), PeerError>) -> Ended {
    match found {
        Err(PeerError::TimedOut) => Ended::TimedOut,
        other => Ended::Otherwise(format!("{other:?}")),
    }
}

/// All wait strategies.
fn ways() -> Vec<RingOptions> {
    let options = RingOptions::new(64).spin(Duration::ZERO);
    let strategies = [
        WaitStrategy::Spin,
        WaitStrategy::Yield,
        WaitStrategy::Park,
        WaitStrategy::Adaptive,
    ];
    let with = |strategy| options.clone().wait_strategy(strategy);
    let mut ways: Vec<_> = strategies.into_iter().map(with).collect();
    ways.push(options.clone().fences(Fences::Symmetric));
    ways.push(options.clone().doorbell(DoorbellKind::Semaphore));
    // A short interval, so that liveness checks interrupt almost every wait.
    ways.push(options.peer_check(Duration::ZERO));
    ways
}

/// Calls in a separate thread, which ends when this is dropped.
struct Waiting {
    /// A `pthread_t`, which is a pointer in musl.
    thread: usize,
    ended: Receiver<(Ended, Duration)>,
    _lives: Sender<()>,
}

fn on_a_thread(mut call: Call, timeouts: Vec<fn() -> Deadline>) -> Waiting {
    let (tell_thread, thread) = mpsc::channel();
    let (tell, ended) = mpsc::channel();
    let (lives, is_over) = mpsc::channel();
    thread::spawn(move || {
        // SAFETY: the call has no pointers.
        let _ = tell_thread.send(unsafe { libc::pthread_self() } as usize);
        for timeout in timeouts {
            let timeout = timeout();
            let start = Instant::now();
            let ended = call(timeout);
            // The test may have failed already.
            let _ = tell.send((ended, start.elapsed()));
        }
        let _: Result<(), _> = is_over.recv();
    });
    Waiting {
        thread: thread.recv().expect("the thread begins"),
        ended,
        _lives: lives,
    }
}

fn short() -> Deadline {
    SHORT.into()
}

fn zero() -> Deadline {
    Duration::ZERO.into()
}

/// An instant in the past.
fn past() -> Deadline {
    let now = Instant::now();
    now.checked_sub(SHORT).unwrap_or(now).into()
}

fn max() -> Deadline {
    Duration::MAX.into()
}

/// Checks that the three calls end.
fn end_in_time(row: &Row, waiting: &Waiting) {
    for least in [SHORT, Duration::ZERO, Duration::ZERO] {
        let (ended, took) = ended(row, waiting);
        assert_eq!(ended, Ended::TimedOut, "{}", row.call);
        assert!(took >= least, "{} ended after {took:?}", row.call);
    }
}

fn ended(row: &Row, waiting: &Waiting) -> (Ended, Duration) {
    let ended = waiting.ended.recv_timeout(PATIENCE);
    ended.unwrap_or_else(|error| panic!("{} does not end: {error}", row.call))
}

fn every_call_ends_at_its_deadline_with_a_silent_peer() {
    for options in ways() {
        for row in ROWS {
            let (call, feed) = (row.make)(&options);
            end_in_time(row, &on_a_thread(call, vec![short, zero, past]));
            drop(feed);
        }
    }
}

extern "C" fn ignore(_: libc::c_int) {}

/// Signals interrupt the sleeps at the same time.
fn every_call_ends_at_its_deadline_while_it_is_fed() {
    handle(libc::SIGUSR1, ignore);
    for options in ways() {
        for row in ROWS {
            let (call, mut feed) = (row.make)(&options);
            for _ in 0..4 {
                feed(); // it is active when the call begins
            }
            let waiting = on_a_thread(call, vec![short, zero, past]);
            let thread = waiting.thread;
            let act = move || {
                feed();
                // SAFETY: the thread lives as long as `waiting`.
                unsafe { libc::pthread_kill(thread as _, libc::SIGUSR1) };
            };
            while_repeating(act, || end_in_time(row, &waiting));
        }
    }
}

/// No overflow shortens it, and a peer that closes ends it.
fn the_longest_timeout_waits_until_the_peer_closes() {
    for options in ways() {
        for row in ROWS {
            let (call, feed) = (row.make)(&options);
            let waiting = on_a_thread(call, vec![max]);
            let early = waiting.ended.recv_timeout(SHORT);
            assert!(early.is_err(), "{} did not wait: {early:?}", row.call);
            drop(feed);
            let (ended, _) = ended(row, &waiting);
            assert_ne!(ended, Ended::TimedOut, "{}", row.call);
        }
    }
}

/// A payload that makes room whenever it is read.
struct MakesRoom(Mutex<FrameConsumer>);

impl AsRef<[u8]> for &MakesRoom {
    fn as_ref(&self) -> &[u8] {
        let consumer = self.0.lock();
        let _ = consumer.expect("no panic").skip(usize::MAX);
        b"payload"
    }
}

/// A call that always finds room must still check its deadline.
fn a_peer_that_is_always_faster_moves_no_deadline() {
    let (mut producer, consumer) = no_frames_for_writing();
    let makes_room = MakesRoom(Mutex::new(consumer));
    let before = producer.position();
    let payloads = vec![&makes_room; 10_000];
    let pushed = producer.push_all_timeout(7, &payloads, Duration::ZERO);
    assert_eq!(pushed, Err(ClaimError::TimedOut));
    let pushed = producer.position() - before;
    // The messages before the deadline, and the one after it.
    assert!(pushed <= 2 * producer.capacity(), "{pushed} bytes");
    assert_eq!(producer.push_all(7, &payloads), Ok(()));
}

fn no_frames_for_writing() -> (FrameProducer, FrameConsumer) {
    let (consumer, producer) = no_frames(&RingOptions::new(64));
    (producer, consumer)
}
