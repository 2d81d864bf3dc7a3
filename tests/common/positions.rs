//! Peers whose records are their positions: one for each line that they read, or a few, and then
//! none.

use std::time::Duration;

use quoit::{
    Consumer, Deadline, Error, Interest, PeerError, PopError, Producer, PushError, Ring,
    RingOptions, Role,
};

use super::child::{Child, hear, hold, say};
use super::ends;
use super::names::RingName;

pub(crate) const ROLES: [Role; 2] = [Role::Producer, Role::Consumer];

/// An endpoint of records, each of which is its position.
pub(crate) enum End {
    Producer(Producer<u64>),
    Consumer(Consumer<u64>),
}

impl std::ops::Deref for End {
    type Target = dyn ends::End;

    fn deref(&self) -> &Self::Target {
        match self {
            Self::Producer(end) => end,
            Self::Consumer(end) => end,
        }
    }
}

impl std::ops::DerefMut for End {
    fn deref_mut(&mut self) -> &mut Self::Target {
        match self {
            Self::Producer(end) => end,
            Self::Consumer(end) => end,
        }
    }
}

impl End {
    pub(crate) fn of(ring: &Ring<u64>, role: Role) -> Self {
        Self::take(ring, role).expect("the role is free")
    }

    pub(crate) fn take(ring: &Ring<u64>, role: Role) -> Result<Self, Error> {
        match role {
            Role::Producer => ring.producer().map(Self::Producer),
            Role::Consumer => ring.consumer().map(Self::Consumer),
        }
    }

    /// Pushes or pops the next record.
    pub(crate) fn moves(&mut self, timeout: impl Into<Deadline>) -> Result<(), PopError> {
        let position = self.position();
        match self {
            Self::Producer(end) => pushed(position, end.push_timeout(position, timeout)),
            Self::Consumer(end) => popped(position, end.pop_timeout(timeout)),
        }
    }

    pub(crate) fn wait_for_peer(&mut self) -> Result<(), PeerError> {
        match self {
            Self::Producer(end) => end.wait_for_peer(),
            Self::Consumer(end) => end.wait_for_peer(),
        }
    }

    pub(crate) fn interest(&mut self) -> Interest<'_> {
        match self {
            Self::Producer(end) => end.interest(),
            Self::Consumer(end) => end.interest(),
        }
    }
}

/// The result of a push of the record at this position, as that of a pop.
pub(crate) fn pushed(position: u64, result: Result<(), PushError<u64>>) -> Result<(), PopError> {
    result.map_err(|error| {
        assert_eq!(error.into_inner(), position);
        match error {
            PushError::Full(_) => PopError::Empty,
            PushError::TimedOut(_) => PopError::TimedOut,
            PushError::Abandoned(_) => PopError::Abandoned,
            PushError::Superseded(_) => PopError::Superseded,
            other => panic!("{other}"),
        }
    })
}

/// The result of a pop there.
pub(crate) fn popped(position: u64, result: Result<u64, PopError>) -> Result<(), PopError> {
    result.map(|found| assert_eq!(found, position))
}

/// The role with this text.
pub(crate) fn role_of(word: &str) -> Role {
    let role = ROLES.into_iter().find(|role| role.to_string() == word);
    role.expect("a role")
}

pub(crate) fn other(role: Role) -> Role {
    match role {
        Role::Producer => Role::Consumer,
        Role::Consumer => Role::Producer,
    }
}

/// Starts the part `peer` in a child: at the pace `on request`, or for this many records before it
/// returns.
pub(crate) fn start(role: Role, name: &RingName, pace: &str) -> Child {
    let child = Child::start("peer", &[name.as_str(), &role.to_string(), pace]);
    child.expect("ready");
    child
}

/// The part, until its input ends.
pub(crate) fn peer(words: &[String]) {
    let options = RingOptions::default().spin(Duration::ZERO);
    let ring = options.open(&words[0]).expect("the ring");
    let mut end = End::of(&ring, role_of(&words[1]));
    if let Ok(few) = words[2].parse() {
        (0..few).for_each(|_: u64| end.moves(Deadline::NEVER).expect("its peer is attached"));
        return hold();
    }
    say("ready");
    loop {
        hear();
        end.moves(Deadline::NEVER).expect("its peer is attached");
    }
}
