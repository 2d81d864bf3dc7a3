//! Which ring, and how it is created if there is none.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use quoit_nats::{RingChoice, Shape};
use serde::Deserialize;

/// The options of a ring, in either direction.
#[derive(Debug, Clone, Args, Deserialize)]
pub(super) struct Ring {
    /// The ring: a name in /dev/shm, or a path with a /
    ring: PathBuf,

    /// The ring holds records of this many bytes, with this alignment; by default what an
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
}

impl Ring {
    pub(super) fn choice(&self) -> RingChoice {
        let records = self.records;
        RingChoice {
            shape: records.map(|Records { size, align }| Shape::Records { size, align }),
            tag: self.tag.clone(),
            capacity: self.capacity,
            mode: self.mode.map(|Mode(mode)| mode),
            ..RingChoice::new(&self.ring)
        }
    }
}

/// Bytes of a record, and its alignment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
struct Records {
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
struct Mode(u32);

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
