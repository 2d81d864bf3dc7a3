//! Calls of `quoit::rpc`: a request and a reply of the same length.

use std::convert::Infallible;
use std::time::Duration;

use hdrhistogram::Histogram;
use quoit::rpc::{Client, Server};

use super::interleaved::{Plan, Side, Variant};
use super::link::{End, STOP, measure};
use super::message::{number, stamp};
use super::rings::RingLink;

/// The timeout of a call: longer than any slice.
const PATIENCE: Duration = Duration::from_secs(60);

enum Peer {
    Client(Client),
    Server(Server),
}

/// A call to a partner that returns its argument.
pub(crate) struct Calls<const SIZE: usize>(End<Peer>);

impl<const SIZE: usize> Calls<SIZE> {
    pub(crate) fn new(name: &str, mut open: impl FnMut(Side) -> RingLink<[u8]> + 'static) -> Self {
        Self(End::new(name, move |side| {
            let RingLink { producer, consumer } = open(side);
            match side {
                Side::Lead => Peer::Client(Client::new(producer, consumer)),
                Side::Partner => Peer::Server(Server::new(consumer, producer)),
            }
        }))
    }
}

impl<const SIZE: usize> Variant for Calls<SIZE> {
    fn name(&self) -> &str {
        &self.0.name
    }

    fn open(&mut self, side: Side) {
        self.0.open(side);
    }

    fn prepare(&mut self) {
        self.0.prepare();
    }

    fn lead(&mut self, plan: &Plan) -> Histogram<u64> {
        let mut last = self.0.number;
        let Peer::Client(client) = self.0.link() else {
            unreachable!("the lead has the client")
        };
        let mut request = [0; SIZE];
        let mut reply = Vec::with_capacity(SIZE);
        let mut call = |message| {
            stamp(&mut request, message);
            let called = client.call(&request, &mut reply, PATIENCE);
            called.expect("the partner has the server");
            assert_eq!(reply.len(), SIZE, "the partner returns the argument");
            assert_eq!(number(&reply), message, "each reply belongs to its call");
        };
        let batches = measure(plan, |batch| {
            for _ in 0..batch {
                last += 1;
                call(last);
            }
        });
        call(STOP);
        self.0.number = last;
        batches
    }

    fn follow(&mut self) {
        let Peer::Server(server) = self.0.link() else {
            unreachable!("the partner has the server")
        };
        let mut over = false;
        while !over {
            let answered = server.answer(PATIENCE, |request, reply| {
                over = number(request) == STOP;
                reply.extend_from_slice(request);
                Ok::<(), Infallible>(())
            });
            answered.expect("a request comes");
        }
    }
}
