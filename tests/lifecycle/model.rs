//! What a name may refer to, and what each call answers then.

use std::io;
use std::path::PathBuf;
use std::process;

use quoit::{Error, Holder, PopError, Role, StalePolicy};

use crate::common::positions::{ROLES, other};

/// The calls that take a name.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Call {
    Open,
    Create,
    OpenOrCreate,
    Unlink,
    UnlinkIfStale,
    UnlinkIfRead,
}

/// What a caller asks for.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    pub(crate) capacity: Option<u64>,
    pub(crate) stale: StalePolicy,
    pub(crate) mode: u32,
    pub(crate) unlinks_on_drop: bool,
    /// Another user may not remove a name of ours.
    pub(crate) is_stranger: bool,
}

/// The file of a ring, which may have lost its name.
#[derive(Debug, Default)]
pub(crate) struct File {
    pub(crate) capacity: u64,
    pub(crate) mode: u32,
    is_strangers: bool,
    pub(crate) has_name: bool,
    /// As after a death between the mark and the unlink.
    pub(crate) is_marked: bool,
    pub(crate) incarnation: Option<u64>,
    /// By role: the process that holds it, how often it was taken, and the position.
    pub(crate) holders: [Option<u32>; 2],
    pub(crate) epochs: [u64; 2],
    pub(crate) positions: [u64; 2],
}

impl File {
    pub(crate) fn is_held(&self) -> bool {
        self.holders != [None; 2]
    }

    fn is_stale(&self) -> bool {
        self.epochs != [0; 2] && !self.is_held()
    }

    pub(crate) fn unread(&self) -> u64 {
        self.positions[0] - self.positions[1]
    }

    /// Whether an endpoint with this role has had a peer, and has none now.
    pub(crate) fn is_abandoned(&self, role: Role) -> bool {
        let peer = other(role) as usize;
        self.epochs[peer] > 0 && self.holders[peer].is_none()
    }

    /// Whether no peer can attach any more.
    pub(crate) fn is_left_alone(&self, role: Role) -> bool {
        !self.has_name && self.holders[other(role) as usize].is_none()
    }

    /// Whether there is a record, or room.
    pub(crate) fn has_work(&self, role: Role) -> bool {
        match role {
            Role::Producer => self.unread() < self.capacity,
            Role::Consumer => self.unread() > 0,
        }
    }

    /// Pushes or pops a record, or waits for it.
    pub(crate) fn moves(&mut self, role: Role) -> Result<(), PopError> {
        if !self.has_work(role) {
            return Err(match self.is_left_alone(role) {
                true => PopError::Superseded,
                false if self.is_abandoned(role) => PopError::Abandoned,
                false => PopError::TimedOut,
            });
        }
        self.positions[role as usize] += 1;
        Ok(())
    }

    fn is_free(&self, role: Role) -> Result<(), Error> {
        let holder = self.holders[role as usize].map(Holder::Known);
        holder.map_or(Ok(()), |holder| Err(Error::InUse { role, holder }))
    }
}

/// What a name refers to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Found {
    Nothing,
    /// A file that is not a ring, for this reason.
    Other(&'static str),
    File(usize),
}

#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) path: PathBuf,
    pub(crate) files: Vec<File>,
    pub(crate) found: Found,
    /// The ring that has another name.
    pub(crate) aside: Option<usize>,
}

impl Model {
    fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// What is found afterwards, or whether the name was removed.
    pub(crate) fn call(&mut self, call: Call, wish: &Wish) -> Result<bool, Error> {
        let creates = matches!(call, Call::Create | Call::OpenOrCreate);
        if call == Call::Create && wish.capacity.is_none() {
            return self.build(wish);
        }
        let name = self.name();
        let index = match self.found {
            Found::Other(reason) => return Err(Error::NotARing { name, reason }),
            Found::Nothing if creates => return self.build(wish),
            Found::Nothing => return Err(Error::NotFound { name }),
            Found::File(index) => index,
        };
        let file = &mut self.files[index];
        let (in_use, is_stale) = (file.is_held(), file.is_stale());
        let attaches = match call {
            Call::OpenOrCreate => wish.stale == StalePolicy::TakeOver || !is_stale,
            _ => call == Call::Open,
        };
        let may_remove = !wish.is_stranger || file.is_strangers;
        if file.is_marked && (creates || attaches) {
            if may_remove {
                self.remove(index);
                return self.call(call, wish);
            }
            file.is_marked = false;
        }
        let found = file.capacity;
        match wish.capacity {
            Some(expected) if attaches && creates && expected != found => {
                return Err(Error::CapacityMismatch {
                    name,
                    found,
                    expected,
                    in_use,
                });
            }
            _ if attaches => return Ok(false),
            _ if creates && wish.stale != StalePolicy::Replace => {
                return Err(Error::AlreadyExists { name, in_use });
            }
            None if creates => return self.build(wish),
            _ => {}
        }
        let is_kept = match call {
            Call::UnlinkIfStale => !is_stale,
            Call::UnlinkIfRead => !is_stale || file.unread() > 0,
            _ => false,
        };
        if is_kept {
            return Ok(false);
        }
        ROLES.into_iter().try_for_each(|role| file.is_free(role))?;
        if !may_remove {
            return Err(Error::Io {
                doing: if creates { "replace" } else { "unlink" },
                name,
                source: io::Error::from_raw_os_error(libc::EPERM),
            });
        }
        self.remove(index);
        if creates { self.build(wish) } else { Ok(true) }
    }

    fn build(&mut self, wish: &Wish) -> Result<bool, Error> {
        let Some(capacity) = wish.capacity else {
            return Err(Error::InvalidCapacity {
                capacity: 0,
                reason: "a new ring needs a capacity; set it with RingOptions::capacity",
            });
        };
        self.found = Found::File(self.files.len());
        self.files.push(File {
            capacity,
            mode: wish.mode,
            is_strangers: wish.is_stranger,
            has_name: true,
            ..File::default()
        });
        Ok(false)
    }

    fn remove(&mut self, index: usize) {
        self.remove_directly();
        self.files[index].is_marked |= !self.files[index].has_name;
    }

    /// `rm`, of any file. A ring may have another name.
    pub(crate) fn remove_directly(&mut self) {
        if let Found::File(index) = self.found {
            self.files[index].has_name = self.aside == Some(index);
        }
        self.found = Found::Nothing;
    }

    /// `Ring::unlink` or `Ring::unlink_if_read`.
    pub(crate) fn unlink(&mut self, index: usize, if_read: bool) -> Result<bool, Error> {
        let (name, file) = (self.name(), &self.files[index]);
        let may_stay = if_read && (!file.is_stale() || !file.has_name);
        match self.found == Found::File(index) {
            _ if may_stay => return Ok(false),
            false if file.has_name => return Err(Error::NameElsewhere { name }),
            false => return Err(Error::Superseded { name }),
            true if if_read && file.unread() > 0 => return Ok(false),
            true => ROLES.into_iter().try_for_each(|role| file.is_free(role))?,
        }
        self.remove(index);
        Ok(true)
    }

    pub(crate) fn take(&mut self, index: usize, role: Role) -> Result<(), Error> {
        let (name, file) = (self.name(), &mut self.files[index]);
        if file.is_marked || !file.has_name {
            return Err(Error::Superseded { name });
        }
        file.is_free(role)?;
        file.holders[role as usize] = Some(process::id());
        file.epochs[role as usize] += 1;
        Ok(())
    }

    pub(crate) fn leave(&mut self, index: usize, role: Role, unlinks: bool) {
        let file = &mut self.files[index];
        file.holders[role as usize] = None;
        if unlinks && !file.is_held() && self.found == Found::File(index) {
            self.remove(index);
        }
    }
}
