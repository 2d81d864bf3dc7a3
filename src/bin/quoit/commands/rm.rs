//! `quoit rm`: the names of rings that nobody holds.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use quoit::Error;
use serde_json::{Value, json};

use crate::names::{self, is_draft, path_of};
use crate::output::{Output, plain};
use crate::ring::existing;
use crate::sight::{Look, Sight};
use crate::stop::Stop;

/// Removes rings that nobody holds; what is in them is lost
///
/// It says how much was unread, tries all names, and says of each that stays why.
#[derive(Args)]
pub(crate) struct Rm {
    /// The rings: names in /dev/shm, or paths with a /
    #[arg(required_unless_present = "stale")]
    names: Vec<PathBuf>,

    /// Remove only rings that somebody had, nobody has any more, and in which nothing
    /// is unread; without a name, all of them in /dev/shm
    #[arg(long)]
    stale: bool,

    /// With --stale: also those with unread messages, which are lost
    #[arg(long, requires = "stale")]
    force: bool,

    /// Say what would be removed, and remove nothing
    #[arg(long)]
    dry_run: bool,
}

/// What became of a name.
enum Fate {
    /// With so much unread in it.
    Removed(String),
    /// And why.
    Kept(String),
}

impl Rm {
    pub(crate) fn run(&self, output: &Output) -> Result<(), Stop> {
        let mut names = self.names.clone();
        if names.is_empty() {
            names = names::all()?;
            // Only what is a ring, and this user's to remove.
            names.retain(|name| !is_draft(name) && Sight::open(name).is_ok());
        }
        let (mut removed, mut kept) = (Vec::<Value>::new(), Vec::<Value>::new());
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
                Ok(Fate::Kept(why)) => {
                    if !output.json {
                        let line = format!("kept {}: {why}\n", plain(&shown));
                        output.answer(line.as_bytes())?;
                    }
                    kept.push(json!({"name": shown, "why": why}));
                }
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
        }
        error.map_or(Ok(()), Err)
    }

    fn remove(&self, name: &Path) -> Result<Fate, Stop> {
        let looked = Sight::open(name).and_then(|sight| sight.look());
        if is_draft(name) {
            return self.remove_draft(name, looked.ok());
        }
        let mut unread = String::new();
        match looked {
            Ok(look) => {
                if let Some(why) = self.stays(&look) {
                    return Ok(Fate::Kept(why));
                }
                if self.dry_run && look.is_held() {
                    return Err(Stop::Held(name.display().to_string(), look.holders()));
                }
                let fill = look.sample.positions.len();
                if fill > 0 && look.corrupt.is_none() {
                    unread = format!(", with {fill} {} unread", look.unit());
                }
            }
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
        let removed = match self.force {
            true => quoit::unlink_if_stale(name),
            // Looks again, with the locks of the ring.
            false => existing(name).and_then(|ring| ring.unlink_if_read()),
        };
        match removed {
            Ok(true) => Ok(Fate::Removed(unread)),
            Ok(false) => Ok(Fate::Kept("it was used just now".to_owned())),
            // Of many, some may go meanwhile, or be another user's.
            Err(error @ (Error::NotFound { .. } | Error::Superseded { .. } | Error::Io { .. }))
                if self.names.is_empty() =>
            {
                Ok(Fate::Kept(error.to_string()))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Why a ring is not removed with --stale.
    fn stays(&self, look: &Look) -> Option<String> {
        let fill = look.sample.positions.len();
        match self.stale {
            false => None,
            true if look.is_held() => Some(format!("in use: {}", look.holders())),
            true if look.is_unused() => Some("never used".to_owned()),
            true if look.corrupt.is_some() && !self.force => {
                Some("it is corrupt; --force removes it".to_owned())
            }
            true if fill > 0 && !self.force => {
                Some(format!("{fill} {} unread; --force removes it", look.unit()))
            }
            true => None,
        }
    }

    /// A ring without its name, which a process makes or has left behind.
    fn remove_draft(&self, name: &Path, look: Option<Look>) -> Result<Fate, Stop> {
        if let Some(look) = look.filter(Look::is_held) {
            return Err(Stop::Held(name.display().to_string(), look.holders()));
        }
        if !self.dry_run {
            let path = path_of(name);
            let doing = format!("remove {}", path.display());
            fs::remove_file(path).map_err(Stop::io(doing))?;
        }
        Ok(Fate::Removed(String::new()))
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
