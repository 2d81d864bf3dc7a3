//! The memory: POSIX shared memory, a file, a memfd, or the heap.
//!
//! A [`Segment`] owns a mapping and its descriptor; only `fork.rs` knows what the bytes
//! mean, to end a child's copy. Memory is mapped raw: the only references to shared bytes made here
//! are to atomics.

mod anonymous;
mod descriptor;
mod directory_lock;
mod draft;
mod enough;
mod fork;
mod found;
mod holder;
mod lock;
mod memfd;
mod memory_limit;
mod name;
mod passing;

use core::num::NonZeroUsize;
use core::ptr::NonNull;
use std::alloc::{self, Layout};
use std::ffi::OsStr;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::fd::FromRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use memmap2::{Advice, MmapOptions, MmapRaw};

pub(crate) use self::descriptor::off_standard;
pub(crate) use self::directory_lock::DirectoryLock;
pub(crate) use self::draft::{Draft, Linked};
pub(crate) use self::fork::Entry;
pub(crate) use self::lock::{LockFile, is_locked};
pub(crate) use self::name::Name;
pub(crate) use self::passing::{pass, take};
use crate::error::Error;
use crate::payload;

/// The smallest page of the platforms.
const PAGE: usize = 4096;

/// How long a lock waits until this process does not fork.
const BETWEEN_FORKS: Duration = Duration::from_secs(1);

/// A page-aligned mapping of at least `length` bytes, until it is dropped.
#[derive(Debug)]
pub(crate) struct Segment {
    base: NonNull<u8>,
    length: usize,
    memory: Memory,
}

/// What a mapping is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    ReadWrite,
    ReadOnly,
}

/// What a segment's name refers to, as seen from this process.
pub(crate) enum Named {
    /// The segment, which may have no name at all.
    This,
    /// Another file.
    Another,
    Nothing,
}

#[derive(Debug)]
enum Memory {
    Heap(Layout),
    Mapped {
        map: MmapRaw,
        file: File,
        /// `None` if it is anonymous.
        name: Option<Name>,
        /// Whether the name is known to be on its disk.
        flushed: OnceLock<()>,
    },
}

// SAFETY: a segment is memory and a descriptor, neither bound to a thread.
unsafe impl Send for Segment {}
// SAFETY: its fields are set before it is shared, except `flushed`, which is a `OnceLock`; its
// methods access the bytes at the base pointer only through atomics, and a caller that accesses
// others must prove that itself.
unsafe impl Sync for Segment {}

impl Segment {
    /// Zeroed memory of this process alone.
    pub(crate) fn heap(length: u64) -> Result<Self, Error> {
        let refused = || failed("map", "heap", io::Error::from_raw_os_error(libc::ENOMEM));
        enough::survives(length)?;
        let layout = usize::try_from(length)
            .ok()
            .and_then(NonZeroUsize::new)
            .and_then(|length| Layout::from_size_align(length.get(), PAGE).ok());
        let Some(layout) = layout else {
            return Err(refused());
        };
        // SAFETY: the layout's size is not zero.
        let memory = unsafe { alloc::alloc_zeroed(layout) };
        let base = NonNull::new(memory).ok_or_else(refused)?;
        Ok(Self {
            base,
            length: layout.size(),
            memory: Memory::Heap(layout),
        })
    }

    fn map(file: File, length: u64, name: Option<&Name>, access: Access) -> Result<Self, Error> {
        let failed = |doing| move |source| failed(doing, display_name(name), source);
        fork::install().map_err(failed("guard against forks"))?;
        let size = length as usize; // pointers have 64 bits: lib.rs makes sure
        let mut options = MmapOptions::new();
        let map = match access {
            Access::ReadWrite => options.len(size).map_raw(&file),
            Access::ReadOnly => options.len(size).map_raw_read_only(&file),
        };
        let map = map.map_err(failed("map"))?;
        let base = NonNull::new(map.as_mut_ptr()).expect("a mapping is never at address zero");
        Ok(Self {
            base,
            length: size,
            memory: Memory::Mapped {
                map,
                file,
                name: name.cloned(),
                flushed: OnceLock::new(),
            },
        })
    }

    pub(crate) fn base(&self) -> NonNull<u8> {
        self.base
    }

    pub(crate) fn length(&self) -> u64 {
        self.length as u64
    }

    /// The name for messages.
    pub(crate) fn display_name(&self) -> &str {
        match &self.memory {
            Memory::Heap(_) => "heap",
            Memory::Mapped { name, .. } => display_name(name.as_ref()),
        }
    }

    fn name(&self) -> Option<&Name> {
        match &self.memory {
            Memory::Heap(_) => None,
            Memory::Mapped { name, .. } => name.as_ref(),
        }
    }

    /// Maps every page now, so that no later access takes a page fault.
    pub(crate) fn prefault(&self) -> Result<(), Error> {
        let Memory::Mapped { map, .. } = &self.memory else {
            return Ok(());
        };
        match map.advise(Advice::PopulateWrite) {
            // Linux before 5.14: reading maps the reserved pages as well.
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
                for offset in (0..self.length).step_by(PAGE) {
                    // SAFETY: a page of the mapping, which is mapped until `self` is dropped.
                    unsafe { payload::load_word(self.base.as_ptr().wrapping_add(offset)) };
                }
                Ok(())
            }
            Err(source) => Err(self.failed("prefault", source)),
            Ok(()) => Ok(()),
        }
    }

    /// Keeps every page in memory (`mlock`).
    pub(crate) fn lock_memory(&self) -> Result<(), Error> {
        let Memory::Mapped { map, file, .. } = &self.memory else {
            return Ok(());
        };
        // Memory was checked when it was reserved.
        if enough::is_on_a_disk(file) && !self.is_resident() {
            enough::survives(self.length())?;
        }
        map.lock()
            .map_err(|source| self.failed("lock the memory of", source))
    }

    /// Whether every page is in memory, and so is counted already.
    fn is_resident(&self) -> bool {
        // SAFETY: the call only asks.
        let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as usize;
        let mut pages = [0_u8; 4096];
        let step = pages.len() * page;
        (0..self.length).step_by(step).all(|offset| {
            let length = step.min(self.length - offset);
            let part = self.base.as_ptr().wrapping_add(offset).cast();
            // SAFETY: this length is mapped there, and the array has a byte for each page of it.
            let known = unsafe { libc::mincore(part, length, pages.as_mut_ptr().cast()) } == 0;
            let pages = &pages[..length.div_ceil(page)];
            known && pages.iter().all(|page| page & 1 == 1)
        })
    }

    /// Waits until the bytes and their name are on their disk.
    pub(crate) fn sync_all(&self) -> Result<(), Error> {
        let Memory::Mapped {
            file,
            name,
            flushed,
            ..
        } = &self.memory
        else {
            return Ok(());
        };
        // Not by the mapping, which is a copy in a child of `fork`.
        file.sync_data()
            .map_err(|source| self.failed("flush", source))?;
        if let (Some(name), None) = (name, flushed.get()) {
            // A process that may not open the file any more may flush its directory.
            if let Err(elsewhere @ Error::NameElsewhere { .. }) = self.check_place() {
                return Err(elsewhere);
            }
            name.open_directory()
                .and_then(|directory| directory.sync_all())
                .map_err(|source| self.failed("flush the directory of", source))?;
            let _ = flushed.set(());
        }
        Ok(())
    }

    /// A separate description for locks, which the segment outlives; `None` on
    /// the heap.
    pub(crate) fn lock_file(&self) -> Result<Option<LockFile>, Error> {
        let Memory::Mapped { file, .. } = &self.memory else {
            return Ok(None);
        };
        let begin = Instant::now();
        loop {
            let forks = fork::forks();
            let lock = LockFile::new(self.another_description()?, file, self.base, self.length);
            if forks.is_some() && forks == fork::forks() {
                return Ok(Some(lock));
            }
            if begin.elapsed() >= BETWEEN_FORKS {
                return Err(self.failed("lock, between forks,", io::ErrorKind::TimedOut.into()));
            }
            // A child may have the description without knowing of it.
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Opens the file again: by its name, or through `/proc` if the name does not refer to it from
    /// here.
    fn another_description(&self) -> Result<File, Error> {
        let Memory::Mapped { file, name, .. } = &self.memory else {
            return Err(self.superseded());
        };
        let Some(name) = name else {
            return memfd::reopen(file, memfd::SHOWN);
        };
        match open_file(name, Access::ReadWrite) {
            Ok(opened) if self.is(opened.metadata())? => return Ok(opened),
            Err(error) if !is_missing_or_foreign(&error) => return Err(error),
            _ => {}
        }
        if self.is_nameless()? {
            return Err(self.superseded());
        }
        memfd::reopen(file, name.display_name())
    }

    /// The memory as other processes see it: in a child of `fork` the mapping is a copy.
    pub(crate) fn mapped_again(&self) -> Result<Self, Error> {
        let file = self.another_description()?;
        Self::map(file, self.length(), self.name(), Access::ReadWrite)
    }

    /// Whether a description other than the mapped one has locked the byte. On the
    /// heap, where no role is ever taken twice, all bytes are.
    pub(crate) fn is_locked(&self, byte: u64) -> Result<bool, Error> {
        match &self.memory {
            Memory::Heap(_) => Ok(true),
            Memory::Mapped { file, .. } => {
                is_locked(file, byte).map_err(|source| self.failed("query the locks of", source))
            }
        }
    }

    /// Whether the file had a name and has none any more, so that no process can open it by one.
    /// What a name refers to differs from process to process (`chroot`, mount namespaces); this
    /// does not.
    pub(crate) fn is_nameless(&self) -> Result<bool, Error> {
        let Memory::Mapped {
            file,
            name: Some(_),
            ..
        } = &self.memory
        else {
            return Ok(false);
        };
        Ok(self.metadata(file)?.nlink() == 0)
    }

    fn metadata(&self, file: &File) -> Result<Metadata, Error> {
        file.metadata()
            .map_err(|source| self.failed("examine", source))
    }

    /// Bytes that are free once the file has lost this name, and no process maps it: a sparse file
    /// takes less than its length, and another name keeps it.
    pub(crate) fn freed_by_unlink(&self) -> Result<u64, Error> {
        let Memory::Mapped { file, .. } = &self.memory else {
            return Ok(0);
        };
        let metadata = self.metadata(file)?;
        Ok(match metadata.nlink() {
            1 => metadata.blocks().saturating_mul(512),
            _ => 0,
        })
    }

    /// What the name refers to from here, for a caller that changes it. Takes no descriptor: an
    /// endpoint's drop may have none.
    pub(crate) fn named(&self) -> Result<Named, Error> {
        let Some(name) = self.name() else {
            return Ok(Named::This);
        };
        match fs::symlink_metadata(OsStr::from_bytes(name.path().to_bytes())) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Named::Nothing),
            data => Ok(match self.is(data)? {
                true => Named::This,
                false => Named::Another,
            }),
        }
    }

    /// The file that has the name, if it is this one.
    pub(crate) fn opened_by_name(&self) -> Result<Option<File>, Error> {
        let Some(name) = self.name() else {
            return Ok(None);
        };
        match open_file(name, Access::ReadOnly) {
            Ok(file) => Ok(self.is(file.metadata())?.then_some(file)),
            Err(error) if is_missing_or_foreign(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// An error if the file has a name, and `name` does not refer to it from here.
    pub(crate) fn check_place(&self) -> Result<(), Error> {
        match self.named()? {
            Named::Another | Named::Nothing if !self.is_nameless()? => Err(Error::NameElsewhere {
                name: self.display_name().to_owned(),
            }),
            _ => Ok(()),
        }
    }

    /// Removes the name, if there is one. The caller holds all locks and has called `named`.
    pub(crate) fn unlink(&self) -> Result<(), Error> {
        let Some(name) = self.name() else {
            return Ok(());
        };
        // SAFETY: the path is a C string.
        if unsafe { libc::unlink(name.path().as_ptr()) } == -1 {
            return Err(self.failed("unlink", io::Error::last_os_error()));
        }
        Ok(())
    }

    pub(crate) fn superseded(&self) -> Error {
        Error::Superseded {
            name: self.display_name().to_owned(),
        }
    }

    pub(crate) fn not_a_ring(&self, reason: &'static str) -> Error {
        match self.name() {
            Some(name) => not_a_ring(name, reason),
            None => Error::WrongDescriptor { reason },
        }
    }

    pub(crate) fn failed(&self, doing: &'static str, source: io::Error) -> Error {
        failed(doing, self.display_name(), source)
    }

    /// Whether these are the data of the mapped file.
    fn is(&self, theirs: io::Result<Metadata>) -> Result<bool, Error> {
        let Memory::Mapped { file, .. } = &self.memory else {
            return Ok(false);
        };
        let identity = |data: io::Result<Metadata>| {
            data.map(|data| (data.dev(), data.ino()))
                .map_err(|source| self.failed("examine", source))
        };
        Ok(identity(file.metadata())? == identity(theirs)?)
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        if let Memory::Heap(layout) = self.memory {
            // SAFETY: `heap` allocated this memory with this layout.
            unsafe { alloc::dealloc(self.base.as_ptr(), layout) };
        }
    }
}

/// Opens for reading, and for writing if so asked: a name through `shm_open`, a path as a file.
/// Neither follows a symbolic link or blocks on a FIFO.
fn open_file(name: &Name, access: Access) -> Result<File, Error> {
    let writes = access == Access::ReadWrite;
    let flags = if writes { libc::O_RDWR } else { libc::O_RDONLY };
    let opened = match name.shm() {
        // SAFETY: the name is a C string.
        Some(shm) => match unsafe { libc::shm_open(shm.as_ptr(), flags | libc::O_NONBLOCK, 0) } {
            -1 => Err(io::Error::last_os_error()),
            // SAFETY: the descriptor was just opened and has no other owner.
            fd => Ok(unsafe { File::from_raw_fd(fd) }),
        },
        None => OpenOptions::new()
            .read(true)
            .write(writes)
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY)
            .open(OsStr::from_bytes(name.path().to_bytes())),
    };
    let opened = opened.and_then(off_standard);
    opened.map_err(|source| match source.raw_os_error() {
        Some(libc::ENOENT) => Error::NotFound {
            name: name.display_name().to_owned(),
        },
        Some(libc::EISDIR) => not_a_ring(name, "it is a directory"),
        // glibc's shm_open returns this for the same.
        Some(libc::EINVAL) => not_a_ring(name, "it is not a regular file"),
        Some(libc::ELOOP) => not_a_ring(name, "it is a symbolic link"),
        Some(libc::ENXIO) => not_a_ring(name, "it is not a regular file"),
        _ => failed("open", name.display_name(), source),
    })
}

/// Whether there is nothing at a name, or something that is not a segment.
fn is_missing_or_foreign(error: &Error) -> bool {
    matches!(error, Error::NotFound { .. } | Error::NotARing { .. })
}

/// A name for messages.
fn display_name(name: Option<&Name>) -> &str {
    name.map_or(memfd::SHOWN, Name::display_name)
}

fn failed(doing: &'static str, shown: &str, source: io::Error) -> Error {
    Error::Io {
        doing,
        name: shown.to_owned(),
        source,
    }
}

fn not_a_ring(name: &Name, reason: &'static str) -> Error {
    Error::NotARing {
        name: name.display_name().to_owned(),
        reason,
    }
}

/// Sixty-four random bits, for names and incarnations.
pub(crate) fn random() -> u64 {
    let mut bytes = [0; 8];
    // SAFETY: the buffer has this length; so few bytes are read in one call.
    let got = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
    if got < 0 {
        // A seccomp profile may forbid the call, but allow the file.
        let _ = File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes));
    }
    u64::from_ne_bytes(bytes)
}
