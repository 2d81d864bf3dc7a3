//! `quoit rm`: the names of rings that no process holds.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use quoit::{Error, Observer};
use serde_json::json;

use crate::names::{expanded, is_draft, path_of};
use crate::output::{Output, plain};
use crate::sight::Look;
use crate::stop::{Code, Stop};

/// Removes rings that no process holds; what is in them is lost
///
/// It says how much was unread, tries all names, and says of each that stays why.
#[derive(Args)]
pub(crate) struct Rm {
    /// The rings: names in /dev/shm, or paths with a /
    #[arg(required_unless_present = "stale")]
    names: Vec<PathBuf>,

    /// Remove only rings that a process had, no process has any more, and in which nothing
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
    /// With this much unread in it.
    Removed(Option<String>),
    /// And why.
    Kept(String),
}

impl Rm {
    pub(crate) fn run(&self, output: &Output) -> Result<(), Stop> {
        let mut names = self.names.clone();
        if names.is_empty() {
            names = expanded(&[])?;
            // Only what is a ring, and this user's to remove.
            names.retain(|name| !is_draft(name) && Observer::open(name).is_ok());
        }
        let (mut removed, mut kept) = (Vec::new(), Vec::new());
        let mut error = None;
        let removal = match self.dry_run {
            true => "would remove",
            false => "removed",
        };
        for name in &names {
            let shown = name.display().to_string();
            let line = match self.remove(name) {
                Ok(Fate::Removed(unread)) => {
                    removed.push(shown.clone());
                    let unread = unread.map(|unread| format!(", with {unread}"));
                    let unread = unread.unwrap_or_default();
                    format!("{removal} {}{unread}\n", plain(&shown))
                }
                Ok(Fate::Kept(why)) => {
                    kept.push(json!({"name": shown, "why": why}));
                    format!("kept {}: {why}\n", plain(&shown))
                }
                // The last is reported at the end.
                Err(stop) => {
                    let earlier = error.replace(stop);
                    earlier.iter().for_each(|stop| output.complain(stop));
                    continue;
                }
            };
            if !output.json {
                output.answer(line)?;
            }
        }
        if output.json {
            let answer = json!({"removed": removed, "kept": kept, "dry_run": self.dry_run});
            output.answer(format!("{answer}\n"))?;
        }
        error.map_or(Ok(()), Err)
    }

    fn remove(&self, name: &Path) -> Result<Fate, Stop> {
        let look = match Look::of(name) {
            Err(error) if self.dry_run && !is_draft(name) => return Err(error.into()),
            // Removing it looks again, and says what is wrong.
            look => look.ok(),
        };
        let is_held = look.as_ref().is_some_and(Look::is_held);
        let held = || {
            let holders = look.as_ref().map_or(String::new(), Look::holders);
            let text = format!(
                "{:?} is in use: {holders}; stop it first",
                name.display().to_string()
            );
            Stop::new(Code::InUse, text)
        };
        if let Some(why) = look.as_ref().and_then(|look| self.stays(look)) {
            return Ok(Fate::Kept(why));
        }
        if is_held && (self.dry_run || is_draft(name)) {
            return Err(held());
        }
        let unread = look.as_ref().and_then(Look::unread);
        if self.dry_run {
            return Ok(Fate::Removed(unread));
        }
        if is_draft(name) {
            // A ring without its name, which a process makes or has left behind.
            let path = path_of(name);
            let doing = format!("remove {}", path.display());
            fs::remove_file(path).map_err(Stop::io(doing))?;
            return Ok(Fate::Removed(unread));
        }
        let removed = match (self.stale, self.force) {
            (false, _) => quoit::unlink(name).map(|()| true),
            (true, true) => quoit::unlink_if_stale(name),
            // Looks again, with the locks of the ring.
            (true, false) => quoit::unlink_if_read(name),
        };
        match removed {
            Ok(true) => Ok(Fate::Removed(unread)),
            Ok(false) => Ok(Fate::Kept("it was used just now".to_owned())),
            // Of many, some may be removed in between, or be another user's.
            Err(error @ (Error::NotFound { .. } | Error::Superseded { .. } | Error::Io { .. }))
                if self.names.is_empty() =>
            {
                Ok(Fate::Kept(error.to_string()))
            }
            Err(Error::InUse { .. }) if is_held => Err(held()),
            Err(error) => Err(error.into()),
        }
    }

    /// Why a ring is not removed with --stale.
    fn stays(&self, look: &Look) -> Option<String> {
        let unread = look.unread().filter(|_| !self.force);
        match self.stale {
            false => None,
            true if look.is_held() => Some(format!("in use: {}", look.holders())),
            true if look.is_unused() => Some("never used".to_owned()),
            true if look.corrupt.is_some() && !self.force => {
                Some("it is corrupt; --force removes it".to_owned())
            }
            true => unread.map(|unread| format!("{unread}; --force removes it")),
        }
    }
}
