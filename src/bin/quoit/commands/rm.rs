//! `quoit rm`: the names of rings that no process holds.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use quoit::{Error, Observer};
use rustix::fs::{Access, AtFlags, CWD, accessat, stat};
use rustix::io::Errno;
use rustix::process::geteuid;
use rustix::thread::{CapabilitySet, capabilities};
use serde_json::json;

use crate::names::{expanded, is_draft, path_of};
use crate::output::{Output, json_line, plain};
use crate::sight::Look;
use crate::stop::{Code, Stop};

/// Removes rings that no process holds; what is in them is lost
///
/// It tries all names, and reports how much was unread and why a ring was kept.
#[derive(Args)]
pub(crate) struct Rm {
    /// The rings: names in /dev/shm, or paths with a /
    #[arg(required_unless_present = "stale")]
    names: Vec<PathBuf>,

    /// Remove only rings that were in use, that no process holds now, and in which nothing is
    /// unread; without a name, all of them in /dev/shm
    #[arg(long)]
    stale: bool,

    /// With --stale: also those with unread messages, which are lost
    #[arg(long, requires = "stale")]
    force: bool,

    /// Say what would be removed, and remove nothing
    #[arg(long)]
    dry_run: bool,
}

/// What became of a name: it was removed, with this much unread in it, or kept, and why.
type Fate = Result<Option<String>, String>;

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
                Ok(Ok(unread)) => {
                    removed.push(shown.clone());
                    let unread = unread.map(|unread| format!(", with {unread}"));
                    let unread = unread.unwrap_or_default();
                    format!("{removal} {}{unread}\n", plain(&shown))
                }
                Ok(Err(why)) => {
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
            output.answer(json_line(&answer))?;
        }
        error.map_or(Ok(()), Err)
    }

    fn remove(&self, name: &Path) -> Result<Fate, Stop> {
        let (is_draft, path, shown) = (is_draft(name), path_of(name), name.to_string_lossy());
        let look = match Look::of(name) {
            Err(error) if self.dry_run && !is_draft => return Err(error.into()),
            // Removing it looks again, and says what is wrong.
            look => look.ok(),
        };
        if let Some(why) = look.as_ref().and_then(|look| self.stays(look)) {
            return Ok(Err(why));
        }
        let holders = look.as_ref().map(Look::holders).unwrap_or_default();
        let in_use = || {
            let text = format!("{shown:?} is in use: {holders}; stop it first");
            Err(Stop::new(Code::InUse, text))
        };
        if !holders.is_empty() && (self.dry_run || is_draft) {
            return in_use();
        }
        let unread = look.as_ref().and_then(Look::unread);
        let removed = match (self.stale, self.force) {
            _ if self.dry_run => may_remove(&path, is_draft).map_err(|(doing, source)| {
                let name = shown.to_string();
                let source = source.into();
                Error::Io {
                    doing,
                    name,
                    source,
                }
            }),
            // A ring without its name, which a process makes or has left behind.
            _ if is_draft => {
                let doing = format!("remove {}", path.display());
                fs::remove_file(path).map_err(Stop::io(doing))?;
                Ok(true)
            }
            (false, _) => quoit::unlink(name).map(|()| true),
            (true, true) => quoit::unlink_if_stale(name),
            // Looks again, with the locks of the ring.
            (true, false) => quoit::unlink_if_read(name),
        };
        match removed {
            Ok(true) => Ok(Ok(unread)),
            Ok(false) => Ok(Err("it was used just now".to_owned())),
            // Of many, some may be removed in between, or be another user's.
            Err(error @ (Error::NotFound { .. } | Error::Superseded { .. } | Error::Io { .. }))
                if self.names.is_empty() =>
            {
                Ok(Err(error.to_string()))
            }
            Err(Error::InUse { .. }) if !holders.is_empty() => in_use(),
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

/// What the system would refuse to this user, as far as it says before: the operation and the
/// answer.
fn may_remove(path: &Path, is_draft: bool) -> Result<bool, (&'static str, Errno)> {
    const STICKY: u32 = libc::S_ISVTX;
    let may = |path, access| accessat(CWD, path, access, AtFlags::EACCESS);
    if !is_draft {
        // Its locks are taken first.
        may(path, Access::READ_OK | Access::WRITE_OK).map_err(|answer| ("open", answer))?;
    }
    let directory = path.parent().unwrap_or(path);
    let refused = |answer| ("unlink", answer);
    may(directory, Access::WRITE_OK | Access::EXEC_OK).map_err(refused)?;
    let about = |path| stat(path).map_err(refused);
    let (file, directory) = (about(path)?, about(directory)?);
    let user = geteuid().as_raw();
    let may_any = capabilities(None).is_ok_and(|may| may.effective.contains(CapabilitySet::FOWNER));
    let owners = [file.st_uid, directory.st_uid];
    match directory.st_mode & STICKY != 0 && !owners.contains(&user) && !may_any {
        true => Err(refused(Errno::PERM)),
        false => Ok(true),
    }
}
