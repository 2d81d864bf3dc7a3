//! Every call that takes memory, descriptors, names or locks of the system, as a table.

use std::any::Any;
use std::fs::{self, Permissions};
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

type Call = (&'static str, fn(&Place) -> Result<Box<dyn Any>, Error>);

/// The last one removes the ring.
pub(crate) const CALLS: [Call; 15] = [
    ("create", |place| {
        kept(place.options.create::<u64>(place.new_name()))
    }),
    ("open_or_create (new)", |place| {
        kept(place.options.open_or_create::<u64>(place.new_name()))
    }),
    ("open", |place| {
        kept(place.options.open::<u64>(place.there()))
    }),
    ("open_or_create", |place| {
        kept(place.options.open_or_create::<u64>(place.there()))
    }),
    ("Observer::open", |place| {
        kept(Observer::open(place.there()))
    }),
    ("create_anonymous", |place| {
        kept(place.options.create_anonymous::<u64>())
    }),
    ("open_descriptor", |place| {
        let descriptor = place.anonymous.descriptor().expect("it is anonymous");
        kept(place.options.open_descriptor::<u64>(descriptor))
    }),
    ("heap", |place| kept(place.options.heap::<u64>())),
    ("sync_all", |place| kept(place.ring.sync_all())),
    ("unlink_if_stale", |place| {
        kept(quoit::unlink_if_stale(place.there()))
    }),
    ("producer", |place| kept(place.ring.producer())),
    ("consumer", |place| kept(place.ring.consumer())),
    ("producer (anonymous)", |place| {
        kept(place.anonymous.producer())
    }),
    ("replace", |place| {
        let options = place.options.clone().stale(StalePolicy::Replace);
        kept(options.create::<u64>(place.there()))
    }),
    ("unlink", |place| kept(quoit::unlink(place.there()))),
];

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

    pub(crate) fn there(&self) -> PathBuf {
        self.directory.join("there")
    }

    pub(crate) fn new_name(&self) -> PathBuf {
        self.directory.join("new")
    }
}
