//! The connection to the server, which reconnects by itself.

use std::error::Error as _;
use std::fmt;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_nats::jetstream::context::{ConsumerInfoErrorKind, GetStreamErrorKind, RequestError};
use async_nats::jetstream::stream::{Info, LastRawMessageError, LastRawMessageErrorKind, Stream};
use async_nats::jetstream::{self, Context, ErrorCode};
use async_nats::{Client, ConnectOptions, Event, ServerAddr};
use tokio::sync::watch;

use crate::error::Error;
use crate::report::Report;

/// The longest pause between two attempts.
const LONGEST: Duration = Duration::from_secs(2);
/// How long a request to the server may take.
const REQUEST: Duration = Duration::from_secs(5);

/// What the client has reported about the connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct State {
    /// How often it was made.
    connects: u64,
    is_connected: bool,
    is_closed: bool,
}

/// A connection to a server or a cluster.
#[derive(Debug, Clone)]
pub struct Link {
    pub(crate) client: Client,
    pub(crate) jetstream: Context,
    address: String,
    report: Report,
    state: watch::Receiver<State>,
}

impl Link {
    /// Connects to one of these servers, which have commas between them, with these options:
    /// TLS, credentials and the rest are the client's own. The bridge sets the event callback,
    /// the delay between two attempts and the number of attempts, which is unlimited once there
    /// was a connection.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if an address cannot be read, [`Error::Connect`] if no server answers.
    pub async fn connect(
        options: ConnectOptions,
        address: &str,
        report: &Report,
    ) -> Result<Self, Error> {
        let addresses = addresses(address)?;
        let (tell, state) = watch::channel(State::default());
        let (report, notes) = (report.clone(), report.clone());
        let options = options
            .event_callback(move |event| {
                note(&notes, &event);
                tell.send_modify(|state| match event {
                    Event::Connected => {
                        state.connects += 1;
                        state.is_connected = true;
                    }
                    Event::Disconnected => state.is_connected = false,
                    Event::Closed => state.is_closed = true,
                    _ => {}
                });
                std::future::ready(())
            })
            .reconnect_delay_callback(pause)
            .request_timeout(Some(REQUEST))
            .max_reconnects(None)
            .skip_subject_validation(true);
        let client = options.connect(addresses).await;
        let address = shown(address);
        let client = match client {
            Ok(client) => client,
            Err(source) => {
                let server = address;
                return Err(Error::Connect { server, source });
            }
        };
        Ok(Self {
            jetstream: jetstream::new(client.clone()),
            client,
            address,
            report,
            state,
        })
    }

    /// How often the connection was made, now that there is one.
    ///
    /// Cancel safety: nothing is lost.
    pub(crate) async fn connected(&mut self) -> Result<u64, Error> {
        let state = self
            .state
            .wait_for(|state| state.is_connected || state.is_closed);
        match state.await.map(|state| *state) {
            Ok(state) if !state.is_closed => Ok(state.connects),
            _ => Err(self.closed()),
        }
    }

    /// Waits until the connection was made more often than this.
    ///
    /// Cancel safety: nothing is lost.
    pub(crate) async fn reconnected(&mut self, connects: u64) -> Result<(), Error> {
        let state = self
            .state
            .wait_for(|state| state.connects > connects || state.is_closed);
        match state.await.map(|state| *state) {
            Ok(state) if !state.is_closed => Ok(()),
            _ => Err(self.closed()),
        }
    }

    /// How often the client has connected. Before any message of a connection arrives it
    /// counts this connection; the events of the client may be late.
    pub(crate) fn made(&self) -> u64 {
        self.client.statistics().connects.load(Ordering::Relaxed)
    }

    pub(crate) fn closed(&self) -> Error {
        Error::Closed(format!(
            "the client has closed the connection to {}; start the bridge again",
            self.address
        ))
    }

    /// The stream. Fails at once if there is none; tries again as long as the server does
    /// not answer, unless this is the first time.
    pub(crate) async fn stream(
        &mut self,
        name: &str,
        is_first: bool,
    ) -> Result<Stream<Info>, Error> {
        let mut backoff = Backoff::default();
        loop {
            self.connected().await?;
            let error = match self.jetstream.get_stream(name).await {
                Ok(stream) => return Ok(stream),
                Err(error) => error,
            };
            match error.kind() {
                GetStreamErrorKind::JetStream(error)
                    if error.error_code() == ErrorCode::STREAM_NOT_FOUND =>
                {
                    return Err(Error::Stream(format!(
                        "the stream {name} does not exist on {}; create it, with the subjects that \
                         it is to take",
                        self.address
                    )));
                }
                GetStreamErrorKind::EmptyName | GetStreamErrorKind::InvalidStreamName => {
                    return Err(Error::Stream(format!("{name:?} is no name of a stream")));
                }
                _ if is_first => {
                    return Err(Error::Stream(format!(
                        "JetStream does not answer on {}: {error}; check that it is enabled \
                         (nats-server -js), and that this user may use it",
                        self.address
                    )));
                }
                _ => {
                    let doing = format!("ask for the stream {name}");
                    self.retry(&mut backoff, &doing, &error).await;
                }
            }
        }
    }

    /// Waits before the next attempt, and notes what has failed, unless it did before.
    pub(crate) async fn retry(&self, backoff: &mut Backoff, doing: &str, why: impl fmt::Display) {
        let text = format!("cannot {doing}: {why}; the bridge tries again");
        if backoff.told != text {
            self.report.note(&text);
            backoff.told = text;
        }
        backoff.pause().await;
    }
}

/// The addresses without users and passwords.
fn shown(text: &str) -> String {
    let server = |server: &str| match server.rsplit_once('@') {
        None => server.to_owned(),
        Some((begin, host)) => match begin.split_once("://") {
            None => host.to_owned(),
            Some((scheme, _)) => format!("{scheme}://{host}"),
        },
    };
    let servers: Vec<_> = text.split(',').map(server).collect();
    servers.join(",")
}

fn addresses(text: &str) -> Result<Vec<ServerAddr>, Error> {
    let servers = text.split(',').map(|server| {
        let server = server.trim();
        let parsed = server.parse();
        parsed.map_err(|error| {
            Error::Config(format!(
                "{:?} is not the address of a server: {error}",
                shown(server)
            ))
        })
    });
    servers.collect()
}

/// Whether this says that the consumer or its stream is not there.
pub(crate) fn is_deleted(kind: &ConsumerInfoErrorKind) -> bool {
    match kind {
        ConsumerInfoErrorKind::NotFound | ConsumerInfoErrorKind::StreamNotFound => true,
        ConsumerInfoErrorKind::JetStream(error) => matches!(
            error.error_code(),
            ErrorCode::CONSUMER_NOT_FOUND | ErrorCode::STREAM_NOT_FOUND
        ),
        _ => false,
    }
}

fn note(report: &Report, event: &Event) {
    match event {
        Event::Connected => report.connected(true),
        Event::Disconnected => report.connected(false),
        _ => {}
    }
    report.note(&format!("connection: {event}"));
}

/// The pause before this attempt.
fn pause(attempts: usize) -> Duration {
    let attempts = u32::try_from(attempts).unwrap_or(u32::MAX);
    Duration::from_millis(50)
        .saturating_mul(attempts)
        .min(LONGEST)
}

/// Pauses that grow while something does not work.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    attempts: usize,
    /// What was noted last.
    told: String,
}

impl Backoff {
    /// Waits before the next attempt.
    pub(crate) async fn pause(&mut self) {
        self.attempts += 1;
        tokio::time::sleep(pause(self.attempts)).await;
    }

    /// It works again.
    pub(crate) fn reset(&mut self) {
        self.attempts = 0;
        self.told.clear();
    }
}

/// Whether the stream has no such message. Otherwise the request may be repeated, unless the stream
/// was deleted, or has a message that the client cannot read: `which` one.
pub(crate) fn has_none(
    error: &LastRawMessageError,
    stream: &Stream<Info>,
    which: &str,
) -> Result<bool, Error> {
    let name = &stream.cached_info().config.name;
    match error.kind() {
        LastRawMessageErrorKind::NoMessageFound => Ok(true),
        LastRawMessageErrorKind::JetStream(error)
            if error.error_code() == ErrorCode::STREAM_NOT_FOUND =>
        {
            Err(Error::Stream(format!("the stream {name} was deleted")))
        }
        LastRawMessageErrorKind::Other => match error.source() {
            Some(why) if !why.is::<RequestError>() => Err(Error::Message(format!(
                "the stream {name} has a message that cannot be read, {which}: {why}; its headers \
                 are not UTF-8, or a name of a header is none; delete it"
            ))),
            _ => Ok(false),
        },
        _ => Ok(false),
    }
}
