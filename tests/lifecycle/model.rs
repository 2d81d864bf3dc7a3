//! What a name may refer to, and what each call answers then.

use std::io;
use std::path::PathBuf;

use quoit::{Error, Holder, PopError, Role, StalePolicy};

use crate::common::calls::Wait;
use crate::common::positions::{ROLES, other};

/// The calls that take a name.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Call {
    Open,
    Create,
    OpenOrCreate,
    Observe,
    Unlink,
    UnlinkIfStale,
    UnlinkIfRead,
}

/// What such a call returns.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Got {
    /// The ring with this number.
    Ring(usize),
    Removed(bool),
}

/// What a caller asks for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wish {
    /// A ring of the shape of the walk's endpoints, or of the other one.
    pub(crate) is_ours: bool,
    /// In smallest capacities; zero for none.
    pub(crate) size: u64,
    pub(crate) stale: StalePolicy,
    pub(crate) unlinks_on_drop: bool,
    /// Another user has not the right to remove a name of ours.
    pub(crate) is_stranger: bool,
}

/// The file of a ring, which may have lost its name.
#[derive(Debug, Default)]
pub(crate) struct File {
    pub(crate) is_ours: bool,
    pub(crate) size: u64,
    is_strangers: bool,
    pub(crate) has_name: bool,
    /// As after a death between the mark and the unlink.
    pub(crate) is_marked: bool,
    pub(crate) incarnation: Option<u64>,
    /// By role: the process that holds it, how often it was taken, and the number of messages.
    pub(crate) holders: [Option<u32>; 2],
    pub(crate) epochs: [u64; 2],
    pub(crate) moved: [u64; 2],
}

impl File {
    pub(crate) fn is_held(&self) -> bool {
        self.holders != [None; 2]
    }

    fn is_stale(&self) -> bool {
        self.epochs != [0; 2] && !self.is_held()
    }

    pub(crate) fn is_read(&self) -> bool {
        self.moved[0] == self.moved[1]
    }

    /// Whether an endpoint with this role has had a peer, and has none now.
    pub(crate) fn is_abandoned(&self, role: Role) -> bool {
        let peer = other(role) as usize;
        self.epochs[peer] > 0 && self.holders[peer].is_none()
    }

    /// Whether no peer can attach any more.
    pub(crate) fn is_left_alone(&self, role: Role) -> bool {
        !self.has_name && (self.is_abandoned(role) || self.epochs[other(role) as usize] == 0)
    }

    /// An error if there is a holder, which another user cannot verify.
    fn is_free(&self, is_stranger: bool) -> Result<(), Error> {
        for (role, holder) in ROLES.into_iter().zip(self.holders) {
            if let Some(pid) = holder {
                let holder = match is_stranger {
                    true => Holder::Unknown(pid),
                    false => Holder::Known(pid),
                };
                return Err(Error::InUse { role, holder });
            }
        }
        Ok(())
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
    /// Where a ring has another name.
    pub(crate) aside: Option<usize>,
    /// The messages for which a ring of the smallest size has room.
    pub(crate) room: u64,
    /// The smallest capacities of the other shape, and of ours.
    pub(crate) smallest: [u64; 2],
}

impl Model {
    fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn forbidden(&self, doing: &'static str) -> Error {
        Error::Io {
            doing,
            name: self.name(),
            source: io::Error::from_raw_os_error(libc::EPERM),
        }
    }

    pub(crate) fn call(&mut self, call: Call, wish: Wish) -> Result<Got, Error> {
        let creates = matches!(call, Call::Create | Call::OpenOrCreate);
        if call == Call::Create && wish.size == 0 {
            return self.build(wish);
        }
        let name = self.name();
        let index = match self.found {
            Found::Other(reason) => {
                // Only an observer may read it.
                let reason = match (call, reason) {
                    (Call::Observe, "it is a directory") => "it is not a regular file",
                    _ => reason,
                };
                return Err(Error::NotARing { name, reason });
            }
            Found::Nothing if creates => return self.build(wish),
            Found::Nothing => return Err(Error::NotFound { name }),
            Found::File(index) => index,
        };
        let smallest = self.smallest[usize::from(wish.is_ours)];
        let file = &mut self.files[index];
        let (in_use, is_stale) = (file.is_held(), file.is_stale());
        let attaches = match call {
            Call::OpenOrCreate => wish.stale == StalePolicy::TakeOver || !is_stale,
            _ => call == Call::Open,
        };
        let may_remove = !wish.is_stranger || file.is_strangers;
        if attaches && file.is_ours != wish.is_ours {
            let kinds = ["frames", "records"];
            let is_records = self.smallest[1] < self.smallest[0];
            return Err(Error::ShapeMismatch {
                name,
                found: kinds[usize::from(file.is_ours == is_records)],
                expected: kinds[usize::from(wish.is_ours == is_records)],
                in_use,
            });
        }
        if file.is_marked && (creates || attaches) {
            if may_remove {
                self.remove(index);
                return self.call(call, wish);
            }
            file.is_marked = false;
        }
        match call {
            Call::Observe | Call::Open => Ok(Got::Ring(index)),
            Call::OpenOrCreate if attaches && ![0, file.size].contains(&wish.size) => {
                Err(Error::CapacityMismatch {
                    name,
                    found: file.size * smallest,
                    expected: wish.size * smallest,
                    in_use,
                })
            }
            Call::OpenOrCreate if attaches => Ok(Got::Ring(index)),
            Call::Create | Call::OpenOrCreate if wish.stale != StalePolicy::Replace => {
                Err(Error::AlreadyExists { name, in_use })
            }
            Call::Create | Call::OpenOrCreate => {
                if wish.size > 0 {
                    file.is_free(wish.is_stranger)?;
                    may_remove
                        .then(|| self.remove(index))
                        .ok_or_else(|| self.forbidden("replace"))?;
                }
                self.build(wish)
            }
            Call::UnlinkIfStale if !is_stale => Ok(Got::Removed(false)),
            Call::UnlinkIfRead if !is_stale || !file.is_read() => Ok(Got::Removed(false)),
            _ => {
                file.is_free(wish.is_stranger)?;
                may_remove
                    .then(|| self.remove(index))
                    .ok_or_else(|| self.forbidden("unlink"))?;
                Ok(Got::Removed(true))
            }
        }
    }

    fn build(&mut self, wish: Wish) -> Result<Got, Error> {
        if wish.size == 0 {
            return Err(Error::InvalidCapacity {
                capacity: 0,
                reason: "a new ring needs a capacity; set it with RingOptions::capacity",
            });
        }
        self.files.push(File {
            is_ours: wish.is_ours,
            size: wish.size,
            is_strangers: wish.is_stranger,
            has_name: true,
            ..File::default()
        });
        let index = self.files.len() - 1;
        self.found = Found::File(index);
        Ok(Got::Ring(index))
    }

    fn remove(&mut self, index: usize) {
        self.files[index].has_name = false;
        self.files[index].is_marked = true;
        self.found = Found::Nothing;
    }

    /// `Ring::unlink` or `Ring::unlink_if_read`.
    pub(crate) fn unlink(&mut self, index: usize, if_read: bool) -> Result<bool, Error> {
        let (name, file) = (self.name(), &self.files[index]);
        if if_read && !file.is_stale() {
            return Ok(false);
        }
        if file.has_name && self.found != Found::File(index) {
            return Err(Error::NameElsewhere { name });
        }
        if !file.has_name {
            return if_read.then_some(false).ok_or(Error::Superseded { name });
        }
        file.is_free(false)?;
        if if_read && !file.is_read() {
            return Ok(false);
        }
        self.remove(index);
        Ok(true)
    }

    pub(crate) fn take(&mut self, index: usize, role: Role, pid: u32) -> Result<(), Error> {
        let (name, file) = (self.name(), &mut self.files[index]);
        if file.is_marked || !file.has_name {
            return Err(Error::Superseded { name });
        }
        if let Some(pid) = file.holders[role as usize] {
            let holder = Holder::Known(pid);
            return Err(Error::InUse { role, holder });
        }
        file.holders[role as usize] = Some(pid);
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

    /// The call, and then the role of its ring.
    pub(crate) fn attach(
        &mut self,
        call: Call,
        wish: Wish,
        role: Role,
        pid: u32,
    ) -> Result<usize, Error> {
        match self.call(call, wish)? {
            Got::Ring(index) => self.take(index, role, pid).map(|()| index),
            Got::Removed(_) => panic!("{call:?} attaches"),
        }
    }

    /// Whether there is a message, or room.
    pub(crate) fn is_there(&self, index: usize, role: Role) -> bool {
        let file = &self.files[index];
        match role {
            Role::Producer => file.moved[0] - file.moved[1] < self.room * file.size,
            Role::Consumer => !file.is_read(),
        }
    }

    /// Pushes or pops the next message; returns its number.
    pub(crate) fn moves(&mut self, index: usize, role: Role, wait: Wait) -> Result<u64, PopError> {
        let is_there = self.is_there(index, role);
        let file = &mut self.files[index];
        if is_there {
            file.moved[role as usize] += 1;
            return Ok(file.moved[role as usize] - 1);
        }
        Err(match wait {
            Wait::Never if file.is_abandoned(role) => PopError::Abandoned,
            Wait::Never => PopError::Empty,
            _ if file.is_left_alone(role) => PopError::Superseded,
            _ if file.is_abandoned(role) => PopError::Abandoned,
            _ => PopError::TimedOut,
        })
    }
}
