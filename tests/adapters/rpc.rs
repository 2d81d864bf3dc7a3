//! Calls over a pair of rings: each reply belongs to its call, also if replies are late,
//! reordered, repeated or missing, and if a process dies in between.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::common::PATIENCE;
use crate::common::child::{Child, hear, say};
use crate::common::flood::{FLOOD, flooded};
use crate::common::names::RingName;
use crate::common::rings::named;
use quoit::rpc::{Call, CallError, Client, Server};
use quoit::{FrameConsumer, FrameProducer, PopError, RingOptions};

crate::common::suite::tests! {
    calls_are_answered_by_another_process,
    records_are_answered_by_another_process,
    a_handlers_error_is_returned_as_text,
    a_request_stays_if_its_handler_panics,
    replies_in_another_order_find_their_calls,
    a_late_reply_is_not_taken_for_the_next_one,
    a_reply_to_an_earlier_client_is_dropped,
    an_expired_request_is_not_handled,
    a_call_that_was_cancelled_is_forgotten,
    frames_that_are_not_calls_are_ignored,
    requests_and_replies_that_do_not_fit_are_refused,
    a_full_ring_of_requests_times_out,
    endless_replies_of_other_calls_do_not_extend_a_deadline,
    a_reply_that_has_arrived_is_taken_after_the_deadline,
    a_call_after_its_deadline_skips_a_bounded_number_of_replies,
    a_client_that_does_not_read_does_not_block_the_server,
    a_client_that_waits_forever_and_does_not_read_does_not_block_the_server,
    a_reply_that_finds_no_room_is_kept,
    a_kept_reply_is_dropped_when_it_has_expired,
    a_server_can_be_stopped_while_there_is_no_room,
    a_request_expires_in_the_ring_after_the_server_has_seen_it,
    a_request_says_how_long_its_client_waits,
    a_request_that_kills_its_server_can_be_passed_over,
    clocks_of_two_time_namespaces_do_not_matter,
    a_waiting_client_notices_its_servers_death,
    a_service_continues_after_kill_9,
    a_server_outlives_its_clients;
    parts: echo_server, doubling_server, client, one_call
}

const SHORT: Duration = Duration::from_millis(20);

/// A client and a server on the heap.
fn pair() -> (Client, Server) {
    let options = RingOptions::new(1024);
    let (requests_in, requests) = options.heap::<[u8]>().expect("a ring");
    let (replies_in, replies) = options.heap::<[u8]>().expect("a ring");
    let client = Client::new(requests_in, replies);
    (client, Server::new(requests, replies_in))
}

fn echo(request: &[u8], reply: &mut Vec<u8>) -> Result<(), String> {
    if request == b"bad" {
        reply.extend_from_slice(b"half a re");
        return Err("this is bad".to_owned());
    }
    reply.extend_from_slice(request);
    Ok(())
}

/// Echoes this many requests.
fn answer(server: &mut Server, requests: usize) {
    for _ in 0..requests {
        server.answer(PATIENCE, echo).expect("a request");
    }
}

/// The reply to a call.
fn reply_to(client: &mut Client, call: &Call) -> Vec<u8> {
    let mut reply = Vec::new();
    client.finish(call, &mut reply).expect("a reply");
    reply
}

/// Names of two rings that a server and a client share.
struct Names([RingName; 2]);

impl Names {
    fn new(test: &str) -> Self {
        Self([RingName::new(test), RingName::new(test)])
    }

    fn server(&self, part: &str) -> Child {
        let child = Child::start(part, &[self.0[0].as_str(), self.0[1].as_str()]);
        child.expect("ready");
        child
    }

    fn client(&self) -> Client {
        let requests = FrameProducer::open_or_create(&self.0[0], 1024).expect("the role is free");
        let replies = FrameConsumer::open_or_create(&self.0[1], 1024).expect("the role is free");
        Client::new(requests, replies)
    }
}

fn server(names: &[String]) -> Server {
    let requests = FrameConsumer::open_or_create(&names[0], 1024).expect("the role is free");
    let replies = FrameProducer::open_or_create(&names[1], 1024).expect("the role is free");
    Server::new(requests, replies)
}

/// Echoes until it is killed.
fn echo_server(names: &[String]) {
    let mut server = server(names);
    say("ready");
    let served = server.serve(echo, || false);
    panic!("it does not end: {served:?}");
}

/// Doubles numbers until its client closes.
fn doubling_server(names: &[String]) {
    let mut server = server(names);
    say("ready");
    let double = |number: u64| number.checked_mul(2).ok_or("too large");
    let end = loop {
        match server.answer_record(PATIENCE, double) {
            Ok(()) => {}
            Err(end) => break end,
        }
    };
    assert_eq!(end, PopError::Abandoned);
}

/// Makes one call and exits.
fn client(names: &[String]) {
    let requests = FrameProducer::open(&names[0]).expect("the role is free");
    let replies = FrameConsumer::open(&names[1]).expect("the role is free");
    let mut client = Client::new(requests, replies);
    let mut reply = Vec::new();
    let called = client.call(names[2].as_bytes(), &mut reply, PATIENCE);
    called.expect("a reply");
    say(String::from_utf8_lossy(&reply));
    let _unfinished = client.start(b"unfinished", PATIENCE);
    hear();
}

fn calls_are_answered_by_another_process() {
    let names = Names::new("calls");
    let _server = names.server("echo_server");
    let mut client = names.client();
    let mut reply = Vec::new();
    for number in 0..10_000 {
        let request = vec![number as u8; number % 200];
        client
            .call(&request, &mut reply, PATIENCE)
            .expect("a reply");
        assert_eq!(reply, request);
    }
    assert_eq!(client.in_flight(), 0);
}

fn records_are_answered_by_another_process() {
    let names = Names::new("records");
    let server = names.server("doubling_server");
    let mut client = names.client();
    for number in 0..1000_u64 {
        let doubled: u64 = client.call_record(&number, PATIENCE).expect("a reply");
        assert_eq!(doubled, 2 * number);
    }
    let refused = client.call_record::<_, u64>(&u64::MAX, PATIENCE);
    assert_eq!(refused, Err(CallError::Refused("too large".to_owned())));
    let refused = client.call_record::<u32, u64>(&7, PATIENCE);
    let text = "the request has 4 bytes, not 8".to_owned();
    assert_eq!(refused, Err(CallError::Refused(text)));
    let wrong = client.call_record::<u64, u32>(&7, PATIENCE);
    let (expected, found) = (4, 8);
    assert_eq!(wrong, Err(CallError::WrongLength { expected, found }));
    drop(client);
    server.succeeds();
}

fn a_handlers_error_is_returned_as_text() {
    let (mut client, mut server) = pair();
    let bad = client.start(b"bad", PATIENCE).expect("room");
    let good = client.start(b"good", PATIENCE).expect("room");
    answer(&mut server, 2);
    let mut reply = b"before".to_vec();
    let refused = client.finish(&bad, &mut reply);
    assert_eq!(refused, Err(CallError::Refused("this is bad".to_owned())));
    assert_eq!(reply, b"before", "an error is not a reply");
    client.finish(&good, &mut reply).expect("a reply");
    assert_eq!(reply, b"good");
}

fn a_request_stays_if_its_handler_panics() {
    let (mut client, mut server) = pair();
    let call = client.start(b"again", PATIENCE).expect("room");
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        server.answer(PATIENCE, |_, _| -> Result<(), String> { panic!("planned") })
    }));
    assert!(panicked.is_err());
    server.answer(PATIENCE, echo).expect("the request");
    assert_eq!(reply_to(&mut client, &call), b"again");
}

fn replies_in_another_order_find_their_calls() {
    let (mut client, mut server) = pair();
    let calls: Vec<_> = (0..10)
        .map(|number: u8| client.start(&[number], PATIENCE).expect("room"))
        .collect();
    for _ in &calls {
        server.answer(PATIENCE, echo).expect("a request");
    }
    assert_eq!(client.in_flight(), 10);
    let mut reply = Vec::new();
    for (number, call) in (0..10).zip(&calls).rev() {
        client.finish(call, &mut reply).expect("a reply");
        assert_eq!(reply, [number]);
        let again = client.finish(call, &mut reply);
        assert_eq!(again, Err(CallError::NotInFlight));
    }
    assert_eq!(client.in_flight(), 0);
}

/// The handler is blocked until the caller has given up.
fn a_late_reply_is_not_taken_for_the_next_one() {
    let (mut client, mut server) = pair();
    let (begun, has_begun) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel::<()>();
    let service = thread::spawn(move || {
        let hold = |request: &[u8], reply: &mut Vec<u8>| {
            begun.send(()).expect("the caller runs");
            may_go_on.recv().expect("the caller runs");
            echo(request, reply)
        };
        server.answer(PATIENCE, hold).expect("a request");
        server.answer(PATIENCE, echo).expect("a request");
        server
    });
    let mut reply = Vec::new();
    let late = client.start(b"late", Duration::from_secs(1));
    let late = late.expect("room");
    has_begun.recv_timeout(PATIENCE).expect("it begins in time");
    assert_eq!(client.finish(&late, &mut reply), Err(CallError::TimedOut));
    assert_eq!(client.in_flight(), 0);
    go_on.send(()).expect("the server runs");
    client.call(b"next", &mut reply, PATIENCE).expect("a reply");
    assert_eq!(reply, b"next");
    let forgotten = client.finish(&late, &mut reply);
    assert_eq!(forgotten, Err(CallError::NotInFlight));
    drop(service.join());
}

fn a_reply_to_an_earlier_client_is_dropped() {
    let (mut client, mut server) = pair();
    let _unfinished = client.start(b"earlier", PATIENCE).expect("room");
    let (requests, replies) = client.into_inner();
    let mut client = Client::new(requests, replies);
    let call = client.start(b"later", PATIENCE).expect("room");
    answer(&mut server, 2);
    assert_eq!(reply_to(&mut client, &call), b"later");
}

fn an_expired_request_is_not_handled() {
    let (mut client, mut server) = pair();
    let over = client.start(b"over", Duration::ZERO).expect("room");
    let call = client.start(b"in time", PATIENCE).expect("room");
    let mut handled = Vec::new();
    for _ in 0..2 {
        let answered = server.answer(PATIENCE, |request, reply| {
            handled.push(request.to_vec());
            echo(request, reply)
        });
        answered.expect("a request");
    }
    assert_eq!(handled, [b"in time"]);
    let mut reply = Vec::new();
    client.finish(&call, &mut reply).expect("a reply");
    assert_eq!(client.finish(&over, &mut reply), Err(CallError::TimedOut));
}

fn a_call_that_was_cancelled_is_forgotten() {
    let (mut client, mut server) = pair();
    let cancelled = client.start(b"cancelled", PATIENCE).expect("room");
    client.cancel(cancelled);
    assert_eq!(client.in_flight(), 0);
    let call = client.start(b"next", PATIENCE).expect("room");
    answer(&mut server, 2);
    assert_eq!(reply_to(&mut client, &call), b"next");
    assert_eq!(client.in_flight(), 0);
}

/// Frames of another writer in the rings.
fn frames_that_are_not_calls_are_ignored() {
    let (client, server) = pair();
    let (mut requests_in, replies) = client.into_inner();
    let (requests, mut replies_in) = server.into_inner();
    for length in 0..16 {
        requests_in.push(&[0xff; 16][..length]).expect("room");
        replies_in.push(&[0xff; 16][..length]).expect("room");
    }
    let mut client = Client::new(requests_in, replies);
    let mut server = Server::new(requests, replies_in);
    let call = client.start(b"hello", PATIENCE).expect("room");
    let mut handled = 0;
    for _ in 0..=16 {
        let answered = server.answer(PATIENCE, |request, reply| {
            handled += 1;
            echo(request, reply)
        });
        answered.expect("a frame");
    }
    assert_eq!(handled, 1);
    assert_eq!(reply_to(&mut client, &call), b"hello");
}

fn requests_and_replies_that_do_not_fit_are_refused() {
    let (mut client, mut server) = pair();
    let mut reply = Vec::new();
    // Half the ring, less the frame's header, the id and the deadline.
    let max = 512 - 8 - 16;
    for len in [max + 1, 1024] {
        let too_long = client.start(&vec![0; len], PATIENCE);
        let error = too_long.expect_err("it is too long");
        assert_eq!(error, CallError::TooLong { max });
    }
    assert_eq!(client.in_flight(), 0);
    let call = client
        .start(&vec![7; max], PATIENCE)
        .expect("the longest fits");
    let answered = server.answer(PATIENCE, |request, reply| {
        assert_eq!(request.len(), max);
        reply.extend_from_slice(request);
        Ok::<(), String>(())
    });
    answered.expect("a request");
    client.finish(&call, &mut reply).expect("a reply");
    assert_eq!(reply, vec![7; max]);
    let call = client.start(b"more", PATIENCE).expect("room");
    let answered = server.answer(PATIENCE, |_, reply| {
        reply.resize(505 - 8, 0);
        Ok::<(), String>(())
    });
    answered.expect("a request");
    let text = "a reply of 497 bytes does not fit into the ring".to_owned();
    let refused = client.finish(&call, &mut reply);
    assert_eq!(refused, Err(CallError::Refused(text)));
    // An error's text is cut.
    let call = client.start(b"more", PATIENCE).expect("room");
    let answered = server.answer(PATIENCE, |_, _| Err("no".repeat(1000)));
    answered.expect("a request");
    let refused = client.finish(&call, &mut reply);
    assert!(matches!(refused, Err(CallError::Refused(text)) if text.len() < 500));
}

fn a_full_ring_of_requests_times_out() {
    let (mut client, mut server) = pair();
    let mut calls = Vec::new();
    let refused = loop {
        match client.start(&[7; 100], SHORT) {
            Ok(call) => calls.push(call),
            Err(refused) => break refused,
        }
    };
    assert_eq!(refused, CallError::TimedOut);
    assert_eq!(client.in_flight(), calls.len());
    for call in calls {
        client.cancel(call);
    }
    // There is room again when the server has seen that they have expired.
    while server.answer(Duration::ZERO, echo).is_ok() {}
    let nothing = server.answer(Duration::ZERO, echo);
    assert_eq!(nothing, Err(PopError::TimedOut));
    let call = client.start(b"next", PATIENCE).expect("room");
    server.answer(PATIENCE, echo).expect("a request");
    client.finish(&call, &mut Vec::new()).expect("a reply");
}

fn endless_replies_of_other_calls_do_not_extend_a_deadline() {
    let (ring, name) = named::<[u8]>("flood", &RingOptions::new(FLOOD));
    let replies = ring.consumer().expect("the role is free");
    let (requests, _requests_in) = RingOptions::new(1024).heap::<[u8]>().expect("a ring");
    let mut client = Client::new(requests, replies);
    flooded(&name, move || {
        for timeout in [Duration::ZERO, SHORT] {
            let called = client.call(b"hello", &mut Vec::new(), timeout);
            assert_eq!((called, client.in_flight()), (Err(CallError::TimedOut), 0));
        }
    });
}

fn a_reply_that_has_arrived_is_taken_after_the_deadline() {
    let options = RingOptions::new(1024);
    let (requests, mut requests_in) = options.heap::<[u8]>().expect("a ring");
    let (mut replies_in, replies) = options.heap::<[u8]>().expect("a ring");
    let mut client = Client::new(requests, replies);
    let call = client.start(b"hello", Duration::ZERO).expect("room");
    let mut request = Vec::new();
    requests_in.try_pop_into(&mut request).expect("the request");
    let id = &request[..8];
    let pushed = replies_in.try_push_slice(0, &["", "no call", "another call's"]);
    assert_eq!(pushed, Ok(3));
    replies_in
        .try_push_parts(0, &[id, b"in time"])
        .expect("room");
    replies_in.try_push(b"").expect("room");
    let mut reply = Vec::new();
    assert_eq!(client.finish(&call, &mut reply), Ok(()));
    assert_eq!(reply, b"in time");
}

/// In a very large ring, reading everything would take seconds.
fn a_call_after_its_deadline_skips_a_bounded_number_of_replies() {
    const CAPACITY: u64 = 1 << 20;
    const LATE: u64 = 64 << 10;
    let (requests, _requests_in) = RingOptions::new(1024).heap::<[u8]>().expect("a ring");
    let (mut replies_in, replies) = RingOptions::new(CAPACITY).heap::<[u8]>().expect("a ring");
    while replies_in.try_push(b"no call").is_ok() {}
    let mut client = Client::new(requests, replies);
    for turn in 1..=3 {
        let called = client.call(b"", &mut Vec::new(), Duration::ZERO);
        assert_eq!(called, Err(CallError::TimedOut));
        assert_eq!(replies_in.len(), CAPACITY - turn * LATE);
    }
}

fn a_client_that_does_not_read_does_not_block_the_server() {
    let (mut client, mut server) = pair();
    let mut handled = 0;
    for _ in 0..100 {
        let call = client.start(&[7; 100], SHORT).expect("room");
        client.cancel(call);
        let answered = server.answer(PATIENCE, |request, reply| {
            handled += 1;
            echo(request, reply)
        });
        answered.expect("the server continues");
    }
    assert!(handled > 5, "replies until the ring was full: {handled}");
    // A client that reads again drops the replies that no call waits for.
    let service = thread::spawn(move || server.answer(PATIENCE, echo));
    let mut reply = Vec::new();
    client.call(b"next", &mut reply, PATIENCE).expect("a reply");
    assert_eq!(reply, b"next");
    service.join().expect("no panic").expect("a request");
}

/// Fills the ring of replies, so that the next reply finds no room.
fn fill_replies(client: &mut Client, server: &mut Server) {
    for turn in 0.. {
        assert!(turn < 100, "a reply without room waits, or is dropped");
        let call = client.start(&[7; 100], SHORT).expect("room");
        client.cancel(call);
        match server.answer(Duration::ZERO, echo) {
            Ok(()) => {}
            Err(PopError::TimedOut) => break,
            Err(error) => panic!("{error}"),
        }
    }
    server.answer(PATIENCE, echo).expect("it has expired");
}

/// Takes the replies that no call waits for.
fn read_replies(client: &mut Client) {
    let call = client.start(b"", Duration::ZERO).expect("room");
    let nothing = client.finish(&call, &mut Vec::new());
    assert_eq!(nothing, Err(CallError::TimedOut));
}

fn a_client_that_waits_forever_and_does_not_read_does_not_block_the_server() {
    let (mut client, mut server) = pair();
    fill_replies(&mut client, &mut server);
    let call = client.start(&[7; 100], Duration::MAX).expect("room");
    let (tell, told) = mpsc::channel();
    let service = thread::spawn(move || {
        for timeout in [Duration::ZERO, SHORT] {
            tell.send(server.answer(timeout, echo)).expect("it is read");
        }
    });
    for _ in 0..2 {
        let answered = told.recv_timeout(PATIENCE).expect("the server continues");
        assert_eq!(answered, Err(PopError::TimedOut));
    }
    service.join().expect("no panic");
    client.cancel(call);
}

fn a_reply_that_finds_no_room_is_kept() {
    let (mut client, mut server) = pair();
    fill_replies(&mut client, &mut server);
    let call = client.start(&[7; 100], Duration::MAX).expect("room");
    let mut handled = 0;
    let mut count = |request: &[u8], reply: &mut Vec<u8>| {
        handled += 1;
        echo(request, reply)
    };
    for _ in 0..3 {
        let answered = server.answer(Duration::ZERO, &mut count);
        assert_eq!(answered, Err(PopError::TimedOut));
    }
    read_replies(&mut client);
    assert_eq!(server.answer(PATIENCE, &mut count), Ok(()));
    assert_eq!(handled, 1, "one request, one call of the handler");
    let mut reply = Vec::new();
    client.finish(&call, &mut reply).expect("the reply");
    assert_eq!(reply, [7; 100]);
}

fn a_kept_reply_is_dropped_when_it_has_expired() {
    let (mut client, mut server) = pair();
    fill_replies(&mut client, &mut server);
    let call = client.start(&[7; 100], 5 * SHORT).expect("room");
    // If this process is stopped for this time, the request expires before it is handled.
    let answered = server.answer(Duration::ZERO, echo);
    assert!(matches!(answered, Ok(()) | Err(PopError::TimedOut)));
    if answered.is_err() {
        assert_eq!(
            server.answer(PATIENCE, echo),
            Ok(()),
            "no call waits for it"
        );
    }
    let nothing = server.answer(Duration::ZERO, echo);
    assert_eq!(nothing, Err(PopError::TimedOut), "the request was removed");
    client.cancel(call);
    // A crashed server leaves an unanswered request for the next one.
    let call = client.start(b"again", Duration::MAX).expect("room");
    let (requests, replies) = server.into_inner();
    let mut server = Server::new(requests, replies);
    read_replies(&mut client);
    answer(&mut server, 2);
    assert_eq!(reply_to(&mut client, &call), b"again");
}

fn a_server_can_be_stopped_while_there_is_no_room() {
    let (mut client, mut server) = pair();
    fill_replies(&mut client, &mut server);
    let call = client.start(&[7; 100], Duration::MAX).expect("room");
    let (tell, told) = mpsc::channel();
    let service = thread::spawn(move || {
        let mut asked = 0;
        let served = server.serve(echo, || {
            asked += 1;
            asked > 3
        });
        tell.send(served).expect("it is read");
    });
    let served = told.recv_timeout(PATIENCE).expect("it ends");
    assert_eq!(served, Ok(()));
    service.join().expect("no panic");
    client.cancel(call);
}

/// The server sees both requests when it takes the first, and is busy until the second has
/// expired.
fn a_request_expires_in_the_ring_after_the_server_has_seen_it() {
    let (mut client, mut server) = pair();
    let busy = client.start(b"busy", PATIENCE).expect("room");
    let waits = client.start(b"waits", SHORT).expect("room");
    let mut handled = Vec::new();
    for _ in 0..2 {
        let answered = server.answer(PATIENCE, |request, reply| {
            handled.push(request.to_vec());
            thread::sleep(2 * SHORT);
            echo(request, reply)
        });
        answered.expect("a request");
    }
    assert_eq!(handled, [b"busy"]);
    client.cancel(busy);
    client.cancel(waits);
}

/// A request contains no time of the client's clock.
fn a_request_says_how_long_its_client_waits() {
    let options = RingOptions::new(1024);
    let (requests, mut requests_in) = options.heap::<[u8]>().expect("a ring");
    let (_replies_in, replies) = options.heap::<[u8]>().expect("a ring");
    let mut client = Client::new(requests, replies);
    let mut left = |timeout: Duration| {
        let call = client.start(b"hello", timeout).expect("room");
        client.cancel(call);
        let mut request = Vec::new();
        requests_in.try_pop_into(&mut request).expect("the request");
        let (header, rest) = request.split_at(16);
        assert_eq!(rest, b"hello");
        u64::from_le_bytes(header[8..].try_into().expect("a word"))
    };
    assert_eq!(left(Duration::ZERO), 0);
    assert_eq!(left(Duration::MAX), u64::MAX);
    let day = Duration::from_secs(24 * 60 * 60);
    let sent = left(day);
    assert!(
        sent <= day.as_nanos() as u64,
        "more than the timeout: {sent}"
    );
    assert!(sent > (day - PATIENCE).as_nanos() as u64, "{sent} is left");
}

fn a_request_that_kills_its_server_can_be_passed_over() {
    let (mut client, mut server) = pair();
    let bad = client.start(b"bad", PATIENCE).expect("room");
    let good = client.start(b"good", PATIENCE).expect("room");
    let panics = |_: &[u8], _: &mut Vec<u8>| -> Result<(), String> { panic!("planned") };
    let died = catch_unwind(AssertUnwindSafe(|| server.answer(PATIENCE, panics)));
    assert!(died.is_err());
    let (mut requests, replies) = server.into_inner();
    assert_eq!(requests.skip(1), Ok(1));
    let mut server = Server::new(requests, replies);
    server.answer(PATIENCE, echo).expect("the next request");
    assert_eq!(reply_to(&mut client, &good), b"good");
    client.cancel(bad);
}

/// Makes one call with a timeout of a second, and reports its result.
fn one_call(names: &[String]) {
    let requests = FrameProducer::open(&names[0]).expect("the role is free");
    let replies = FrameConsumer::open(&names[1]).expect("the role is free");
    let mut client = Client::new(requests, replies);
    let mut reply = Vec::new();
    let called = client.call(b"hello", &mut reply, PATIENCE);
    say(format!("{called:?} {}", String::from_utf8_lossy(&reply)));
}

/// In two runs, the clock of one process and then of the other is a day ahead. Without time
/// namespaces both have the same clock, and the check of the request must suffice
/// (`a_request_says_how_long_its_client_waits`).
fn clocks_of_two_time_namespaces_do_not_matter() {
    let may = Command::new("unshare")
        .args(["-T", "--monotonic", "86400", "true"])
        .status();
    let ahead = may.is_ok_and(|status| status.success());
    let ahead: &[&str] = if ahead {
        &["unshare", "-T", "--monotonic", "86400"]
    } else {
        &[]
    };
    for (server_clock, client_clock) in [(ahead, &[] as &[&str]), (&[], ahead)] {
        let names = Names::new("clocks");
        let names = [names.0[0].as_str(), names.0[1].as_str()];
        let server = Child::start_by(server_clock, "echo_server", &names);
        server.expect("ready");
        let client = Child::start_by(client_clock, "one_call", &names);
        client.expect("Ok(()) hello");
        client.succeeds();
    }
}

fn a_waiting_client_notices_its_servers_death() {
    let names = Names::new("death");
    let mut server = names.server("echo_server");
    let mut client = names.client();
    let mut reply = Vec::new();
    client
        .call(b"first", &mut reply, PATIENCE)
        .expect("a reply");
    server.signal(libc::SIGSTOP);
    let call = client.start(b"second", PATIENCE).expect("room");
    server.kill();
    let gone = client.finish(&call, &mut reply);
    assert_eq!(gone, Err(CallError::ServerGone));
    // The call stays in flight, and the next server answers it.
    let _server = names.server("echo_server");
    client.finish(&call, &mut reply).expect("a reply");
    assert_eq!(reply, b"second");
}

fn a_service_continues_after_kill_9() {
    let names = Names::new("service");
    let mut client = names.client();
    let mut reply = Vec::new();
    for round in 0..20_u64 {
        let mut server = names.server("echo_server");
        let calls: Vec<_> = (0..20)
            .map(|number: u64| {
                let request = (20 * round + number).to_le_bytes();
                client.start(&request, PATIENCE).expect("room")
            })
            .collect();
        for (number, call) in (0..).zip(&calls) {
            if number == round {
                server.kill(); // during any call
                server = names.server("echo_server");
            }
            loop {
                match client.finish(call, &mut reply) {
                    Ok(()) => break,
                    Err(CallError::ServerGone) => {}
                    Err(error) => panic!("call {number} of round {round}: {error}"),
                }
            }
            assert_eq!(reply, (20 * round + number).to_le_bytes());
        }
        server.kill();
    }
}

fn a_server_outlives_its_clients() {
    let names = Names::new("clients");
    let _server = names.server("echo_server");
    for number in 0..10 {
        let word = format!("client {number}");
        let names = [names.0[0].as_str(), names.0[1].as_str(), &word];
        let mut client = Child::start("client", &names);
        client.expect(&word);
        if number % 2 == 0 {
            client.kill();
        } else {
            client.succeeds();
        }
    }
}
