//! Every call that takes memory, descriptors, names or locks of the system, as a table.

use std::any::Any;
use std::fs::{self, Permissions};
use std::os::fd::BorrowedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use quoit::{Error, Observer, Ring, RingOptions, StalePolicy};

/// A directory with a ring, and a ring without a name. No role was taken yet.
pub(crate) struct Place {
    pub(crate) directory: PathBuf,
    pub(crate) options: RingOptions,
    ring: Ring<u64>,
    anonymous: Ring<u64>,
}

pub(crate) type Call = fn(&Place) -> Result<Box<dyn Any>, Error>;

macro_rules! calls {
    ($($name:literal: |$place:ident| $call:expr;)*) => {
        /// The last one removes the ring.
        pub(crate) const CALLS: &[(&str, Call)] = &[$(($name, |$place| kept($call))),*];
    };
}

calls! {
    "create": |place| place.options.create::<u64>(place.new_name());
    "open_or_create (new)": |place| place.options.open_or_create::<u64>(place.new_name());
    "open": |place| place.options.open::<u64>(place.there());
    "open_or_create": |place| place.options.open_or_create::<u64>(place.there());
    "Observer::open": |place| Observer::open(place.there());
    "create_anonymous": |place| place.options.create_anonymous::<u64>();
    "open_descriptor": |place| place.options.open_descriptor::<u64>(place.descriptor());
    "heap": |place| place.options.heap::<u64>();
    "sync_all": |place| place.ring.sync_all();
    "unlink_if_stale": |place| quoit::unlink_if_stale(place.there());
    "producer": |place| place.ring.producer();
    "consumer": |place| place.ring.consumer();
    "producer (anonymous)": |place| place.anonymous.producer();
    "replace": |place| place.replacing().create::<u64>(place.there());
    "unlink": |place| quoit::unlink(place.there());
}

fn kept<R: 'static>(result: Result<R, Error>) -> Result<Box<dyn Any>, Error> {
    result.map(|kept| Box::new(kept) as Box<dyn Any>)
}

impl Place {
    pub(crate) fn new(directory: &Path, options: RingOptions) -> Self {
        // For all users.
        fs::set_permissions(directory, Permissions::from_mode(0o777)).expect("our directory");
        let ring = options.create(directory.join("there")).expect("a ring");
        let anonymous = options.create_anonymous().expect("a ring");
        let directory = directory.to_owned();
        Self {
            directory,
            options,
            ring,
            anonymous,
        }
    }

    fn descriptor(&self) -> BorrowedFd<'_> {
        self.anonymous.descriptor().expect("it is anonymous")
    }

    fn replacing(&self) -> RingOptions {
        self.options.clone().stale(StalePolicy::Replace)
    }

    pub(crate) fn there(&self) -> PathBuf {
        self.directory.join("there")
    }

    pub(crate) fn new_name(&self) -> PathBuf {
        self.directory.join("new")
    }
}
