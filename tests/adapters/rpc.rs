//! Calls over a pair of rings: each reply belongs to its call, also if replies are late,
//! reordered, repeated or missing, and if a process dies in between.

use std::io::BufRead as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::Duration;

use crate::common::PATIENCE;
use crate::common::fork::{forked, kill};
use crate::common::program::stop;
use crate::common::rings::{consumer, ends, heap, named, producer};
use quoit::rpc::{Call, CallError, Client, Server};
use quoit::{FrameConsumer, FrameProducer, PopError, RingOptions};

crate::common::suite::tests! {
    records_are_answered,
    debug_shows_no_payload,
    a_request_stays_if_its_handler_panics,
    replies_in_another_order_find_their_calls,
    replies_that_no_call_waits_for_are_dropped,
    a_reply_that_finds_no_room_is_kept_as_long_as_its_client_waits,
    an_expired_request_is_not_handled,
    frames_that_are_not_calls_are_ignored,
    requests_and_replies_that_do_not_fit_are_refused,
    a_reply_that_has_arrived_is_taken_after_the_deadline,
    a_request_says_how_long_its_client_waits,
    a_server_whose_endpoint_is_closed_answers_what_is_left,
    a_server_reports_that_no_client_can_read_its_replies,
    a_service_continues_after_kill_9,
}

const SHORT: Duration = Duration::from_millis(20);

/// A client and a server on the heap.
fn pair() -> (Client, Server) {
    let (requests_in, requests) = heap::<[u8]>(1024);
    let (replies_in, replies) = heap::<[u8]>(1024);
    let client = Client::new(requests_in, replies);
    (client, Server::new(requests, replies_in))
}

/// Of calls and replies, and of the frame that a reader has begun.
fn debug_shows_no_payload() {
    let (mut client, mut server) = pair();
    let [_early, last] = [(); 2].map(|()| client.start(&[201; 8], PATIENCE).expect("room"));
    assert_eq!(answer(&mut server, 2), [[201; 8]; 2]);
    client.finish(&last, &mut Vec::new()).expect("a reply");
    let (mut producer, consumer) = heap::<[u8]>(64);
    producer.try_push(&[201; 8]).expect("there is room");
    let mut reader = consumer.into_reader();
    assert_eq!(reader.fill_buf().expect("a frame"), [201; 8]);
    for shown in [
        format!("{client:?}"),
        format!("{server:?}"),
        format!("{reader:?}"),
    ] {
        assert!(shown.contains("len: ") && !shown.contains("201"), "{shown}");
    }
}

fn echo(request: &[u8], reply: &mut Vec<u8>) -> Result<(), String> {
    if request == b"bad" {
        reply.extend_from_slice(b"half a re");
        return Err("this is bad".to_owned());
    }
    reply.extend_from_slice(request);
    Ok(())
}

/// Answers this many requests.
fn answer_with(
    server: &mut Server,
    requests: usize,
    mut handler: impl FnMut(&[u8], &mut Vec<u8>) -> Result<(), String>,
) {
    for _ in 0..requests {
        let answered = server.answer(PATIENCE, &mut handler);
        answered.expect("a request");
    }
}

/// Echoes this many requests; returns those that the handler got.
fn answer(server: &mut Server, requests: usize) -> Vec<Vec<u8>> {
    let mut handled = Vec::new();
    answer_with(server, requests, |request, reply| {
        handled.push(request.to_vec());
        echo(request, reply)
    });
    handled
}

/// Starts a call that has time.
fn start(client: &mut Client, request: &[u8]) -> Call {
    client.start(request, PATIENCE).expect("room")
}

/// Leaves no room for a long reply.
fn fill_replies(client: &mut Client, server: &mut Server) {
    for _ in 0..2 {
        let call = start(client, &[7; 480]);
        client.cancel(call);
        answer(server, 1);
    }
}

/// The reply to a call.
fn reply_to(client: &mut Client, call: &Call) -> Vec<u8> {
    let mut reply = Vec::new();
    client.finish(call, &mut reply).expect("a reply");
    reply
}

/// The error of a call.
fn error_of(client: &mut Client, call: &Call) -> CallError {
    let mut reply = b"before".to_vec();
    let error = client.finish(call, &mut reply).expect_err("an error");
    assert_eq!(reply, b"before", "an error is not a reply");
    error
}

/// Until the client closes.
fn records_are_answered() {
    let (mut client, mut server) = pair();
    let server = thread::spawn(move || {
        let double = |number: u64| number.checked_mul(2).ok_or("too large");
        let mut answers = std::iter::repeat_with(|| server.answer_record(PATIENCE, double));
        answers.find(Result::is_err)
    });
    for number in 0..1000_u64 {
        assert_eq!(client.call_record(&number, PATIENCE), Ok(2 * number));
    }
    let refused = client.call_record::<_, u64>(&u64::MAX, PATIENCE);
    assert_eq!(refused, Err(CallError::Refused("too large".to_owned())));
    let refused = client.call_record::<u32, u64>(&7, PATIENCE);
    let text = "the request has 4 bytes, not 8".to_owned();
    assert_eq!(refused, Err(CallError::Refused(text)));
    let wrong = client.call_record::<u64, u32>(&7, PATIENCE);
    let (expected, found) = (4, 8);
    assert_eq!(wrong, Err(CallError::WrongLength { expected, found }));
    assert_eq!(client.in_flight(), 0);
    drop(client);
    let ended = server.join().expect("no panic");
    assert_eq!(ended, Some(Err(PopError::Abandoned)));
}

/// The request stays for the next answer, or can be passed over.
fn a_request_stays_if_its_handler_panics() {
    let (mut client, mut server) = pair();
    let [first, second] = [[1], [2]].map(|request| start(&mut client, &request));
    let panics = |_: &[u8], _: &mut Vec<u8>| -> Result<(), String> { panic!("planned") };
    for _ in 0..2 {
        let died = catch_unwind(AssertUnwindSafe(|| server.answer(PATIENCE, panics)));
        assert!(died.is_err());
    }
    assert_eq!(answer(&mut server, 1), [[1]]);
    assert_eq!(reply_to(&mut client, &first), [1]);
    let died = catch_unwind(AssertUnwindSafe(|| server.answer(PATIENCE, panics)));
    assert!(died.is_err());
    let (mut requests, replies) = server.into_inner();
    assert_eq!(requests.skip(1), Ok(1));
    let third = start(&mut client, &[3]);
    let mut server = Server::new(requests, replies);
    assert_eq!(answer(&mut server, 1), [[3]]);
    assert_eq!(reply_to(&mut client, &third), [3]);
    client.cancel(second);
}

/// The text of a handler's error is such a reply.
fn replies_in_another_order_find_their_calls() {
    let (mut client, mut server) = pair();
    let texts = ["zero", "one", "bad", "three"];
    let calls = texts.map(|text| (text, start(&mut client, text.as_bytes())));
    answer(&mut server, calls.len());
    assert_eq!(client.in_flight(), calls.len());
    for (text, call) in calls.iter().rev() {
        match *text {
            "bad" => {
                let refused = CallError::Refused("this is bad".to_owned());
                assert_eq!(error_of(&mut client, call), refused);
            }
            text => assert_eq!(reply_to(&mut client, call), text.as_bytes()),
        }
        assert_eq!(error_of(&mut client, call), CallError::NotInFlight);
    }
    assert_eq!(client.in_flight(), 0);
}

/// At once, and in the ring after the server has seen it: it takes two with the first, which
/// keeps it busy.
fn an_expired_request_is_not_handled() {
    let (mut client, mut server) = pair();
    let over = client.start(b"over", Duration::ZERO).expect("room");
    let busy = start(&mut client, b"busy");
    let waits = client.start(b"waits", SHORT).expect("room");
    let call = start(&mut client, b"in time");
    let mut handled = Vec::new();
    answer_with(&mut server, 4, |request, reply| {
        handled.push(request.to_vec());
        thread::sleep(2 * SHORT);
        echo(request, reply)
    });
    assert_eq!(handled, [&b"busy"[..], b"in time"]);
    assert_eq!(reply_to(&mut client, &call), b"in time");
    for late in [over, waits] {
        assert_eq!(error_of(&mut client, &late), CallError::TimedOut);
    }
    client.cancel(busy);
}

/// Of a client before this one, of a call that was cancelled, and of one whose client gives up
/// while it is handled.
fn replies_that_no_call_waits_for_are_dropped() {
    let (mut client, mut server) = pair();
    let _unfinished = start(&mut client, b"earlier");
    let (requests, replies) = client.into_inner();
    let mut client = Client::new(requests, replies);
    let cancelled = start(&mut client, b"cancelled");
    client.cancel(cancelled);
    answer(&mut server, 2);
    let late = client.start(b"late", Duration::from_secs(1));
    let late = late.expect("room");
    answer_with(&mut server, 1, |request, reply| {
        assert_eq!(error_of(&mut client, &late), CallError::TimedOut);
        assert_eq!(client.in_flight(), 0);
        echo(request, reply)
    });
    let call = start(&mut client, b"next");
    answer(&mut server, 1);
    assert_eq!(reply_to(&mut client, &call), b"next");
    assert_eq!(error_of(&mut client, &late), CallError::NotInFlight);
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
    let call = start(&mut client, b"hello");
    assert_eq!(answer(&mut server, 17), [b"hello"]);
    assert_eq!(reply_to(&mut client, &call), b"hello");
}

fn requests_and_replies_that_do_not_fit_are_refused() {
    let (mut client, mut server) = pair();
    // Half the ring, less the frame's header, the id and the deadline.
    let max = 512 - 8 - 16;
    for len in [max + 1, 1024] {
        let error = client.start(&vec![0; len], PATIENCE).expect_err("too long");
        assert_eq!(error, CallError::TooLong { max });
    }
    assert_eq!(client.in_flight(), 0);
    let call = start(&mut client, &vec![7; max]);
    assert_eq!(answer(&mut server, 1), [vec![7; max]]);
    assert_eq!(reply_to(&mut client, &call), vec![7; max]);
    let call = start(&mut client, b"more");
    answer_with(&mut server, 1, |_, reply| {
        reply.resize(505 - 8, 0);
        Ok(())
    });
    let text = "a reply of 497 bytes does not fit into the ring".to_owned();
    assert_eq!(error_of(&mut client, &call), CallError::Refused(text));
    // An error's text is cut, after a whole letter.
    let call = start(&mut client, b"more");
    answer_with(&mut server, 1, |_, _| Err("\u{20ac}".repeat(1000)));
    let text = "\u{20ac}".repeat((504 - 8) / 3);
    assert_eq!(error_of(&mut client, &call), CallError::Refused(text));
    drop(server);
    let mut begun = std::iter::repeat_with(|| client.start(&[7; 100], PATIENCE));
    let full = begun.find_map(Result::err);
    assert_eq!(full, Some(CallError::NoServer));
}

fn a_reply_that_has_arrived_is_taken_after_the_deadline() {
    let (requests, mut requests_in) = heap::<[u8]>(1024);
    let (mut replies_in, replies) = heap::<[u8]>(1024);
    let mut client = Client::new(requests, replies);
    let call = client.start(b"hello", Duration::ZERO).expect("room");
    let mut request = Vec::new();
    requests_in.try_pop_into(&mut request).expect("the request");
    let pushed = replies_in.try_push_slice(0, &["", "no call", "another call's"]);
    assert_eq!(pushed, Ok(3));
    let parts = [&request[..8], b"in time"];
    replies_in.try_push_parts(0, &parts).expect("room");
    replies_in.try_push(b"").expect("room");
    assert_eq!(reply_to(&mut client, &call), b"in time");
    // The next two wait for no server that restarts. The first one reads what is left.
    drop(replies_in);
    for _ in 0..2 {
        let call = client.start(b"hello", Duration::ZERO).expect("room");
        assert_eq!(error_of(&mut client, &call), CallError::TimedOut);
        assert_eq!(client.in_flight(), 0);
    }
}

/// It stops neither an answer nor a server. The handler is not called again.
fn a_reply_that_finds_no_room_is_kept_as_long_as_its_client_waits() {
    let (mut client, mut server) = pair();
    fill_replies(&mut client, &mut server);
    let mut handled = 0;
    let mut serve = |turns| {
        let count = |request: &[u8], reply: &mut Vec<u8>| {
            handled += 1;
            echo(request, reply)
        };
        let mut turns = 0..turns;
        assert_eq!(server.serve(count, || turns.next().is_none()), Ok(()));
        handled
    };
    let expires = client.start(&[7; 100], 10 * SHORT).expect("room");
    assert_eq!(serve(4), 1);
    let call = start(&mut client, &[8; 100]);
    assert_eq!(serve(3), 2);
    // This reads the two replies that no call waits for.
    assert_eq!(error_of(&mut client, &expires), CallError::TimedOut);
    assert_eq!(serve(1), 2);
    assert_eq!(reply_to(&mut client, &call), [8; 100]);
}

/// A request contains no time of the client's clock.
fn a_request_says_how_long_its_client_waits() {
    let (requests, mut requests_in) = heap::<[u8]>(1024);
    let (_replies_in, replies) = heap::<[u8]>(1024);
    let mut client = Client::new(requests, replies);
    let day = Duration::from_secs(24 * 60 * 60);
    let [least, most] = [day - PATIENCE, day].map(|time| time.as_nanos() as u64);
    for (timeout, expected) in [
        (Duration::ZERO, 0..=0),
        (Duration::MAX, u64::MAX..=u64::MAX),
        (day, least..=most),
    ] {
        let call = client.start(b"hello", timeout).expect("room");
        client.cancel(call);
        let mut request = Vec::new();
        requests_in.try_pop_into(&mut request).expect("the request");
        let left = u64::from_le_bytes(request[8..16].try_into().expect("a word"));
        assert!(expected.contains(&left), "{left} of {timeout:?}");
        assert_eq!(request[16..], *b"hello");
    }
}

/// As before a restart of the program. Its client is attached.
fn a_server_whose_endpoint_is_closed_answers_what_is_left() {
    let (mut client, server) = pair();
    let call = start(&mut client, b"last");
    let (mut requests, replies) = server.into_inner();
    requests.close();
    let mut turns = 0..10;
    let served = Server::new(requests, replies).serve(echo, || turns.next().is_none());
    assert_eq!(served, Err(PopError::Abandoned));
    assert_eq!(reply_to(&mut client, &call), b"last");
}

/// Once no client is attached to the requests either, it answers what is left.
fn a_server_reports_that_no_client_can_read_its_replies() {
    let (requests_in, requests) = heap::<[u8]>(1024);
    let (ring, name) = named::<[u8]>("unread", &RingOptions::new(1024));
    let (replies_in, replies) = ends(&ring);
    let mut client = Client::new(requests_in, replies);
    let mut server = Server::new(requests, replies_in);
    fill_replies(&mut client, &mut server);
    let _unanswered = start(&mut client, &[7; 480]);
    let (requests_in, _) = client.into_inner();
    drop(name);
    for _ in 0..2 {
        assert_eq!(server.answer(PATIENCE, echo), Err(PopError::Superseded));
    }
    drop(requests_in);
    assert_eq!(answer(&mut server, 1).len(), 0, "it was handled before");
}

/// A server dies during any call, which stays in flight: the next server answers it.
fn a_service_continues_after_kill_9() {
    let rings = ["requests", "replies"].map(|test| named::<[u8]>(test, &RingOptions::new(1024)));
    let [(requests, requests_name), (replies, replies_name)] = &rings;
    let serve = || {
        forked(|| {
            let requests = FrameConsumer::open(requests_name).expect("the role is free");
            let replies = FrameProducer::open(replies_name).expect("the role is free");
            let served = Server::new(requests, replies).serve(echo, || false);
            panic!("it does not end: {served:?}");
        })
    };
    let mut client = Client::new(producer(requests), consumer(replies));
    let mut reply = Vec::new();
    for round in 0..20_u64 {
        let mut server = serve();
        let request = |number: u64| (20 * round + number).to_le_bytes();
        let mut start = |request: &[u8]| loop {
            match client.start(request, PATIENCE) {
                Err(CallError::NoServer) => {} // it starts
                call => break call.expect("room"),
            }
        };
        let calls: Vec<_> = (0..20).map(|number| start(&request(number))).collect();
        for (number, call) in (0..).zip(&calls) {
            if number == round {
                kill(server); // during any call
                server = serve();
            }
            while let Err(error) = client.finish(call, &mut reply) {
                assert_eq!(error, CallError::NoServer, "call {number} of {round}");
            }
            assert_eq!(reply, request(number));
        }
        stop(server as u32);
        let call = self::start(&mut client, b"unanswered");
        kill(server);
        assert_eq!(error_of(&mut client, &call), CallError::NoServer);
        client.cancel(call);
    }
}
