//! Calls of `quoit::rpc`: a request and a reply of the same length.

use std::convert::Infallible;
use std::time::Duration;

use quoit::rpc::{Client, Server};

use super::link::{Link, Open, Side, number, stamp};
use super::rings::Pair;

/// The timeout of a call: longer than any slice.
const PATIENCE: Duration = Duration::from_secs(60);

/// An endpoint of calls with arguments of `SIZE` bytes. The partner returns each argument.
enum Calls<const SIZE: usize> {
    /// With the request and the reply.
    Client(Client, [u8; SIZE], Vec<u8>),
    Server(Server),
}

pub(crate) fn wire<const SIZE: usize>(mut open: Open<Pair<[u8]>>) -> Open<impl Link> {
    Open::new(move |side| {
        let Pair(producer, consumer) = open.side(side);
        match side {
            Side::Lead => {
                let reply = Vec::with_capacity(SIZE);
                Calls::Client(Client::new(producer, consumer), [0; SIZE], reply)
            }
            Side::Partner => Calls::Server(Server::new(consumer, producer)),
        }
    })
}

/// A call is both: the client sends it with its answer, and then receives that; the server answers
/// when it receives, and then has nothing to send.
impl<const SIZE: usize> Link for Calls<SIZE> {
    #[inline(always)]
    fn send(&mut self, message: u64) {
        if let Self::Client(client, request, reply) = self {
            stamp(request, message);
            let called = client.call(request, reply, PATIENCE);
            called.expect("the partner has the server");
            assert_eq!(reply.len(), SIZE, "the partner returns the argument");
        }
    }

    #[inline(always)]
    fn receive(&mut self) -> u64 {
        match self {
            Self::Client(_, _, reply) => number(reply),
            Self::Server(server) => {
                let mut message = 0;
                let answered = server.answer(PATIENCE, |request, reply| {
                    message = number(request);
                    reply.extend_from_slice(request);
                    Ok::<(), Infallible>(())
                });
                answered.expect("a request arrives");
                message
            }
        }
    }
}
