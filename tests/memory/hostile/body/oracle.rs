//! What every call keeps, whatever the bytes of the segment are.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt::Debug;
use std::hint::black_box;
use std::mem;
use std::ops::Range;
use std::ptr;
use std::rc::Rc;

use quoit::{ClaimError, Corrupt, Deadline, PeerError, PopError};

use super::Tally;
use super::calls::Prey;
use super::choices::Choices;
use super::memory::{DATA, EVERYTHING, HEAD, Memory, PAGE, StrayWrite, TAIL, Target};
use crate::common::calls::watch::{Moment, watched};
use crate::common::calls::{Amount, Read, Wait, Way, Write};
use crate::common::ends::End;

/// The bytes that an endpoint stores with a message, from its position on.
const OWN: usize = 128;

/// A ring's memory, and the results of its calls.
#[derive(Clone)]
pub(crate) struct Scene {
    pub(crate) memory: Memory,
    pub(crate) writes: Writes,
    pub(crate) tally: Tally,
}

/// When the segment is overwritten.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Writes {
    Never,
    /// Between two calls and in their moments, so that results can be compared.
    Between,
    Always,
}

impl Scene {
    /// Whether the segment does not change in between two moments.
    pub(crate) fn is_quiet(&self) -> bool {
        self.writes != Writes::Always
    }
}

/// An endpoint, and its earlier results.
pub(crate) struct Watched<E> {
    pub(crate) end: E,
    /// The address of the segment, once it is known.
    base: Option<usize>,
    /// The poison that it must return from now on, at this position.
    poison: Option<(Corrupt, u64)>,
    pub(crate) closed: bool,
}

/// The result of a call.
pub(crate) enum Answer {
    /// A value, or none at the moment.
    Sound,
    /// The endpoint is poisoned: `corruption()` has the reason.
    Corrupt,
    /// A result that does not depend on the ring.
    Silent,
}

/// An error that a call may return.
pub(crate) trait Failure: Copy + Debug {
    fn answer(self) -> Answer;
}

impl Failure for ClaimError {
    fn answer(self) -> Answer {
        match self {
            Self::Full | Self::TimedOut | Self::Abandoned | Self::Superseded => Answer::Sound,
            Self::TooLong { .. } => Answer::Silent,
            Self::Corrupt => Answer::Corrupt,
            other => panic!("{other}"),
        }
    }
}

impl Failure for PopError {
    fn answer(self) -> Answer {
        match self {
            Self::Empty | Self::TimedOut | Self::Abandoned | Self::Superseded => Answer::Sound,
            Self::TooShort { needed } if needed <= PAGE - 8 => Answer::Sound,
            Self::TooMany { .. } => Answer::Silent,
            Self::Corrupt => Answer::Corrupt,
            other => panic!("{other}"),
        }
    }
}

/// What a call may do.
struct Call {
    name: String,
    role: &'static str,
    /// The fields that may poison the endpoint.
    fields: &'static [&'static str],
    /// If it succeeds, it moves this many messages.
    counts: Range<usize>,
    /// How often the endpoint may move by a whole ring.
    laps: u64,
    /// It may have moved some messages before an error.
    goes_on: bool,
    /// It may succeed although the endpoint is poisoned.
    hides: bool,
    /// It may have moved and then polled for the next message.
    looks_on: bool,
}

/// A call in progress.
struct Progress {
    scene: Scene,
    header: usize,
    position: u64,
    /// The address of the segment, once it is known.
    base: Option<usize>,
    /// The endpoint's own memory, for its copy of an inline message.
    private: Range<usize>,
    poisoned: bool,
    choices: Choices,
    /// The segment was overwritten during the call.
    attacked: bool,
    /// The bytes that it holds, of messages that it will pass on.
    held: VecDeque<(*const u8, usize)>,
    /// How many messages it has passed on.
    taken: usize,
    /// The segment when it found corruption and continued.
    refused: Option<Vec<u8>>,
}

/// Publishes by a call; a part of the messages, or none.
pub(crate) fn write<T: Prey + ?Sized>(
    producer: &mut Watched<T::Producer>,
    scene: &Scene,
    way: &Way<Write<T>>,
    messages: &[T::Message],
    manner: usize,
    choices: &mut Choices,
) -> Result<usize, ClaimError> {
    let name = way.name();
    let has = |word| name.contains(word);
    let may_be_none = ["claim_many", "Batch", "select", "writer"]
        .map(has)
        .contains(&true);
    let is_all = way.amount == Amount::All;
    let call = Call {
        role: "published",
        name: name.clone(),
        fields: &["head"],
        counts: usize::from(!may_be_none).min(messages.len())..messages.len() + 1,
        laps: if is_all { messages.len() as u64 } else { 1 },
        goes_on: is_all,
        hides: has("select") || has("writer"),
        looks_on: false,
    };
    let written = producer.step::<T, _>(scene, call, choices, |end, _| {
        (way.call)(end, messages, way.wait, manner)
    });
    assert!(
        !messages.is_empty() || has("extend") || written == Ok(0),
        "by {name}"
    );
    written
}

/// Takes messages by a call, and returns them.
pub(crate) fn read<T: Prey + ?Sized>(
    consumer: &mut Watched<T::Consumer>,
    scene: &Scene,
    way: &Way<Read<T>>,
    wanted: usize,
    manner: usize,
    choices: &mut Choices,
) -> (Result<usize, PopError>, Vec<T::Message>) {
    let name = way.name();
    let has = |word| name.contains(word);
    let is_all = way.amount == Amount::All;
    let may_be_none = ["latest", "select", "reader"].map(has).contains(&true);
    let call = Call {
        role: "delivered",
        name: name.clone(),
        fields: &["tail", "frame length", "padding"],
        counts: match has("latest") {
            true => 0..usize::MAX,
            false => usize::from(!may_be_none).min(wanted)..wanted.saturating_add(1),
        },
        laps: match is_all {
            _ if has("reader") => 32,
            true => wanted as u64 + 1,
            false => 1,
        },
        goes_on: is_all || has("drain") || has("reader") || name == "try_skip",
        // A release of some frames reads their headers again.
        hides: has("select")
            || has("iter")
            || has("reader")
            || has("peek_many") && T::HEADER > 0 && manner % 2 == 1,
        looks_on: has("reader"),
    };
    let mut taken = Vec::new();
    let read = consumer.step::<T, _>(scene, call, choices, |end, take| {
        let mut take = |message: T::Message| {
            take(T::bytes(&message));
            taken.push(message);
        };
        (way.call)(end, wanted, way.wait, manner, &mut take)
    });
    let is_idle = wanted == 0 && (has("pop") || name == "try_skip");
    assert!(!is_idle || read == Ok(0), "by {name}");
    (read, taken)
}

impl<E: End> Watched<E> {
    pub(crate) fn new(end: E, base: Option<usize>) -> Self {
        Self {
            end,
            base,
            poison: None,
            closed: false,
        }
    }

    pub(crate) fn close(&mut self) {
        self.end.close();
        self.closed = true;
    }

    pub(crate) fn is_poisoned(&self) -> bool {
        self.poison.is_some()
    }

    /// How long a call waits; forever only if the endpoint never waits, or where it is known
    /// whether it waits.
    pub(crate) fn wait(&self, is_known: bool, choices: &mut Choices) -> Wait {
        let timeout = choices.timeout();
        match choices.below(4) {
            0 | 1 => Wait::Never,
            2 if is_known || self.closed || self.poison.is_some() => {
                choices.one_of(&[Wait::Forever, Wait::Until(Deadline::NEVER)])
            }
            _ => Wait::Until(timeout.into()),
        }
    }

    /// A call, with all checks.
    fn step<T: Prey + ?Sized, F: Failure>(
        &mut self,
        scene: &Scene,
        call: Call,
        choices: &mut Choices,
        make: impl FnOnce(&mut E, &mut dyn FnMut(&[u8])) -> Result<usize, F>,
    ) -> Result<usize, F> {
        let segment = || (scene.writes == Writes::Between).then(|| scene.memory.segment());
        let (before, earlier, own) = (segment(), self.end.position(), (&raw const self.end).addr());
        let progress = Rc::new(RefCell::new(Progress {
            scene: scene.clone(),
            header: T::HEADER,
            position: earlier,
            base: self.base,
            private: own..own + size_of::<E>(),
            poisoned: self.poison.is_some(),
            choices: mem::take(choices),
            attacked: false,
            held: VecDeque::new(),
            taken: 0,
            refused: None,
        }));
        let watcher = Rc::clone(&progress);
        let watcher = move |moment| watcher.borrow_mut().sees(moment);
        let take = &mut |bytes: &[u8]| progress.borrow_mut().takes(bytes);
        let result = watched(scene.is_quiet(), watcher, || make(&mut self.end, take));
        let progress = Rc::into_inner(progress).expect("the call has ended");
        let progress = progress.into_inner();
        (self.base, *choices) = (progress.base, progress.choices);

        let moved = self.end.position().wrapping_sub(earlier);
        assert!(moved <= call.laps * self.end.capacity());
        scene.tally.count(call.role, moved != 0);
        let answer = match result {
            Ok(count) => {
                assert!(call.counts.contains(&count), "{count} by {}", call.name);
                assert!(
                    [0, count].contains(&progress.taken),
                    "{count} are passed on"
                );
                let found = self.end.corruption().is_some();
                match T::HEADER {
                    0 => assert_eq!(moved, count as u64),
                    header if !found && !call.looks_on => {
                        assert!(moved >= (count * header) as u64 && (moved == 0) == (count == 0));
                    }
                    _ => {}
                }
                match call.hides || call.counts.end == 1 {
                    true => Answer::Silent,
                    false => Answer::Sound,
                }
            }
            Err(error) => {
                assert!(moved == 0 || call.goes_on, "{}: {error:?}", call.name);
                let is_taken = call.goes_on && progress.taken > 0;
                assert!(!is_taken || moved > 0, "{} has not released", call.name);
                error.answer()
            }
        };
        let is_refused = matches!(answer, Answer::Corrupt) && moved == 0 && !progress.attacked;
        if progress.poisoned || is_refused {
            // It may have written some frames before it found that there is no room for all.
            let drops = T::HEADER > 0 && call.role == "published" && is_refused;
            let end = if drops { DATA } else { usize::MAX };
            self.has_stored_nothing(before, scene, 0..end);
        }
        self.has_stored_nothing(progress.refused, scene, 0..usize::MAX);
        self.judge(answer, call.fields, &scene.tally);
        result
    }

    /// All getters of an endpoint, and perhaps `close`.
    pub(crate) fn ask(&mut self, scene: &Scene, choices: &mut Choices) {
        let before = (scene.is_quiet() && self.poison.is_some()).then(|| scene.memory.segment());
        let end = &mut self.end;
        assert!(end.len() <= end.capacity());
        black_box((end.is_empty(), end.is_abandoned(), end.is_superseded()));
        black_box((end.peer_epoch(), format!("{end:?}")));
        end.count_dropped(u64::MAX);
        let waited = end.wait_for_peer_timeout(choices.timeout().into());
        assert!(matches!(
            waited,
            Ok(()) | Err(PeerError::TimedOut | PeerError::Superseded)
        ));
        if choices.below(4) == 3 {
            self.close();
            scene.tally.count("closed", true);
        }
        // It may count, sleep and close, but store nothing that a message consists of.
        for range in [TAIL..TAIL + OWN, HEAD..HEAD + OWN, DATA..usize::MAX] {
            self.has_stored_nothing(before.clone(), scene, range);
        }
        self.judge(Answer::Silent, &[], &scene.tally);
    }

    /// Requires that the segment has its earlier content.
    fn has_stored_nothing(&self, before: Option<Vec<u8>>, scene: &Scene, range: Range<usize>) {
        if let Some(before) = before {
            let range = range.start..range.end.min(before.len());
            let after = scene.memory.segment();
            let is_same = before[range.clone()] == after[range];
            assert!(is_same, "a poisoned endpoint has stored");
            scene.tally.count("stored nothing", true);
        }
    }

    fn judge(&mut self, answer: Answer, fields: &[&str], tally: &Tally) {
        let position = self.end.position();
        let now = self.end.corruption().map(|corrupt| (corrupt, position));
        match (self.poison, answer, now) {
            (Some(poison), Answer::Corrupt | Answer::Silent, now) => assert_eq!(now, Some(poison)),
            (Some((poison, _)), Answer::Sound, _) => panic!("valid again after {poison}"),
            (None, Answer::Corrupt, None) => panic!("`Corrupt` without a corruption"),
            (None, Answer::Sound, Some((corrupt, _))) => {
                panic!("poisoned by {corrupt} without an error")
            }
            (None, _, Some((corrupt, _))) => {
                assert!(fields.contains(&corrupt.field), "{corrupt}");
                tally.count(corrupt.field, true);
                tally.count("corrupt", true);
                self.poison = now;
            }
            (None, _, None) => {}
        }
    }
}

impl Progress {
    fn sees(&mut self, moment: Moment) {
        match moment {
            Moment::Holds(address, len) => {
                if len > 0 {
                    self.check(address, len);
                }
                self.attack(&EVERYTHING);
                if len > 0 || self.header > 0 {
                    self.held.push_back((address, len));
                }
            }
            Moment::Pauses => self.attack(&EVERYTHING),
            Moment::Refused => {
                // Perhaps the header is valid again.
                self.attack(&[Target::Headers]);
                let quiet = self.scene.is_quiet();
                self.refused = quiet.then(|| self.scene.memory.segment());
            }
        }
    }

    /// Checks that these bytes are in the data, or in the endpoint's own memory, and reads all
    /// of them.
    fn check(&mut self, address: *const u8, len: usize) {
        black_box(copied(address, len));
        let (start, end) = (address.addr(), address.addr() + len);
        if self.private.contains(&start) {
            assert!(end <= self.private.end, "{len} bytes in the endpoint");
            return;
        }
        let memory = &self.scene.memory;
        // No ring here has more than a page of data.
        let first_page = (start & !(PAGE - 1)) - DATA;
        let base = *self.base.get_or_insert(first_page);
        assert!(start >= base + DATA, "bytes before the data");
        assert!(end <= base + DATA + memory.data, "bytes beyond the data");
        let offset = start - base - DATA;
        assert!(match self.header {
            0 => [memory.offset(self.position), 0].contains(&offset),
            header => offset >= header && offset % header == 0,
        });
    }

    /// May overwrite the segment.
    fn attack(&mut self, targets: &[Target]) {
        let writes = self.scene.writes == Writes::Between;
        if writes && !self.poisoned && self.choices.coin() {
            let (choices, memory) = (&mut self.choices, self.scene.memory);
            memory.apply(&StrayWrite::choose(targets, 0, choices, &memory));
            self.attacked = true;
        }
    }

    /// The call passes on a message: if it holds one, the bytes that are there now.
    fn takes(&mut self, bytes: &[u8]) {
        let is_uniform = bytes.windows(2).all(|pair| pair[0] == pair[1]);
        self.scene.tally.count("wrong", !is_uniform);
        self.taken += 1;
        if !self.scene.is_quiet() {
            return;
        }
        if let Some((address, len)) = self.held.pop_front() {
            assert!(copied(address, bytes.len()) == bytes, "not what it holds");
            if self.header == 0 && bytes.len() < len {
                let rest = (address.wrapping_add(bytes.len()), len - bytes.len());
                self.held.push_front(rest);
            }
        }
    }
}

/// Reads these bytes.
fn copied(address: *const u8, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    // SAFETY: mapped, or a sanitizer reports it. `check` proves that it is the ring's.
    unsafe { ptr::copy_nonoverlapping(address, bytes.as_mut_ptr(), len) };
    bytes
}
