//! Every call that takes a timeout ends at its deadline: with a silent peer, and with a
//! peer whose activity does not satisfy the call.
//!
//! The calls of `common::calls`, and a row for each other call. `tests/house` checks that
//! none is missing, and `docs::api` has the same table.

use std::fmt::Debug;
use std::io::{self, BufRead, IoSlice, Read as _, Write as _};
use std::mem;
use std::process;
use std::sync::Mutex;
use std::sync::mpsc::{self, RecvTimeoutError, TryRecvError};
use std::thread;
use std::time::{Duration, Instant};

use crate::common::PATIENCE;
use crate::common::calls::{Amount, Calls, Wait, push, ways};
use crate::common::ends::End;
use crate::common::process::{alarm, handle};
use crate::common::rings::{consumer, producer};
use crate::common::threads::while_repeating;
use quoit::WaitStrategy::{Adaptive, Park, Spin, Yield};
use quoit::rpc::{Client, Server};
use quoit::{
    ClaimError, Consumer, Deadline, DoorbellKind, Fences, FrameConsumer, FrameProducer, Producer,
    Reader, Ring, RingOptions, Select, Shape, Writer,
};

crate::common::suite::tests! {
    every_call_ends_at_its_deadline_or_when_its_peer_closes,
    a_wait_without_a_timeout_ends_when_the_peer_closes,
    a_select_ends_at_its_deadline_or_when_a_peer_closes,
    a_peer_that_is_always_faster_moves_no_deadline,
    calls_for_nothing_do_not_wait,
}

const SHORT: Duration = Duration::from_millis(20);

/// `None` if a call has timed out, or another result as text.
type Ended = Option<String>;
/// A call that waits. The test makes it several times.
type Call = Box<dyn FnMut(Deadline) -> Ended + Send>;
/// One step of a peer whose activity does not satisfy the call. Dropping it ends the call.
type Feed = Box<dyn FnMut() + Send>;

/// Builds a call that finds nothing to do, and its peer.
type Make = Box<dyn Fn(&RingOptions) -> (Call, Feed)>;

struct Row {
    name: String,
    /// A part of the result when the peer has closed.
    end: &'static str,
    make: Make,
}

/// A row for a call of an endpoint: both endpoints, the call of one, the step of the other.
fn row<E: Send + 'static, P: Send + 'static, R: Debug, F: Debug, G: 'static>(
    name: &str,
    ends: impl Fn(&RingOptions) -> (E, P) + 'static,
    call: impl Fn(&mut E, Deadline) -> Result<R, F> + Copy + Send + 'static,
    feed: impl Fn(&mut P) -> G + Copy + Send + 'static,
) -> Row {
    let make = move |options: &RingOptions| -> (Call, Feed) {
        let (mut end, mut peer) = ends(options);
        let call = move |timeout| ended(call(&mut end, timeout));
        (Box::new(call), Box::new(move || drop(feed(&mut peer))))
    };
    let (name, make) = (name.to_owned(), Box::new(make));
    Row {
        name,
        end: "",
        make,
    }
}

/// The long form of an error names its variant.
fn ended<R: Debug, F: Debug>(result: Result<R, F>) -> Ended {
    let text = format!("{:#?}", result.map(drop));
    Some(text).filter(|text| !text.contains("TimedOut"))
}

/// A shape, and peers that do not satisfy a call of the table.
trait Starved: Calls + 'static {
    /// Several of these fill a ring.
    const FILLER: Self::Message;

    /// Makes room, for a producer that waits at a full ring, but not enough.
    fn release_little(consumer: &mut Self::Consumer, amount: Amount);

    /// Publishes for a consumer that waits at an empty ring, but not enough.
    fn send_little(producer: &mut Self::Producer, amount: Amount);
}

impl Starved for u8 {
    const FILLER: u8 = 0;

    fn release_little(consumer: &mut Consumer<u8>, amount: Amount) {
        if amount == Amount::AtOnce && consumer.is_full() {
            consumer.skip(MESSAGES - 1).expect("it was full");
        }
    }

    fn send_little(producer: &mut Producer<u8>, amount: Amount) {
        if amount == Amount::AtOnce && producer.is_empty() {
            let pushed = producer.try_push_slice(&[0; MESSAGES - 1]);
            pushed.expect("it was empty");
        }
    }
}

impl Starved for [u8] {
    const FILLER: (u32, Vec<u8>) = (0, Vec::new());

    fn release_little(consumer: &mut FrameConsumer, _: Amount) {
        release_one(consumer);
    }

    /// Nothing: a read would take any frame.
    fn send_little(_: &mut FrameProducer, _: Amount) {}
}

/// The number of messages for a call of several.
const MESSAGES: usize = 4;

/// Every call of the table that waits forever, or that takes a timeout.
fn table<T: Starved + ?Sized>(wait: Wait) -> Vec<Row> {
    let form = move |deadline| match wait {
        Wait::Forever => wait,
        _ => Wait::Until(deadline),
    };
    let end = "Abandoned";
    let writes = ways(T::WRITES, &[wait]).into_iter().map(|write| {
        let call = move |end: &mut T::Producer, timeout| {
            let messages: Vec<_> = (0..MESSAGES as u64).map(T::message).collect();
            (write.call)(end, &messages, form(timeout), 0)
        };
        let feed = move |peer: &mut T::Consumer| T::release_little(peer, write.amount);
        let row = row(&write.name(), full::<T>, call, feed);
        Row { end, ..row }
    });
    let reads = ways(T::READS, &[wait]).into_iter().map(|read| {
        let call = move |end: &mut T::Consumer, timeout| {
            let taken = &mut |message| panic!("there is {message:?}");
            (read.call)(end, MESSAGES, form(timeout), 0, taken)
        };
        let feed = move |peer: &mut T::Producer| T::send_little(peer, read.amount);
        let row = row(&read.name(), empty::<T>, call, feed);
        Row { end, ..row }
    });
    writes.chain(reads).collect()
}

/// An empty ring, for a call that reads.
fn empty<T: Shape + ?Sized>(options: &RingOptions) -> (T::Consumer, T::Producer) {
    let (producer, consumer) = options.heap::<T>().expect("there is memory");
    (consumer, producer)
}

/// A full ring, for a call that writes.
fn full<T: Starved + ?Sized>(options: &RingOptions) -> (T::Producer, T::Consumer) {
    let (mut producer, consumer) = options.heap::<T>().expect("there is memory");
    while push::<T>(&mut producer, &T::FILLER, Wait::Never).is_ok() {}
    (producer, consumer)
}

/// A ring without a peer. Dropping the value attaches one.
struct Attaches<E> {
    ring: Ring<u8>,
    attach: fn(&Ring<u8>) -> E,
}

impl<E> Drop for Attaches<E> {
    fn drop(&mut self) {
        drop((self.attach)(&self.ring));
    }
}

/// A row for the wait of one endpoint until the other attaches.
fn peer_row<E: End, P: 'static>(
    name: &str,
    take: fn(&Ring<u8>) -> E,
    attach: fn(&Ring<u8>) -> P,
) -> Row {
    let ends = move |options: &RingOptions| {
        let ring = options.create_anonymous().expect("there is memory");
        (take(&ring), Attaches { ring, attach })
    };
    let end = "Ok";
    let call = |end: &mut E, timeout| end.wait_for_peer_timeout(timeout);
    Row {
        end,
        ..row(name, ends, call, nothing)
    }
}

/// Releases one frame of those that fill a ring: room for no other frame than such a one.
fn release_one(consumer: &mut FrameConsumer) {
    if consumer.len() == consumer.capacity() {
        consumer.skip(1).expect("it was full");
    }
}

fn nothing<E>(_: &mut E) {
    thread::yield_now();
}

fn heartbeats(producer: &mut FrameProducer) {
    let _ = producer.try_push_slice(0, &[b""; 4]);
}

/// The timeout as a stream takes it: `None` for forever.
fn as_duration(timeout: Deadline) -> Option<Duration> {
    [Duration::ZERO, SHORT, Duration::MAX]
        .into_iter()
        .find(|duration| Deadline::from(*duration) == timeout)
        .or(Some(Duration::ZERO)) // an instant in the past
}

/// A row for a stream that reads.
fn reader_row(name: &str, read: fn(&mut Reader<&mut FrameConsumer>) -> io::Result<()>) -> Row {
    let call = move |end: &mut FrameConsumer, timeout| {
        let mut reader = end.reader();
        reader.set_timeout(as_duration(timeout));
        read(&mut reader)
    };
    row(name, empty::<[u8]>, call, heartbeats)
}

/// A row for a stream that writes.
fn writer_row(name: &str, write: fn(&mut Writer<&mut FrameProducer>) -> io::Result<usize>) -> Row {
    let call = move |end: &mut FrameProducer, timeout| {
        let mut writer = end.writer();
        writer.set_timeout(as_duration(timeout));
        write(&mut writer)
    };
    row(name, full::<[u8]>, call, release_one)
}

const PAYLOAD: [u8; 24] = [7; 24];
/// More than a peer moves within a timeout.
const MUCH: usize = 1 << 28;

/// The endpoints of a client's peer.
type Peers = (FrameConsumer, FrameProducer);

/// A client whose server the test controls.
fn client(options: &RingOptions) -> (Client, Peers) {
    // Room for the requests of all calls of this test.
    let (requests_in, requests) = empty::<[u8]>(&RingOptions::new(4096));
    let (replies, replies_in) = empty::<[u8]>(options);
    (Client::new(requests, replies), (requests_in, replies_in))
}

/// A client that has no room for a request.
fn client_without_room(options: &RingOptions) -> (Client, Peers) {
    let (requests, requests_in) = full::<[u8]>(options);
    let (replies, replies_in) = empty::<[u8]>(options);
    (Client::new(requests, replies), (requests_in, replies_in))
}

/// A server whose client does not read, and that client.
fn server(options: &RingOptions) -> (Server, Client) {
    let (requests_in, requests) = empty::<[u8]>(options);
    let (replies_in, replies) = full::<[u8]>(options);
    let server = Server::new(requests_in, replies_in);
    (server, Client::new(requests, replies))
}

fn endless_call(client: &mut Client) {
    if client.in_flight() == 0 {
        let call = client.start(&7_u64.to_ne_bytes(), Duration::MAX);
        // Dropping a call cancels it.
        mem::forget(call.expect("there is room"));
    }
}

fn other_replies(rings: &mut Peers) {
    heartbeats(&mut rings.1);
}

/// The calls that are not in the table, and those whose peer moves many messages, but not all.
fn others() -> Vec<Row> {
    vec![
        row(
            "Producer::push_all_timeout",
            full::<u8>,
            |end, timeout| end.push_all_timeout(&vec![0; MUCH], timeout),
            |peer| peer.skip(usize::MAX),
        ),
        row(
            "Consumer::pop_exact_timeout",
            empty::<u8>,
            |end, timeout| end.pop_exact_timeout(&mut vec![0; MUCH], timeout),
            |peer| peer.try_push_slice(&[1; 64]),
        ),
        row(
            "FrameProducer::push_all_timeout",
            full::<[u8]>,
            |end, timeout| end.push_all_timeout(7, [[0_u8; 0]; MUCH].as_slice(), timeout),
            |peer| peer.skip(usize::MAX),
        ),
        peer_row("Producer::wait_for_peer_timeout", producer, consumer),
        peer_row("Consumer::wait_for_peer_timeout", consumer, producer),
        reader_row("Reader::read", |reader| reader.read(&mut [0; 8]).map(drop)),
        reader_row("Reader::fill_buf", |reader| reader.fill_buf().map(drop)),
        writer_row("Writer::write", |writer| writer.write(&PAYLOAD)),
        writer_row("Writer::write_vectored", |writer| {
            writer.write_vectored(&[IoSlice::new(&PAYLOAD)])
        }),
        row(
            "Client::start",
            client_without_room,
            |client, timeout| {
                let call = client.start(&PAYLOAD[..8], timeout);
                call.map(|call| client.cancel(call))
            },
            |peers| release_one(&mut peers.0),
        ),
        row(
            "Client::finish",
            client,
            |client, timeout| {
                let call = client.start(b"", timeout)?;
                client.finish(&call, &mut Vec::new())
            },
            other_replies,
        ),
        row(
            "Client::call",
            client,
            |client, timeout| client.call(b"", &mut Vec::new(), timeout),
            other_replies,
        ),
        row(
            "Client::call_record",
            client,
            |client, timeout| client.call_record::<u8, u8>(&7, timeout),
            other_replies,
        ),
        row(
            "Server::answer",
            server,
            |server, timeout| server.answer(timeout, |_, _| Ok::<_, String>(())),
            endless_call,
        ),
        row(
            "Server::answer_record",
            server,
            |server, timeout| server.answer_record(timeout, Ok::<u64, String>),
            endless_call,
        ),
    ]
}

/// A consumer, and a producer that waits for much room.
fn set(options: &RingOptions) -> (Peers, Peers) {
    let options = options.clone().doorbell(DoorbellKind::Futex);
    let (messages, messages_in) = empty::<[u8]>(&options);
    let (room, room_in) = full::<[u8]>(&options);
    ((messages, room), (room_in, messages_in))
}

fn select() -> Row {
    row(
        "Select::wait",
        set,
        |ends, timeout| {
            let mut ends = [ends.0.interest(), ends.1.interest(24)];
            Select::new().wait(&mut ends, timeout)
        },
        |peers| release_one(&mut peers.0),
    )
}

/// All wait strategies.
fn ways_to_wait() -> Vec<RingOptions> {
    let options = RingOptions::new(64).spin(Duration::ZERO);
    let strategies = [Spin, Yield, Park, Adaptive];
    let with = |strategy| options.clone().wait_strategy(strategy);
    let mut ways: Vec<_> = strategies.into_iter().map(with).collect();
    ways.push(options.clone().fences(Fences::Symmetric));
    ways.push(options.clone().doorbell(DoorbellKind::Semaphore));
    // A short interval, so that liveness checks interrupt almost every wait.
    ways.push(options.peer_check(Duration::ZERO));
    ways
}

/// Does this with every row, and every way to wait. Reports a call that does not end.
fn with_each(rows: &[Row], check: impl Fn(&Row, Call, Feed)) {
    for options in ways_to_wait() {
        for row in rows {
            let (call, feed) = (row.make)(&options);
            let (_ends, ended) = mpsc::channel::<()>();
            let name = row.name.clone();
            thread::spawn(move || {
                if ended.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
                    eprintln!("{name} does not end");
                    process::abort();
                }
            });
            check(row, call, feed);
        }
    }
}

/// Checks that the call ends with each timeout.
fn ends_in_time(row: &Row, call: &mut Call) {
    let now = Instant::now();
    let past = now.checked_sub(SHORT).unwrap_or(now);
    for (timeout, least) in [
        (SHORT.into(), SHORT),
        (Deadline::from(Duration::ZERO), Duration::ZERO),
        (past.into(), Duration::ZERO),
    ] {
        let start = Instant::now();
        assert_eq!(call(timeout), None, "{}", row.name);
        let took = start.elapsed();
        assert!(took >= least, "{} ended after {took:?}", row.name);
    }
}

extern "C" fn ignore(_: libc::c_int) {}

/// With a silent peer, and while it is fed and signals interrupt the sleeps of this thread. Then the
/// longest timeout waits until the peer closes.
fn end_at_their_deadlines(rows: &[Row]) {
    handle(libc::SIGALRM, ignore);
    with_each(rows, |row, mut call, mut feed| {
        ends_in_time(row, &mut call);
        alarm(Duration::from_micros(200));
        for _ in 0..4 {
            feed(); // it is active when the call begins
        }
        while_repeating(&mut feed, || ends_in_time(row, &mut call));
        alarm(Duration::ZERO);
        ends_when_the_peer_closes(row, call, feed);
    });
}

/// No overflow shortens the longest timeout.
fn ends_when_the_peer_closes(row: &Row, mut call: Call, feed: Feed) {
    let (open, is_closed) = mpsc::channel::<()>();
    let ended = thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(SHORT);
            drop(open);
            drop(feed);
        });
        call(Duration::MAX.into())
    });
    let is_early = is_closed.try_recv() != Err(TryRecvError::Disconnected);
    assert!(!is_early, "{} did not wait: {ended:?}", row.name);
    let is_right = ended.as_ref().is_some_and(|end| end.contains(row.end));
    assert!(is_right, "{}: {ended:?}", row.name);
}

/// All but `Select::wait`, which an emulator may not have.
fn every_call_ends_at_its_deadline_or_when_its_peer_closes() {
    let wait = Wait::Until(Deadline::NEVER);
    end_at_their_deadlines(&table::<u8>(wait));
    end_at_their_deadlines(&table::<[u8]>(wait));
    end_at_their_deadlines(&others());
}

fn a_select_ends_at_its_deadline_or_when_a_peer_closes() {
    end_at_their_deadlines(&[select()]);
}

fn a_wait_without_a_timeout_ends_when_the_peer_closes() {
    with_each(&table::<u8>(Wait::Forever), ends_when_the_peer_closes);
    with_each(&table::<[u8]>(Wait::Forever), ends_when_the_peer_closes);
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
    let (consumer, mut producer) = empty::<[u8]>(&RingOptions::new(64));
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

fn calls_for_nothing_do_not_wait() {
    let options = RingOptions::new(64);
    let (mut producer, _consumer) = full::<u8>(&options);
    assert_eq!(producer.push_slice(&[]), Ok(0));
    assert_eq!(producer.push_all(&[]), Ok(()));
    assert_eq!(producer.extend([]), Ok(0));
    assert!(producer.claim_many(0).expect("nothing").is_empty());
    let (mut consumer, _producer) = empty::<u8>(&options);
    assert_eq!(consumer.pop_slice(&mut []), Ok(0));
    assert_eq!(consumer.pop_exact(&mut []), Ok(()));
    let (mut producer, _consumer) = full::<[u8]>(&options);
    assert_eq!(producer.push_slice(0, &[b""; 0]), Ok(0));
    assert_eq!(producer.push_all(0, &[b""; 0]), Ok(()));
}
