//! What the command line and the file say: the same options under the same names.

mod ring;
mod server;

use std::fmt;
use std::path::{Path, PathBuf};

use clap::Args;
use quoit_nats::{Error, Inbound, Outbound};
use serde::Deserialize;

use self::ring::Ring;
pub(crate) use self::server::Server;
use self::server::unread;

/// A ring that is written to a stream
#[derive(Debug, Clone, Args, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Out {
    #[command(flatten)]
    #[serde(flatten)]
    ring: Ring,

    /// The stream, which exists
    #[arg(long)]
    stream: String,

    /// The subject of each message
    #[arg(long)]
    subject: String,

    /// This many messages may be sent and not acknowledged [default: 1024]
    #[arg(long, value_name = "MESSAGES")]
    window: Option<usize>,

    /// And this many bytes of payload [default: 8388608]
    #[arg(long, value_name = "BYTES")]
    window_bytes: Option<usize>,
}

/// A stream that is written into a ring
#[derive(Debug, Clone, Args, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct In {
    #[command(flatten)]
    #[serde(flatten)]
    ring: Ring,

    /// The stream, which exists
    #[arg(long)]
    stream: String,

    /// The durable pull consumer, which is created if there is none
    #[arg(long)]
    consumer: String,

    /// The subject that the consumer takes [default: all of the stream, or what an existing
    /// consumer takes]
    #[arg(long)]
    subject: Option<String>,

    /// The subject for messages that can never be in the ring; without it such a message is
    /// an error
    #[arg(long, value_name = "SUBJECT")]
    dead_letter: Option<String>,

    /// The file that says which message is the last one in the ring [default: next to the
    /// ring, its name with .nats]
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,

    /// This many messages the server may send ahead, 65536 at most [default: 1024]
    #[arg(long, value_name = "MESSAGES")]
    window: Option<usize>,
}

impl Out {
    pub(crate) fn outbound(&self) -> Outbound {
        let default = Outbound::new(self.ring.choice(), &self.stream, &self.subject);
        Outbound {
            window: self.window.unwrap_or(default.window),
            window_bytes: self.window_bytes.unwrap_or(default.window_bytes),
            ..default
        }
    }
}

impl In {
    pub(crate) fn inbound(&self) -> Inbound {
        let default = Inbound::new(self.ring.choice(), &self.stream, &self.consumer);
        Inbound {
            subject: self.subject.clone(),
            dead_letter: self.dead_letter.clone(),
            journal: self.journal.clone(),
            window: self.window.unwrap_or(default.window),
            ..default
        }
    }
}

/// A file with several rings.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct File {
    pub(crate) server: Option<Server>,
    #[serde(default)]
    pub(crate) out: Vec<Out>,
    #[serde(default)]
    pub(crate) r#in: Vec<In>,
}

impl File {
    pub(crate) fn read(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(|source| unread(path, source))?;
        let wrong = |why: &dyn fmt::Display| Error::Config(format!("{}: {why}", path.display()));
        let file: Self = toml::from_str(&text).map_err(|error| wrong(&error))?;
        if file.out.is_empty() && file.r#in.is_empty() {
            return Err(wrong(&"there is no ring in it: write [[out]] or [[in]]"));
        }
        Ok(file)
    }
}
