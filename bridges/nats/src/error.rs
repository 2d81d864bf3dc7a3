//! What ends a bridge, and what to do about it.

use std::fmt;
use std::io;
use std::path::Path;

/// What ends a bridge. The text says what to do.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The configuration cannot be used.
    Config(String),
    /// The ring cannot be opened, or its role is taken.
    Ring {
        /// The ring's name.
        ring: String,
        /// Why.
        source: quoit::Error,
    },
    /// The endpoint of this ring failed, for this reason.
    Failed(String, String),
    /// The ring of this name was unlinked or replaced.
    Replaced(String),
    /// The ring and the stream do not belong together.
    Diverged(String),
    /// No server answers.
    Connect {
        /// The address that was tried.
        server: String,
        /// Why.
        source: async_nats::ConnectError,
    },
    /// The connection was closed permanently.
    Closed(String),
    /// The stream is missing, or is not what the bridge needs.
    Stream(String),
    /// The consumer is missing, or is not what the bridge needs.
    Consumer(String),
    /// A message cannot be carried over.
    Message(String),
    /// A file or a socket failed while the bridge did this.
    Io {
        /// What the bridge did.
        doing: String,
        /// Why it failed.
        source: io::Error,
    },
}

impl Error {
    pub(crate) fn ring(ring: impl Into<String>, source: quoit::Error) -> Self {
        let ring = ring.into();
        Self::Ring { ring, source }
    }

    pub(crate) fn wait(ring: &str, source: io::Error) -> Self {
        let doing = format!("wait for the ring {ring}");
        Self::Io { doing, source }
    }

    pub(crate) fn file(verb: &str, path: &Path, source: io::Error) -> Self {
        let doing = format!("{verb} {}", path.display());
        Self::Io { doing, source }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(text)
            | Self::Diverged(text)
            | Self::Closed(text)
            | Self::Stream(text)
            | Self::Consumer(text)
            | Self::Message(text) => f.write_str(text),
            Self::Ring { ring, source } => write!(f, "ring {ring}: {source}"),
            Self::Failed(ring, why) => write!(f, "ring {ring}: {why}"),
            Self::Replaced(ring) => write!(
                f,
                "ring {ring} was unlinked or replaced; start the bridge again, for the ring that \
                 has the name now"
            ),
            Self::Connect { server, source } => write!(
                f,
                "no connection to the NATS server {server}: {source}; check that it runs, the \
                 address, and the credentials"
            ),
            Self::Io { doing, source } => write!(f, "cannot {doing}: {source}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Ring { source, .. } => Some(source),
            Self::Connect { source, .. } => Some(source),
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}
