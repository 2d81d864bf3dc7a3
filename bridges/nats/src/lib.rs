//! A bridge between rings of quoit and NATS JetStream.
//!
//! A ring ends at the machine's edge. [`Outbound`] carries what one ring holds into a stream
//! of JetStream, and [`Inbound`] what a stream holds into a ring, each message once and in
//! order, whichever process is killed. `bridges/nats/README.md` has the guarantees, what each
//! costs, and the sizes to choose.
//!
//! ```no_run
//! use quoit_nats::{Link, Outbound, Report, RingChoice};
//!
//! # async fn example() -> Result<(), quoit_nats::Error> {
//! let report = Report::new("ticks", "out", None);
//! let options = async_nats::ConnectOptions::new();
//! let link = Link::connect(options, "nats://127.0.0.1:4222", &report).await?;
//! let out = Outbound::new(RingChoice::new("ticks"), "TICKS", "ticks.main");
//! out.run(&link, &report).await // until an error, or dropped
//! # }
//! ```

mod error;
mod inbound;
mod journal;
mod link;
mod outbound;
mod report;
mod ring;
mod wire;

pub use async_nats;

pub use crate::error::Error;
pub use crate::inbound::Inbound;
pub use crate::link::Link;
pub use crate::outbound::Outbound;
pub use crate::report::{Report, openmetrics, serve};
pub use crate::ring::{RingChoice, Shape};
