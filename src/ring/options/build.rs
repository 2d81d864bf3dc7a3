//! A new ring with a name: the lock under which it reserves memory, and what it replaces.

use std::time::Duration;

use super::super::lifetime::{make_room, replace};
use super::super::{Content, Ring};
use super::RingOptions;
use crate::deadline::Deadline;
use crate::error::Error;
use crate::segment::{DirectoryLock, Draft, Linked, Name, Segment};

/// How long a creator waits for the memory of a ring that has lost its name.
const UNMAPPED: Duration = Duration::from_secs(1);

impl RingOptions {
    /// A ring in a new segment; superseded if another process was faster. `has_lost` if a ring has
    /// lost the name.
    pub(super) fn build<T: ?Sized>(
        &self,
        content: Content,
        name: &Name,
        lock: DirectoryLock,
        has_lost: bool,
    ) -> Result<Ring<T>, Error> {
        let (draft, _lock) = match self.reserved(content, name) {
            // Another process may have reserved the memory, even for this ring.
            Err(Error::NotEnoughMemory { .. }) => {
                drop(lock);
                let lock = DirectoryLock::exclusive(name);
                match Segment::open(name) {
                    Err(Error::NotFound { .. }) if has_lost => {
                        (self.reserved_soon(content, name)?, lock)
                    }
                    Err(Error::NotFound { .. }) => (self.reserved(content, name)?, lock),
                    found => return Err(found?.superseded()),
                }
            }
            other => (other?, lock),
        };
        let draft = self.prepared(content, draft)?;
        match draft.link()? {
            Linked::Done(segment) => Ok(self.new_ring(content, segment)),
            Linked::NameTaken(draft) => Err(draft.segment().superseded()),
        }
    }

    /// A ring in the place of one that no process holds. Where there is no room for both,
    /// the old one is removed first.
    pub(super) fn replace<T: ?Sized>(
        &self,
        content: Content,
        name: &Name,
        lock: DirectoryLock,
        old: Segment,
    ) -> Result<Ring<T>, Error> {
        match self.reserved(content, name) {
            Ok(draft) => {
                let segment = replace(&old, self.prepared(content, draft)?)?;
                Ok(self.new_ring(content, segment))
            }
            Err(lack @ Error::NotEnoughMemory { .. }) => {
                make_room(&old, lack)?;
                drop(old);
                self.build(content, name, lock, true).map_err(removed)
            }
            Err(error) => Err(error),
        }
    }

    /// A segment, before it has its name. An old ring may hold the memory that is lacking here.
    fn reserved(&self, content: Content, name: &Name) -> Result<Draft, Error> {
        Draft::new(name, self.length(content)?, self.mode)
    }

    /// The same while another process may still map a ring that has lost its name, which keeps its
    /// memory: it is about to find that out.
    fn reserved_soon(&self, content: Content, name: &Name) -> Result<Draft, Error> {
        let mut draft = self.reserved(content, name);
        Deadline::from(UNMAPPED).retry(|| {
            let is_lacking = matches!(draft, Err(Error::NotEnoughMemory { .. }));
            if is_lacking {
                draft = self.reserved(content, name);
            }
            Ok(!is_lacking)
        })?;
        draft
    }

    /// A ring in it.
    fn prepared(&self, content: Content, draft: Draft) -> Result<Draft, Error> {
        self.format(content, draft.segment());
        self.prepare(draft.segment())?;
        Ok(draft)
    }
}

/// The error of a creator that has removed a ring, and did not get its memory.
fn removed(error: Error) -> Error {
    match error {
        Error::NotEnoughMemory {
            wanted, available, ..
        } => Error::NotEnoughMemory {
            wanted,
            available,
            hint: "the old ring was removed, and its memory is not free, because a process still maps \
                   it (lsof shows it as deleted) or another program took the memory; end that \
                   process, and create the ring again"
                .into(),
        },
        other => other,
    }
}
