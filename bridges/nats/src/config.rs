//! What the command line and the file say: the same options under the same names.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::Args;
use quoit_nats::async_nats::ConnectOptions;
use quoit_nats::{Error, Inbound, Outbound, RingChoice, Shape};
use serde::Deserialize;

/// The server and how to connect to it.
#[derive(Debug, Clone, Args, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Server {
    /// The server, or several of a cluster with commas between: nats://HOST:4222, or tls://
    #[arg(long, global = true, value_name = "URL", env = "NATS_URL", default_value = DEFAULT)]
    server: String,

    /// The file with the user's credentials (JWT and seed)
    #[arg(long, global = true, value_name = "FILE", env = "NATS_CREDS")]
    creds: Option<PathBuf>,

    /// The file with the user's nkey seed
    #[arg(long, global = true, value_name = "FILE", env = "NATS_NKEY")]
    nkey: Option<PathBuf>,

    /// The user, whose password is in NATS_PASSWORD
    #[arg(long, global = true, value_name = "NAME", env = "NATS_USER")]
    user: Option<String>,

    #[arg(skip = std::env::var("NATS_PASSWORD").ok())]
    password: Option<String>,

    /// The certificates to trust, beside those of the system
    #[arg(long, global = true, value_name = "FILE")]
    tls_ca: Option<PathBuf>,

    /// The client's certificate, with --tls-key
    #[arg(long, global = true, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,

    /// The client's key, with --tls-cert
    #[arg(long, global = true, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,

    /// Connect by TLS or not at all
    #[arg(long, global = true)]
    tls: bool,
}

const DEFAULT: &str = "nats://127.0.0.1:4222";

impl Default for Server {
    fn default() -> Self {
        Self {
            server: std::env::var("NATS_URL").unwrap_or_else(|_| DEFAULT.to_owned()),
            creds: std::env::var_os("NATS_CREDS").map(PathBuf::from),
            nkey: std::env::var_os("NATS_NKEY").map(PathBuf::from),
            user: std::env::var("NATS_USER").ok(),
            password: std::env::var("NATS_PASSWORD").ok(),
            tls_ca: None,
            tls_cert: None,
            tls_key: None,
            tls: false,
        }
    }
}

impl Server {
    pub(crate) fn address(&self) -> &str {
        &self.server
    }

    /// The client's options, for the connection of a ring of this name.
    pub(crate) async fn options(&self, ring: &str) -> Result<ConnectOptions, Error> {
        let mut options = ConnectOptions::new().name(format!("quoit-nats {ring}"));
        if let Some(path) = &self.creds {
            let read = options.credentials_file(path).await;
            options = read.map_err(|source| unread(path, source))?;
        }
        if let Some(path) = &self.nkey {
            let seed = std::fs::read_to_string(path).map_err(|source| unread(path, source))?;
            options = options.nkey(seed.trim().to_owned());
        }
        if let Some(user) = &self.user {
            let password = self.password.clone().unwrap_or_default();
            options = options.user_and_password(user.clone(), password);
        }
        if let Some(path) = &self.tls_ca {
            options = options.add_root_certificates(path.clone());
        }
        if let (Some(cert), Some(key)) = (&self.tls_cert, &self.tls_key) {
            options = options.add_client_certificate(cert.clone(), key.clone());
        }
        if self.tls {
            options = options.require_tls(true);
        }
        Ok(options)
    }
}

fn unread(path: &Path, source: std::io::Error) -> Error {
    let doing = format!("read {}", path.display());
    Error::Io { doing, source }
}

/// Bytes of a record, and its alignment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Records {
    size: u64,
    align: u32,
}

impl FromStr for Records {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (size, align) = match text.split_once(':') {
            Some((size, align)) => (size.parse(), align.parse().map(Some)),
            None => (text.parse(), Ok(None)),
        };
        match (size, align) {
            (Ok(size), Ok(align)) if size > 0 => {
                let natural = 1 << u64::trailing_zeros(size).min(3);
                let align = align.unwrap_or(natural);
                Ok(Self { size, align })
            }
            _ => Err("bytes of a record and its alignment, as in 24:8".to_owned()),
        }
    }
}

impl TryFrom<String> for Records {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// Mode bits, in octal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Mode(u32);

impl FromStr for Mode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match u32::from_str_radix(text, 8) {
            Ok(mode @ 0o600..=0o777) => Ok(Self(mode)),
            _ => Err("mode bits are octal, from 600 to 777".to_owned()),
        }
    }
}

impl TryFrom<String> for Mode {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// A ring that goes out to a stream
#[derive(Debug, Clone, Args, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Out {
    /// The ring: a name in /dev/shm, or a path with a /
    ring: PathBuf,

    /// The stream, which exists
    #[arg(long)]
    stream: String,

    /// The subject of each message
    #[arg(long)]
    subject: String,

    /// The ring holds records of so many bytes, with this alignment; by default what an
    /// existing ring holds, or frames
    #[arg(long, value_name = "SIZE:ALIGN")]
    records: Option<Records>,

    /// The ring's schema tag; a ring of records needs it
    #[arg(long)]
    tag: Option<String>,

    /// Records of a new ring, or bytes for frames, a power of two
    #[arg(long, value_name = "NUMBER")]
    capacity: Option<u64>,

    /// Mode bits of a new ring, in octal
    #[arg(long)]
    mode: Option<Mode>,

    /// So many messages may be sent and not acknowledged [default: 1024]
    #[arg(long, value_name = "MESSAGES")]
    window: Option<usize>,

    /// And so many bytes of payload [default: 8388608]
    #[arg(long, value_name = "BYTES")]
    window_bytes: Option<usize>,
}

/// A stream that comes into a ring
#[derive(Debug, Clone, Args, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct In {
    /// The ring: a name in /dev/shm, or a path with a /
    ring: PathBuf,

    /// The stream, which exists
    #[arg(long)]
    stream: String,

    /// The durable pull consumer, which is created if there is none
    #[arg(long)]
    consumer: String,

    /// The subject that a new consumer takes [default: all of the stream]
    #[arg(long)]
    subject: Option<String>,

    /// The subject for messages that can never be in the ring; without one such a message is
    /// an error
    #[arg(long, value_name = "SUBJECT")]
    dead_letter: Option<String>,

    /// The file that says which message is the last one in the ring [default: beside the
    /// ring, its name with .nats]
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,

    /// The ring holds records of so many bytes, with this alignment; by default what an
    /// existing ring holds, or frames
    #[arg(long, value_name = "SIZE:ALIGN")]
    records: Option<Records>,

    /// The ring's schema tag; a ring of records needs it
    #[arg(long)]
    tag: Option<String>,

    /// Records of a new ring, or bytes for frames, a power of two
    #[arg(long, value_name = "NUMBER")]
    capacity: Option<u64>,

    /// Mode bits of a new ring, in octal
    #[arg(long)]
    mode: Option<Mode>,

    /// So many messages the server may send ahead [default: 1024]
    #[arg(long, value_name = "MESSAGES")]
    window: Option<usize>,
}

fn choice(
    name: &Path,
    records: Option<Records>,
    tag: Option<&String>,
    capacity: Option<u64>,
    mode: Option<Mode>,
) -> RingChoice {
    RingChoice {
        shape: records.map(|Records { size, align }| Shape::Records { size, align }),
        tag: tag.cloned(),
        capacity,
        mode: mode.map(|Mode(mode)| mode),
        ..RingChoice::new(name)
    }
}

impl Out {
    pub(crate) fn outbound(&self) -> Outbound {
        let tag = self.tag.as_ref();
        let ring = choice(&self.ring, self.records, tag, self.capacity, self.mode);
        let default = Outbound::new(ring, &self.stream, &self.subject);
        Outbound {
            window: self.window.unwrap_or(default.window),
            window_bytes: self.window_bytes.unwrap_or(default.window_bytes),
            ..default
        }
    }
}

impl In {
    pub(crate) fn inbound(&self) -> Inbound {
        let tag = self.tag.as_ref();
        let ring = choice(&self.ring, self.records, tag, self.capacity, self.mode);
        let default = Inbound::new(ring, &self.stream, &self.consumer);
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
    #[serde(default)]
    pub(crate) server: Server,
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
