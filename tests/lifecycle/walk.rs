//! Random sequences of what processes do with one name, compared with a model of it: they
//! create, open, replace and unlink rings, take roles, close, are killed and stopped, and
//! remove, rename and overwrite files directly.

use std::fmt;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::thread;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any};
use proptest::sample::select;
use proptest::strategy::Union;
use proptest::test_runner::{Config, TestRunner};
use quoit::{
    Error, Observer, PeerError, PopError, Ring, RingOptions, Role, Select, Selected, StalePolicy,
    unlink_if_read, unlink_if_stale,
};
use rustix::fs::Mode;
use rustix::process::{geteuid, umask};
use tempfile::TempDir;

use crate::common::PATIENCE;
use crate::common::descriptors::open_descriptors;
use crate::common::dice::Dice;
use crate::common::fork::{in_a_child, kill, succeeds};
use crate::common::names::{file_directory, files_in, shared_memory_directory};
use crate::common::positions::{End, ROLES, other};
use crate::common::process::drop_root;
use crate::common::program::signal;
use crate::common::segment_file::{SUPERSEDED, SegmentFile};
use crate::common::worker::{Worker, hear, tell};
use crate::model::{Call, Found, Model, Wish};

crate::common::suite::tests! {
    a_name_is_as_the_model_says,
}

const SEQUENCES: u32 = 800;
/// Of a wait that ends by its timeout.
const SHORT: Duration = Duration::from_millis(3);

/// An act of a process, and how often it occurs.
#[derive(Debug, Clone, Copy)]
struct Act(u32, &'static str, fn(&mut World, &mut Dice));

const ACTS: [Act; 8] = [
    Act(11, "call", World::call),
    Act(2, "unlink an open ring", World::unlink),
    Act(6, "take", World::take),
    Act(2, "take in a child", World::take_in_a_child),
    Act(4, "move", World::moves),
    Act(2, "wait for the peer", World::wait_for_peer),
    Act(4, "leave", World::leave),
    Act(4, "change files", World::change_files),
];

/// Acts, each with a seed for what it needs.
fn steps() -> impl Strategy<Value = Vec<(Act, u64)>> {
    let acts = ACTS.map(|act| (act.0, Just(act)));
    vec((Union::new_weighted(acts.into()), any::<u64>()), 1..60)
}

fn role(dice: &mut Dice) -> Role {
    ROLES[dice.roll(2)]
}

type Make = fn(&Path) -> io::Result<()>;

/// Files that are not rings, and why.
const OTHERS: [(Make, &str); 4] = [
    (|path| fs::write(path, "notes"), "it is too short"),
    (sparse, "it does not begin with quoit's magic"),
    (|path| fs::create_dir(path), "it is a directory"),
    (|path| symlink("/dev/null", path), "it is a symbolic link"),
];

fn sparse(path: &Path) -> io::Result<()> {
    fs::File::create(path)?.set_len(1 << 16)
}

enum Holder {
    /// An endpoint of this process, and whether its drop may remove the name.
    Own(Box<End>, bool),
    Child(Worker),
}

struct World {
    directory: TempDir,
    model: Model,
    /// Rings with their numbers, and whether the drops of their endpoints may remove the name.
    rings: Vec<(Ring<u64>, usize, bool)>,
    holders: Vec<(usize, Role, Holder)>,
}

/// Requires that the library's answer is the model's.
fn agree<R>(
    found: Result<R, Error>,
    expected: &Result<impl Copy, Error>,
    what: &dyn fmt::Debug,
) -> Option<R> {
    match (found, expected) {
        (Ok(found), Ok(_)) => Some(found),
        (Err(found), Err(expected)) => {
            let text = found.to_string();
            assert_eq!(text, expected.to_string(), "{what:?}");
            let advice = ["its owner", "root", "quoit rm", "another name"];
            let advises = advice.iter().all(|part| text.contains(part));
            assert!(advises || !matches!(expected, Error::Io { .. }), "{text}");
            None
        }
        (found, _) => panic!("{what:?} answers {:?}", found.map(drop)),
    }
}

fn a_name_is_as_the_model_says() {
    let mut runner = TestRunner::new(Config {
        cases: SEQUENCES,
        failure_persistence: None,
        max_shrink_time: 30_000,
        ..Config::default()
    });
    let mask = select(&[0, 0o022, 0o077, 0o777]);
    let settings = (proptest::bool::weighted(0.1), mask, steps());
    let outcome = runner.run(&settings, |(on_a_disk, mask, steps)| {
        let mut world = World::new(on_a_disk);
        umask(Mode::from_raw_mode(mask));
        let before = open_descriptors();
        for (act, seed) in steps {
            act.2(&mut world, &mut Dice(seed));
            world.compare(act.1);
        }
        while !world.holders.is_empty() {
            world.end(0, true);
        }
        world.rings.clear();
        assert_eq!(open_descriptors(), before);
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}

impl World {
    fn new(on_a_disk: bool) -> Self {
        let directory = match on_a_disk {
            true => file_directory(),
            false => shared_memory_directory(),
        };
        // Sticky, as /dev/shm.
        let public = Permissions::from_mode(0o1777);
        fs::set_permissions(directory.path(), public).expect("our directory");
        let model = Model {
            path: directory.path().join("ring"),
            files: Vec::new(),
            found: Found::Nothing,
            aside: None,
        };
        let (rings, holders) = (Vec::new(), Vec::new());
        Self {
            directory,
            model,
            rings,
            holders,
        }
    }

    fn call(&mut self, dice: &mut Dice) {
        use Call::{Create, Open, OpenOrCreate, Unlink, UnlinkIfRead, UnlinkIfStale};
        let calls = [
            Open,
            Create,
            OpenOrCreate,
            Unlink,
            UnlinkIfStale,
            UnlinkIfRead,
        ];
        let call = calls[[0, 0, 1, 1, 1, 2, 2, 2, 3, 4, 5][dice.roll(11)]];
        let policies = [
            StalePolicy::TakeOver,
            StalePolicy::Replace,
            StalePolicy::Fail,
        ];
        // Another user sees no holder, and cannot read some other files.
        let is_free = match self.model.found {
            Found::File(index) => !self.model.files[index].is_held(),
            found => found == Found::Nothing,
        };
        let wish = Wish {
            capacity: [None, Some(2), Some(4)][dice.roll(3)],
            stale: policies[dice.roll(3)],
            mode: [0o666, 0o606][dice.roll(2)],
            unlinks_on_drop: dice.roll(7) == 0,
            is_stranger: geteuid().is_root() && is_free && dice.roll(7) == 0,
        };
        let expected = self.model.call(call, &wish);
        if wish.is_stranger {
            return in_a_child(|| {
                drop_root();
                self.calls(call, &wish, &expected);
            });
        }
        self.calls(call, &wish, &expected);
    }

    fn calls(&mut self, call: Call, wish: &Wish, expected: &Result<bool, Error>) {
        let path = &self.model.path;
        let options = RingOptions::default().mode(wish.mode).stale(wish.stale);
        let options = options.peer_check(Duration::from_millis(1));
        let mut options = options.unlink_on_drop(wish.unlinks_on_drop);
        if let Some(capacity) = wish.capacity {
            options = options.capacity(capacity);
        }
        let opened = |ring: Ring<u64>| (false, Some(ring));
        let removed = |is_removed| (is_removed, None);
        let answer = match call {
            Call::Open => options.open(path).map(opened),
            Call::Create => options.create(path).map(opened),
            Call::OpenOrCreate => options.open_or_create(path).map(opened),
            Call::Unlink => quoit::unlink(path).map(|()| removed(true)),
            Call::UnlinkIfStale => unlink_if_stale(path).map(removed),
            Call::UnlinkIfRead => unlink_if_read(path).map(removed),
        };
        let Some((is_removed, ring)) = agree(answer, expected, &(call, wish)) else {
            return;
        };
        assert_eq!(
            expected.as_ref().ok(),
            Some(&is_removed),
            "{call:?} {wish:?}"
        );
        if let (Some(ring), Found::File(index)) = (ring, self.model.found) {
            assert_eq!(ring.name(), path.to_string_lossy());
            self.rings.truncate(3);
            self.rings.insert(0, (ring, index, wish.unlinks_on_drop));
        }
    }

    /// One of the last few rings that were opened.
    fn ring(&self, dice: &mut Dice) -> Option<(Ring<u64>, usize, bool)> {
        let count = self.rings.len().max(1);
        self.rings.get(dice.roll(count as u64)).cloned()
    }

    fn unlink(&mut self, dice: &mut Dice) {
        let Some((ring, index, _)) = self.ring(dice) else {
            return;
        };
        let if_read = dice.roll(2) == 0;
        let expected = self.model.unlink(index, if_read);
        let unlinked = match if_read {
            true => ring.unlink_if_read(),
            false => ring.unlink().map(|()| true),
        };
        assert_eq!(agree(unlinked, &expected, &if_read), expected.ok());
    }

    fn take(&mut self, dice: &mut Dice) {
        let (Some((ring, index, unlinks)), role) = (self.ring(dice), role(dice)) else {
            return;
        };
        let expected = self.model.take(index, role);
        // The role outlives the thread.
        let take = || End::take(&ring, role);
        let taken = thread::scope(|scope| scope.spawn(take).join());
        if let Some(end) = agree(taken.expect("no panic"), &expected, &role) {
            self.holders
                .push((index, role, Holder::Own(Box::new(end), unlinks)));
        }
    }

    /// A child takes a role, moves a few records, and may be stopped.
    fn take_in_a_child(&mut self, dice: &mut Dice) {
        let (path, role) = (&self.model.path.clone(), role(dice));
        let Found::File(index) = self.model.found else {
            return;
        };
        if self.model.files[index].is_marked {
            return;
        }
        let expected = self.model.take(index, role);
        let file = &mut self.model.files[index];
        let most = if expected.is_ok() { dice.roll(6) } else { 0 };
        let count = (0..most).take_while(|_| file.moves(role).is_ok()).count();
        let worker = Worker::start(|socket| {
            let taken = Ring::open(path).and_then(|ring| End::take(&ring, role));
            let Some(mut end) = agree(taken, &expected, &role) else {
                return;
            };
            (0..count).for_each(|_| end.moves(PATIENCE).expect("as in the model"));
            tell(&socket, 0);
            hear(&socket);
        });
        if expected.is_err() {
            return succeeds(worker.pid);
        }
        hear(&worker.socket);
        if dice.roll(2) == 0 {
            signal(worker.pid as u32, libc::SIGSTOP);
        }
        file.holders[role as usize] = Some(worker.pid as u32);
        self.holders.push((index, role, Holder::Child(worker)));
    }

    /// This process's first endpoint with this role, and the number of its ring.
    fn own(&mut self, role: Role) -> Option<(&mut End, &mut Model, usize)> {
        let mut holders = self.holders.iter_mut();
        let (end, index) = holders.find_map(|(index, held, holder)| match holder {
            Holder::Own(end, _) if *held == role => Some((&mut **end, *index)),
            _ => None,
        })?;
        Some((end, &mut self.model, index))
    }

    fn moves(&mut self, dice: &mut Dice) {
        let role = role(dice);
        let Some((end, model, index)) = self.own(role) else {
            return;
        };
        let expected = model.files[index].moves(role);
        assert_eq!(end.moves(until(&expected)), expected);
    }

    /// The peer is attached, no peer can attach, or one may; and what a `Select` says.
    fn wait_for_peer(&mut self, dice: &mut Dice) {
        let role = role(dice);
        let Some((end, model, index)) = self.own(role) else {
            return;
        };
        let file = &model.files[index];
        let (has_work, is_alone) = (file.has_work(role), file.is_left_alone(role));
        let selected = match is_alone || file.is_abandoned(role) {
            _ if has_work => Ok(Selected::Ready(0)),
            true => Ok(Selected::Abandoned(0)),
            false => Err(PopError::TimedOut),
        };
        let found = Select::new().wait(&mut [end.interest()], until(&selected));
        assert_eq!(found.ok(), selected.ok());
        if !has_work {
            let peer = match file.holders[other(role) as usize] {
                Some(_) => Ok(()),
                None if is_alone => Err(PopError::Superseded),
                None => Err(PopError::TimedOut),
            };
            let found = end.wait_for_peer_timeout(until(&peer).into());
            let found = found.map_err(|error| match error {
                PeerError::Superseded => PopError::Superseded,
                _ => PopError::TimedOut,
            });
            assert_eq!(found, peer);
        }
    }

    fn leave(&mut self, dice: &mut Dice) {
        let count = self.holders.len() as u64;
        if count > 0 {
            self.end(dice.roll(count), dice.roll(3) == 0);
        }
    }

    /// Closes or kills an endpoint.
    fn end(&mut self, place: usize, kills: bool) {
        let (index, role, holder) = self.holders.remove(place);
        let mut unlinks = false;
        match holder {
            Holder::Own(end, unlinks_on_drop) => {
                drop(end);
                unlinks = unlinks_on_drop;
            }
            Holder::Child(worker) if kills => kill(worker.pid),
            Holder::Child(worker) => {
                signal(worker.pid as u32, libc::SIGCONT);
                tell(&worker.socket, 0);
                succeeds(worker.pid);
            }
        }
        self.model.leave(index, role, unlinks);
    }

    /// Removes what has the name, renames the ring or names it again, makes another file, marks the
    /// ring as superseded, or gives it a second name.
    fn change_files(&mut self, dice: &mut Dice) {
        let model = &mut self.model;
        let (path, aside) = (&model.path, &self.directory.path().join("aside"));
        match (dice.roll(5), model.found, model.aside) {
            (0, found, _) if found != Found::Nothing => {
                let removed = fs::remove_file(path).or_else(|_| fs::remove_dir(path));
                removed.expect("our directory");
                model.remove_directly();
            }
            (1, Found::File(index), None) => {
                fs::rename(path, aside).expect("our directory");
                (model.found, model.aside) = (Found::Nothing, Some(index));
            }
            (1, Found::Nothing, Some(index)) => {
                fs::rename(aside, path).expect("our directory");
                (model.found, model.aside) = (Found::File(index), None);
            }
            (4, Found::File(index), None) => {
                fs::hard_link(path, aside).expect("our directory");
                model.aside = Some(index);
            }
            (2, Found::Nothing, _) => {
                let (make, reason) = OTHERS[dice.roll(4)];
                let mask = umask(Mode::empty());
                make(path).expect("our directory");
                umask(mask);
                model.found = Found::Other(reason);
            }
            (3, Found::File(index), _) if !model.files[index].is_held() => {
                SegmentFile::open(path).write_half(SUPERSEDED, 1);
                model.files[index].is_marked = true;
            }
            _ => {}
        }
    }

    /// Compares the files, and what this process's rings and endpoints say.
    fn compare(&mut self, after: &str) {
        let Model {
            path,
            files,
            found,
            aside,
        } = &mut self.model;
        let names = [
            ("aside", aside.is_some()),
            ("ring", *found != Found::Nothing),
        ];
        let names = names
            .into_iter()
            .filter_map(|(name, exists)| exists.then_some(name));
        assert!(names.eq(files_in(self.directory.path())), "{after}");
        let metadata = fs::symlink_metadata(&*path);
        if let (Ok(metadata), Found::File(index)) = (&metadata, &*found) {
            let is_reserved = metadata.blocks() * 512 >= metadata.len();
            assert!(is_reserved, "the file is sparse");
            let info = Observer::open(path).expect("a ring").info();
            let file = &mut files[*index];
            file.incarnation.get_or_insert(info.incarnation);
            let same = (info.capacity, metadata.permissions().mode() & 0o7777);
            assert_eq!(same, (file.capacity, file.mode));
            let same = files
                .iter()
                .map(|file| file.incarnation == Some(info.incarnation));
            assert!(
                same.enumerate()
                    .all(|(other, is_same)| is_same == (other == *index))
            );
        } else if let Ok(metadata) = metadata {
            let is_sparse = metadata.len() < 1 << 16 || metadata.blocks() == 0;
            assert!(is_sparse, "a file that is no ring takes memory");
        }
        for (ring, index, _) in &self.rings {
            assert_eq!(Some(ring.incarnation()), files[*index].incarnation);
        }
        for (index, role, holder) in &self.holders {
            if let Holder::Own(end, _) = holder {
                let (file, epoch) = (&files[*index], files[*index].epochs[other(*role) as usize]);
                let found = (end.position(), end.len(), end.peer_epoch());
                assert_eq!(
                    found,
                    (file.positions[*role as usize], file.unread(), epoch)
                );
                let found = (end.is_abandoned(), end.is_superseded());
                assert_eq!(found, (file.is_abandoned(*role), !file.has_name));
            }
        }
    }
}

/// Until a hang is reported, unless nothing is expected.
fn until<T>(expected: &Result<T, PopError>) -> Duration {
    match expected {
        Err(PopError::TimedOut) => SHORT,
        _ => PATIENCE,
    }
}
