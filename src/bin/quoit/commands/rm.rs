//! `quoit rm`: the names of rings that nobody holds.

use std::path::{Path, PathBuf};

use clap::Args;
use quoit::Error;
use serde_json::{Value, json};

use super::list::files;
use crate::mounts::SHARED_MEMORY;
use crate::output::{Output, plain};
use crate::sight::Sight;
use crate::stop::Stop;

/// Removes rings that nobody holds; what is in them is lost
///
/// It says how much was unread, tries all names, and says of each that stays why.
#[derive(Args)]
pub(crate) struct Rm {
    /// The rings: names in /dev/shm, or paths with a /
    #[arg(required_unless_present = "stale")]
    names: Vec<PathBuf>,

    /// Remove only rings that somebody had, and nobody has any more; without a
    /// name, all of them in /dev/shm
    #[arg(long)]
    stale: bool,

    /// Say what would be removed, and remove nothing
    #[arg(long)]
    dry_run: bool,
}

/// What became of a name.
enum Fate {
    /// With so much unread in it.
    Removed(String),
    /// Somebody has it, or nobody had it yet.
    Kept,
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
        let (mut removed, mut kept): (Vec<Value>, Vec<String>) = (Vec::new(), Vec::new());
        let mut error = None;
        for name in &names {
            let shown = name.display().to_string();
            match self.remove(name) {
                Ok(Fate::Removed(unread)) => {
                    if !output.json {
                        let would = if self.dry_run {
                            "would remove"
                        } else {
                            "removed"
                        };
                        let line = format!("{would} {}{unread}\n", plain(&shown));
                        output.answer(line.as_bytes())?;
                    }
                    removed.push(shown.into());
                }
                Ok(Fate::Kept) => kept.push(shown),
                // The last is told in the end.
                Err(stop) => {
                    if let Some(earlier) = error.replace(stop) {
                        output.complain(&earlier);
                    }
                }
            }
        }
        if output.json {
            let answer = json!({"removed": removed, "kept": kept, "dry_run": self.dry_run});
            output.answer(format!("{answer}\n").as_bytes())?;
        } else if !self.names.is_empty() {
            for name in &kept {
                let line = format!("kept {}: in use, or never used\n", plain(name));
                output.answer(line.as_bytes())?;
            }
        }
        error.map_or(Ok(()), Err)
    }

    fn remove(&self, name: &Path) -> Result<Fate, Stop> {
        let mut unread = String::new();
        match Sight::open(name).and_then(|sight| Ok((sight.look()?, sight))) {
            Ok((look, _)) if self.dry_run && !self.stale && look.is_held() => {
                return Err(Stop::Held(name.display().to_string(), look.holders()));
            }
            Ok((look, _)) if self.dry_run && self.stale && !look.is_stale() => {
                return Ok(Fate::Kept);
            }
            Ok((look, sight)) => match look.sample.positions.len() {
                0 => {}
                fill => unread = format!(", with {fill} {} unread", sight.unit()),
            },
            Err(error) if self.dry_run => return Err(error.into()),
            // Removing it looks again, and says what is wrong.
            Err(_) => {}
        }
        if self.dry_run {
            return Ok(Fate::Removed(unread));
        }
        if !self.stale {
            let removed = quoit::unlink(name).map(|()| Fate::Removed(unread));
            return removed.map_err(|error| explained(name, error));
        }
        match quoit::unlink_if_stale(name) {
            Ok(true) => Ok(Fate::Removed(unread)),
            Ok(false) => Ok(Fate::Kept),
            // Of many, some may go meanwhile, or be another user's.
            Err(Error::NotFound { .. } | Error::Superseded { .. } | Error::Io { .. })
                if self.names.is_empty() =>
            {
                Ok(Fate::Kept)
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// Who has a ring that is in use.
fn explained(name: &Path, error: Error) -> Stop {
    match Sight::open(name).and_then(|sight| sight.look()) {
        Ok(look) if matches!(error, Error::InUse { .. }) && look.is_held() => {
            Stop::Held(name.display().to_string(), look.holders())
        }
        _ => error.into(),
    }
}
