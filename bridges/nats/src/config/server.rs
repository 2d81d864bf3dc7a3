//! The server, and how to connect to it.

use std::io;
use std::path::{Path, PathBuf};

use clap::parser::ValueSource;
use clap::{ArgMatches, Args};
use quoit_nats::Error;
use quoit_nats::async_nats::ConnectOptions;
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

    /// The certificates to trust, in addition to those of the system
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

/// The names of the options, as clap knows them.
const OPTIONS: [&str; 8] = [
    "server", "creds", "nkey", "user", "tls_ca", "tls_cert", "tls_key", "tls",
];

impl Server {
    /// One of its options on the command line.
    pub(crate) fn given(matches: &ArgMatches) -> Option<&'static str> {
        let is_given =
            |option: &&&str| matches.value_source(option) == Some(ValueSource::CommandLine);
        OPTIONS.iter().find(is_given).copied()
    }

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
        match (&self.tls_cert, &self.tls_key) {
            (Some(cert), Some(key)) => {
                options = options.add_client_certificate(cert.clone(), key.clone());
            }
            (None, None) => {}
            _ => {
                return Err(Error::Config(
                    "tls-cert and tls-key need each other".to_owned(),
                ));
            }
        }
        if self.tls {
            options = options.require_tls(true);
        }
        Ok(options)
    }
}

pub(super) fn unread(path: &Path, source: io::Error) -> Error {
    let doing = format!("read {}", path.display());
    Error::Io { doing, source }
}
