//! Random sequences of what processes do with one name, compared with a model of it: they
//! create, open, replace and unlink rings, take roles, close, are killed and stopped, and
//! remove, rename and overwrite files by hand.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process;
use std::thread;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, TestRunner};
use quoit::{
    ClaimError, Consumer, Error, FrameConsumer, FrameProducer, Observer, PeerError, PopError,
    Producer, Record, Ring, RingOptions, Role, Select, Selectable, Selected, StalePolicy,
    unlink_if_read, unlink_if_stale,
};

use crate::common::PATIENCE;
use crate::common::calls::{Calls, Wait, fill, pop, push};
use crate::common::ends::End;
use crate::common::fork::{in_a_child, kill, succeeds};
use crate::common::names::{file_directory, files_in, shared_memory_directory};
use crate::common::positions::{ROLES, other};
use crate::common::process::{drop_root, is_root};
use crate::common::program::signal;
use crate::common::rings::heap;
use crate::common::segment_file::{SUPERSEDED, SegmentFile};
use crate::common::worker::{Worker, hear, tell};
use crate::model::{Call, Found, Got, Model, Wish};

crate::common::suite::tests! {
    a_name_of_records_is_as_the_model_says,
    a_name_of_frames_is_as_the_model_says,
}

/// The number of sequences for each shape.
const SEQUENCES: u32 = 400;
/// The longest wait that ends by its timeout.
const SHORT: Duration = Duration::from_millis(3);
/// A ring with the defaults.
const PLAIN: Wish = Wish {
    is_ours: true,
    size: 1,
    stale: StalePolicy::TakeOver,
    unlinks_on_drop: false,
    is_stranger: false,
};
/// The smallest capacity, in the smallest ones of the shape.
const SMALLEST: u64 = 4;

/// Until the hang of a test is reported.
fn long() -> Wait {
    Wait::Until(PATIENCE.into())
}

fn a_name_of_records_is_as_the_model_says() {
    walk::<u64, [u8]>();
}

fn a_name_of_frames_is_as_the_model_says() {
    walk::<[u8], u64>();
}

#[derive(Debug, Clone)]
enum Step {
    Call(Call, Wish),
    /// `Ring::unlink`, or `Ring::unlink_if_read`.
    Unlink(Index, bool),
    Take(Index, Role),
    /// `Producer::open` and similar calls.
    Attach(Role, Call, u64),
    /// In a child, which then moves a few messages, and may be stopped.
    Lend(Role, u64, bool),
    Move(Role, bool),
    WaitForPeer(Role),
    /// Removes the name while an endpoint waits; there may be another ring then.
    Wait(Role, bool),
    Close(Role),
    Kill(Role),
    Forget(Index),
    /// By hand.
    Remove,
    Rename,
    Overwrite(usize),
    Mark,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let role = || select(&ROLES);
    let creates = select(&[Call::Open, Call::Create, Call::OpenOrCreate]);
    let call = select(&[
        Call::Open,
        Call::Create,
        Call::OpenOrCreate,
        Call::Observe,
        Call::Unlink,
        Call::UnlinkIfStale,
        Call::UnlinkIfRead,
    ]);
    let stale = select(&[
        StalePolicy::TakeOver,
        StalePolicy::Replace,
        StalePolicy::Fail,
    ]);
    let rarely = || proptest::bool::weighted(0.15);
    let wish = (rarely(), 0..3_u64, stale, rarely(), rarely());
    let wish = wish.prop_map(
        |(is_other, size, stale, unlinks_on_drop, is_stranger)| Wish {
            is_ours: !is_other,
            size,
            stale,
            unlinks_on_drop,
            is_stranger,
        },
    );
    let step = prop_oneof![
        8 => (call, wish).prop_map(|(call, wish)| Step::Call(call, wish)),
        3 => any::<(Index, bool)>().prop_map(|(ring, if_read)| Step::Unlink(ring, if_read)),
        6 => (any::<Index>(), role()).prop_map(|(ring, role)| Step::Take(ring, role)),
        2 => (role(), creates, 1..3_u64).prop_map(|(role, call, size)| Step::Attach(role, call, size)),
        2 => (role(), 0..6_u64, any::<bool>()).prop_map(|(role, count, stops)| Step::Lend(role, count, stops)),
        8 => (role(), any::<bool>()).prop_map(|(role, waits)| Step::Move(role, waits)),
        2 => role().prop_map(Step::WaitForPeer),
        1 => (role(), any::<bool>()).prop_map(|(role, again)| Step::Wait(role, again)),
        4 => role().prop_map(Step::Close),
        2 => role().prop_map(Step::Kill),
        1 => any::<Index>().prop_map(Step::Forget),
        1 => Just(Step::Remove),
        1 => Just(Step::Rename),
        1 => (0..OTHERS.len()).prop_map(Step::Overwrite),
        1 => Just(Step::Mark),
    ];
    vec(step, 1..60)
}

/// Files that are not rings, and why.
const OTHERS: [(fn(&Path), &str); 4] = [
    (
        |path| fs::write(path, "notes").expect("our directory"),
        "it is too short",
    ),
    (
        |path| {
            let file = fs::File::create(path).expect("our directory");
            file.set_len(1 << 16).expect("it takes no memory");
        },
        "it does not begin with quoit's magic",
    ),
    (
        |path| fs::create_dir(path).expect("our directory"),
        "it is a directory",
    ),
    (
        |path| symlink("/dev/null", path).expect("our directory"),
        "it is a symbolic link",
    ),
];

/// The constructors of an endpoint.
trait Attach: Sized {
    fn attach(call: Call, path: &Path, capacity: u64) -> Result<Self, Error>;
}

macro_rules! attach {
    ([$($bounds:tt)*] $end:ty) => {
        impl<$($bounds)*> Attach for $end {
            fn attach(call: Call, path: &Path, capacity: u64) -> Result<Self, Error> {
                match call {
                    Call::Open => Self::open(path),
                    Call::Create => Self::create(path, capacity),
                    _ => Self::open_or_create(path, capacity),
                }
            }
        }
    };
}
attach!([T: Record] Producer<T>);
attach!([T: Record] Consumer<T>);
attach!([] FrameProducer);
attach!([] FrameConsumer);

/// A shape that a walk can have.
trait Walked: Calls<Producer: Attach, Consumer: Attach + Selectable> {}
impl<T: Calls<Producer: Attach, Consumer: Attach + Selectable> + ?Sized> Walked for T {}

enum Endpoint<T: Walked + ?Sized> {
    Producer(T::Producer),
    Consumer(T::Consumer),
}

impl<T: Walked + ?Sized> Endpoint<T> {
    fn of(ring: &Ring<T>, role: Role) -> Result<Self, Error> {
        match role {
            Role::Producer => ring.producer().map(Self::Producer),
            Role::Consumer => ring.consumer().map(Self::Consumer),
        }
    }

    fn attach(role: Role, call: Call, path: &Path, capacity: u64) -> Result<Self, Error> {
        match role {
            Role::Producer => T::Producer::attach(call, path, capacity).map(Self::Producer),
            Role::Consumer => T::Consumer::attach(call, path, capacity).map(Self::Consumer),
        }
    }

    fn end(&mut self) -> &mut dyn End {
        match self {
            Self::Producer(end) => end,
            Self::Consumer(end) => end,
        }
    }

    /// Moves the next message, which must have the number that the model says.
    fn moves(&mut self, expected: Result<u64, PopError>, wait: Wait) {
        let message = expected.map(T::message);
        let moved = match self {
            Self::Consumer(end) => pop::<T>(end, wait),
            Self::Producer(end) => {
                let next = message.clone().unwrap_or_else(|_| T::message(0));
                let pushed = push::<T>(end, &next, wait).map(|()| next);
                pushed.map_err(|error| match error {
                    ClaimError::Full => PopError::Empty,
                    ClaimError::TimedOut => PopError::TimedOut,
                    ClaimError::Abandoned => PopError::Abandoned,
                    ClaimError::Superseded => PopError::Superseded,
                    other => panic!("{other}"),
                })
            }
        };
        assert_eq!(moved, message);
    }
}

enum Holding<T: Walked + ?Sized> {
    /// An endpoint, and whether its drop may remove the name.
    Own(Endpoint<T>, bool),
    Child(Worker),
}

struct World<T: Walked + ?Sized> {
    directory: tempfile::TempDir,
    model: Model,
    /// Rings with their numbers, and whether the drops of their endpoints may remove the name.
    rings: Vec<(Ring<T>, usize, bool)>,
    holdings: Vec<(usize, Role, Holding<T>)>,
    is_root: bool,
}

/// The answer of the library is the model's.
fn agree<R>(found: Result<R, Error>, expected: &Result<impl Copy, Error>) -> Option<R> {
    match (found, expected) {
        (Ok(found), Ok(_)) => Some(found),
        (Err(found), Err(expected)) => {
            assert_eq!(found.to_string(), expected.to_string());
            None
        }
        (found, _) => panic!("it answers {:?}", found.map(drop)),
    }
}

fn capacity<T: Calls + ?Sized>(size: u64) -> u64 {
    size * SMALLEST * T::SMALL
}

fn options<T: Calls + ?Sized>(wish: &Wish) -> RingOptions {
    let options = RingOptions::default().mode(0o666).stale(wish.stale);
    let options = options.unlink_on_drop(wish.unlinks_on_drop);
    let options = options.peer_check(Duration::from_millis(1));
    match wish.size {
        0 => options,
        size => options.capacity(capacity::<T>(size)),
    }
}

/// What a call has returned.
enum Answer<T: ?Sized> {
    Ring(Ring<T>),
    /// The incarnation and the capacity.
    Observed(u64, u64),
    Removed(bool),
}

fn call<T: Calls + ?Sized>(call: Call, path: &Path, wish: &Wish) -> Result<Answer<T>, Error> {
    let options = options::<T>(wish);
    let observed = |observer: Observer| {
        let info = observer.info();
        Answer::Observed(info.incarnation, info.capacity)
    };
    match call {
        Call::Open => options.open(path).map(Answer::Ring),
        Call::Create => options.create(path).map(Answer::Ring),
        Call::OpenOrCreate => options.open_or_create(path).map(Answer::Ring),
        Call::Observe => Observer::open(path).map(observed),
        Call::Unlink => quoit::unlink(path).map(|()| Answer::Removed(true)),
        Call::UnlinkIfStale => unlink_if_stale(path).map(Answer::Removed),
        Call::UnlinkIfRead => unlink_if_read(path).map(Answer::Removed),
    }
}

fn walk<T: Walked + ?Sized, U: Walked + ?Sized>() {
    let is_root = is_root();
    let mut runner = TestRunner::new(Config {
        cases: SEQUENCES,
        failure_persistence: None,
        ..Config::default()
    });
    let settings = (proptest::bool::weighted(0.1), steps());
    let outcome = runner.run(&settings, |(on_a_disk, steps)| {
        let mut world = World::<T>::new::<U>(on_a_disk, is_root);
        for step in steps {
            world.take::<U>(step);
            world.compare();
        }
        for role in ROLES {
            while world.close(role, true) {}
        }
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}

impl<T: Walked + ?Sized> World<T> {
    fn new<U: Calls + ?Sized>(on_a_disk: bool, is_root: bool) -> Self {
        let directory = match on_a_disk {
            true => file_directory(),
            false => shared_memory_directory(),
        };
        // Sticky, as /dev/shm.
        let public = Permissions::from_mode(0o1777);
        fs::set_permissions(directory.path(), public).expect("our directory");
        let room = fill::<T>(&mut heap::<T>(capacity::<T>(1)).0);
        let model = Model {
            path: directory.path().join("ring"),
            files: Vec::new(),
            found: Found::Nothing,
            aside: None,
            room,
            smallest: [capacity::<U>(1), capacity::<T>(1)],
        };
        Self {
            directory,
            model,
            rings: Vec::new(),
            holdings: Vec::new(),
            is_root,
        }
    }

    /// The ring with this number, its incarnation and its capacity.
    fn is_ring(&mut self, index: usize, incarnation: u64, capacity: u64) {
        let known = self.model.files.iter().map(|file| file.incarnation);
        let same = known
            .enumerate()
            .find(|(_, known)| *known == Some(incarnation));
        let smallest = self.model.smallest[usize::from(self.model.files[index].is_ours)];
        let file = &mut self.model.files[index];
        assert!(same.map_or(file.incarnation.is_none(), |(same, _)| same == index));
        file.incarnation = Some(incarnation);
        assert_eq!(capacity, file.size * smallest);
    }

    /// Makes a call; returns its ring.
    fn call<S: Calls + ?Sized>(
        &mut self,
        which: Call,
        wish: &Wish,
        expected: &Result<Got, Error>,
    ) -> Option<(Ring<S>, usize)> {
        let path = self.model.path.clone();
        let answer = agree(call::<S>(which, &path, wish), expected)?;
        match (answer, expected.as_ref().ok()?) {
            (Answer::Removed(found), Got::Removed(expected)) => assert_eq!(found, *expected),
            (Answer::Observed(incarnation, capacity), Got::Ring(index)) => {
                self.is_ring(*index, incarnation, capacity);
            }
            (Answer::Ring(ring), Got::Ring(index)) => {
                self.is_ring(*index, ring.incarnation(), ring.capacity());
                assert_eq!(ring.name(), path.to_string_lossy());
                return Some((ring, *index));
            }
            _ => panic!("{which:?} returns {expected:?}"),
        }
        None
    }

    /// The same for a ring of either shape.
    fn calls<U: Calls + ?Sized>(&mut self, which: Call, wish: Wish, expected: &Result<Got, Error>) {
        if !wish.is_ours {
            self.call::<U>(which, &wish, expected);
        } else if let Some((ring, index)) = self.call::<T>(which, &wish, expected) {
            self.rings.truncate(3);
            self.rings.insert(0, (ring, index, wish.unlinks_on_drop));
        }
    }

    fn take<U: Calls + ?Sized>(&mut self, step: Step) {
        match step {
            Step::Call(which, mut wish) => {
                let is_ring = !matches!(self.model.found, Found::Other(_));
                wish.is_stranger &= self.is_root && is_ring;
                let expected = self.model.call(which, wish);
                if !wish.is_stranger {
                    return self.calls::<U>(which, wish, &expected);
                }
                in_a_child(|| {
                    drop_root();
                    self.calls::<U>(which, wish, &expected);
                });
            }
            Step::Attach(role, which, size) => self.attach(role, which, size),
            Step::Lend(role, count, stops) => self.lend(role, count, stops),
            Step::Unlink(..) | Step::Take(..) | Step::Forget(_) if self.rings.is_empty() => {}
            Step::Unlink(ring, if_read) => {
                let (ring, index, _) = ring.get(&self.rings);
                let expected = self.model.unlink(*index, if_read);
                let unlinked = match if_read {
                    true => ring.unlink_if_read(),
                    false => ring.unlink().map(|()| true),
                };
                let unlinked = agree(unlinked, &expected);
                assert_eq!(unlinked, expected.ok());
            }
            Step::Take(ring, role) => {
                let (ring, index, unlinks) = ring.get(&self.rings);
                let expected = self.model.take(*index, role, process::id());
                // The role outlives the thread.
                let take = || Endpoint::of(ring, role);
                let taken = thread::scope(|scope| scope.spawn(take).join());
                if let Some(end) = agree(taken.expect("no panic"), &expected) {
                    let holding = Holding::Own(end, *unlinks);
                    self.holdings.push((*index, role, holding));
                }
            }
            Step::Forget(ring) => drop(self.rings.remove(ring.index(self.rings.len()))),
            Step::Move(role, waits) => self.moves(role, waits),
            Step::Wait(role, again) => self.wait(role, again),
            Step::WaitForPeer(role) => self.wait_for_peer(role),
            Step::Close(role) => drop(self.close(role, false)),
            Step::Kill(role) => drop(self.close(role, true)),
            Step::Remove | Step::Rename | Step::Overwrite(_) | Step::Mark => self.by_hand(&step),
        }
    }

    fn attach(&mut self, role: Role, which: Call, size: u64) {
        let (path, capacity) = (self.model.path.clone(), capacity::<T>(size));
        let expected = self
            .model
            .attach(which, Wish { size, ..PLAIN }, role, process::id());
        let attached = Endpoint::attach(role, which, &path, capacity);
        if let Some(end) = agree(attached, &expected) {
            let index = expected.expect("it agrees");
            self.holdings.push((index, role, Holding::Own(end, false)));
        }
        if let Found::File(_) = self.model.found {
            // For other users.
            let public = Permissions::from_mode(0o666);
            fs::set_permissions(path, public).expect("our file");
        }
    }

    fn lend(&mut self, role: Role, count: u64, stops: bool) {
        let path = self.model.path.clone();
        let expected = self.model.attach(Call::Open, PLAIN, role, 0);
        let moves = |&index: &usize| {
            let moves = (0..count).map(|_| self.model.moves(index, role, Wait::Never));
            moves.collect::<Vec<_>>()
        };
        let moves = expected.as_ref().map(moves).unwrap_or_default();
        let worker = Worker::start(|socket| {
            let attached = Endpoint::<T>::attach(role, Call::Open, &path, 0);
            let Some(mut end) = agree(attached, &expected) else {
                return;
            };
            moves
                .into_iter()
                .for_each(|expected| end.moves(expected, Wait::Never));
            tell(&socket, 0);
            hear(&socket);
        });
        let Ok(index) = expected else {
            return succeeds(worker.pid);
        };
        hear(&worker.socket);
        if stops {
            signal(worker.pid as u32, libc::SIGSTOP);
        }
        self.model.files[index].holders[role as usize] = Some(worker.pid as u32);
        self.holdings.push((index, role, Holding::Child(worker)));
    }

    /// This process's first endpoint with this role, and the number of its ring.
    fn own(&mut self, role: Role) -> Option<(usize, &mut Endpoint<T>)> {
        self.holdings
            .iter_mut()
            .find_map(|(index, held, holding)| match holding {
                Holding::Own(end, _) if *held == role => Some((*index, end)),
                _ => None,
            })
    }

    fn moves(&mut self, role: Role, waits: bool) {
        let Some((index, _)) = self.own(role) else {
            return;
        };
        let mut wait = if waits { long() } else { Wait::Never };
        let expected = self.model.moves(index, role, wait);
        if expected == Err(PopError::TimedOut) {
            wait = Wait::Until(SHORT.into());
        }
        let (_, end) = self.own(role).expect("it is there");
        end.moves(expected, wait);
    }

    /// The peer is attached, no peer can attach, or one may.
    fn wait_for_peer(&mut self, role: Role) {
        let Some((index, _)) = self.own(role) else {
            return;
        };
        let file = &self.model.files[index];
        let is_there = self.model.is_there(index, role);
        let (is_left_alone, is_abandoned) = (file.is_left_alone(role), file.is_abandoned(role));
        let has_peer = file.holders[other(role) as usize].is_some();
        let (_, end) = self.own(role).expect("it is there");
        if !is_there {
            let (timeout, expected) = match (has_peer, is_left_alone) {
                (true, _) => (PATIENCE, Ok(())),
                (_, true) => (PATIENCE, Err(PeerError::Superseded)),
                _ => (SHORT, Err(PeerError::TimedOut)),
            };
            assert_eq!(end.end().wait_for_peer_timeout(timeout.into()), expected);
        }
        let Endpoint::Consumer(end) = end else {
            return;
        };
        let (timeout, expected) = match (is_there, is_left_alone || is_abandoned) {
            (true, _) => (PATIENCE, Some(Selected::Ready(0))),
            (_, true) => (PATIENCE, Some(Selected::Abandoned(0))),
            _ => (SHORT, None),
        };
        let selected = Select::new().wait(&mut [end], Some(timeout));
        assert_eq!(selected.ok(), expected);
    }

    /// Waits while the name is removed; perhaps there is another ring then.
    fn wait(&mut self, role: Role, again: bool) {
        let Some((index, _)) = self.own(role) else {
            return;
        };
        if self.model.found != Found::File(index) {
            return;
        }
        let is_abandoned = self.model.files[index].is_abandoned(role);
        self.model.found = Found::Nothing;
        self.model.files[index].has_name = false;
        let expected = self.model.moves(index, role, long());
        let new = again.then(|| self.model.call(Call::Create, PLAIN).expect("a new ring"));
        let path = self.model.path.clone();
        let remove = || {
            fs::remove_file(&path).expect("it has the name");
            new.map(|_| options::<T>(&PLAIN).create::<T>(&path).expect("a new ring"));
        };
        let wait = match expected {
            Err(PopError::TimedOut) => Wait::Until(SHORT.into()),
            _ => long(),
        };
        let (_, end) = self.own(role).expect("it is there");
        if is_abandoned {
            remove();
            return end.moves(expected, wait);
        }
        thread::scope(|scope| {
            let waiting = scope.spawn(|| end.moves(expected, wait));
            thread::sleep(SHORT);
            remove();
            waiting.join().expect("the model's answer");
        });
    }

    /// Closes or kills the first endpoint with this role; false if there is none.
    fn close(&mut self, role: Role, kills: bool) -> bool {
        let mut roles = self.holdings.iter().map(|(_, held, _)| *held);
        let Some(place) = roles.position(|held| held == role) else {
            return false;
        };
        let (index, _, holding) = self.holdings.remove(place);
        let unlinks = match holding {
            Holding::Own(end, unlinks) => {
                drop(end);
                unlinks
            }
            Holding::Child(worker) => {
                signal(worker.pid as u32, libc::SIGCONT);
                if kills {
                    kill(worker.pid);
                } else {
                    tell(&worker.socket, 0);
                    succeeds(worker.pid);
                }
                false
            }
        };
        self.model.leave(index, role, unlinks);
        true
    }

    /// What people do with files.
    fn by_hand(&mut self, step: &Step) {
        let (path, aside) = (self.model.path.clone(), self.directory.path().join("aside"));
        let found = self.model.found;
        match (step, found, self.model.aside) {
            (Step::Remove, Found::Other(_), _) => {
                let removed = fs::remove_file(&path).or_else(|_| fs::remove_dir(&path));
                removed.expect("our directory");
                self.model.found = Found::Nothing;
            }
            (Step::Remove, Found::File(index), _) => {
                fs::remove_file(&path).expect("our directory");
                self.model.files[index].has_name = false;
                self.model.found = Found::Nothing;
            }
            (Step::Rename, Found::File(index), None) => {
                fs::rename(&path, &aside).expect("our directory");
                (self.model.found, self.model.aside) = (Found::Nothing, Some(index));
            }
            (Step::Rename, Found::Nothing, Some(index)) => {
                fs::rename(&aside, &path).expect("our directory");
                (self.model.found, self.model.aside) = (Found::File(index), None);
            }
            (Step::Overwrite(which), Found::Nothing, _) => {
                let (make, reason) = OTHERS[*which];
                make(&path);
                self.model.found = Found::Other(reason);
            }
            (Step::Mark, Found::File(index), _) if !self.model.files[index].is_held() => {
                SegmentFile::open(&path).write_half(SUPERSEDED, 1);
                self.model.files[index].is_marked = true;
            }
            _ => {}
        }
    }

    /// Compares the files, and what this process's endpoints say.
    fn compare(&mut self) {
        let mut expected = Vec::new();
        expected.extend(self.model.aside.map(|_| "aside"));
        expected.extend((self.model.found != Found::Nothing).then_some("ring"));
        assert_eq!(files_in(self.directory.path()), expected);
        if let Found::Other(_) = self.model.found {
            let file = fs::symlink_metadata(&self.model.path).expect("it exists");
            assert!(
                file.len() < 1 << 16 || file.blocks() == 0,
                "it takes memory"
            );
        }
        for (index, role, holding) in &mut self.holdings {
            let Holding::Own(end, _) = holding else {
                continue;
            };
            let (file, end) = (&self.model.files[*index], end.end());
            let found = (end.position(), end.is_empty(), end.peer_epoch());
            let position = file.moved[*role as usize] * (self.model.smallest[1] / self.model.room);
            let epoch = file.epochs[other(*role) as usize];
            assert_eq!(found, (position, file.is_read(), epoch));
            let found = (end.is_abandoned(), end.is_superseded());
            assert_eq!(found, (file.is_abandoned(*role), !file.has_name));
        }
    }
}
