//! `quoit rm`: the names of rings that nobody holds.

use std::path::{Path, PathBuf};

use clap::Args;
use quoit::Error;
use serde_json::json;

use super::list::files;
use crate::mounts::SHARED_MEMORY;
use crate::output::{Output, plain};
use crate::sight::Sight;
use crate::stop::Stop;

/// Removes rings that nobody holds; what is in them is lost
#[derive(Args)]
pub(crate) struct Rm {
    /// The rings: names in /dev/shm, or paths with a /
    #[arg(required_unless_present = "stale")]
    names: Vec<PathBuf>,

    /// Remove only rings that somebody had, and nobody has any more; without a
    /// name, all of them in /dev/shm
    #[arg(long)]
    stale: bool,
}

impl Rm {
    pub(crate) fn run(&self, output: &Output) -> Result<(), Stop> {
        let mut names = self.names.clone();
        if names.is_empty() {
            let found = files(Path::new(SHARED_MEMORY));
            names = found.map_err(Stop::io(format!("list {SHARED_MEMORY}")))?;
            // Only what is a ring, and this user's to remove.
            names.retain(|name| Sight::open(name).is_ok());
        }
        let mut removed = Vec::new();
        for name in &names {
            if self.remove(name)? {
                removed.push(name.display().to_string());
            }
        }
        let text = if output.json {
            format!("{}\n", json!({ "removed": removed }))
        } else {
            removed
                .iter()
                .map(|name| format!("removed {}\n", plain(name)))
                .collect()
        };
        output.answer(text.as_bytes())
    }

    fn remove(&self, name: &Path) -> Result<bool, Error> {
        if !self.stale {
            return quoit::unlink(name).map(|()| true);
        }
        match quoit::unlink_if_stale(name) {
            // Of many, some may go meanwhile, or be another user's.
            Err(Error::NotFound { .. } | Error::Superseded { .. } | Error::Io { .. })
                if self.names.is_empty() =>
            {
                Ok(false)
            }
            other => other,
        }
    }
}
