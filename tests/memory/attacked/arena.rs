//! An attacked ring, and the counts of its results.

use std::env;
use std::fs;
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::process;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use quoit::{ClaimError, Error, PopError, Ring, RingOptions, Shape};

use crate::attacked::attacker::{HOLD, Target};
use crate::common::PATIENCE;
use crate::common::child::Child;
use crate::common::dice::Dice;
use crate::common::ends::End;
use crate::common::names::RingName;
use crate::common::segment_file::{DATA, HEAD, SegmentFile, TAIL};

/// Bytes of a ring of frames, so that its data end where its mapping ends.
pub(crate) const CAPACITY: u64 = 4096;
/// The distance of evenly spaced frames.
pub(crate) const SPACING: usize = 64;
/// UTF-8 text that stays valid when cut at any even length.
pub(crate) const TEXT: &str = "\
    äöüßéèñçäöüßéèñçäöüßéèñçäöüßéèñçäöüßéèñçäöüßéèñçäöüßéèñçäöüßéèñç\
    äöüßéèñçäöüßéèñçäöüßéèñçäöüßéèñçäöüßéèñçäöüßéèñçäöüßéèñçäöüßéèñç";

/// A ring with both endpoints in this process, and a process that attacks it.
pub(crate) struct Arena<T: Shape + ?Sized> {
    ring: Ring<T>,
    file: SegmentFile,
    attacker: Child,
    producer: Option<T::Producer>,
    consumer: Option<T::Consumer>,
    /// A position that no endpoint has reached.
    fresh: u64,
    /// The address of the data.
    pub(crate) data: Range<usize>,
    /// Last: it removes the file.
    _name: RingName,
}

/// The least number of rounds of an attack.
fn rounds() -> u64 {
    let wish = env::var("QUOIT_ATTACKS").ok();
    let wish = wish.map_or(0, |wish| wish.parse().expect("QUOIT_ATTACKS is a number"));
    wish.max(100_000)
}

/// This many effects make an attack.
const ENOUGH: u64 = 300;
const A_WHILE: Duration = Duration::from_secs(1);

/// The results of the rounds of an attack.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Calls that succeeded.
    pub(crate) done: u64,
    /// Values that this process did not write, or that changed between two reads.
    pub(crate) wrong: u64,
    /// Endpoints that were poisoned.
    pub(crate) corrupt: u64,
    /// Calls that found no work, or a peer that seems to have closed or crashed.
    pub(crate) idle: u64,
}

/// The effects that an attack must have before it may end.
#[derive(Clone, Copy)]
pub(crate) enum Bites {
    Wrong,
    Corrupt,
    Both,
    /// The attack changes no value and no result.
    Neither,
}

impl Tally {
    /// The number of effects of the rarest kind that is required.
    fn bitten(&self, bites: Bites) -> u64 {
        let bitten = match bites {
            Bites::Wrong => self.wrong,
            Bites::Corrupt => self.corrupt,
            Bites::Both => self.wrong.min(self.corrupt),
            Bites::Neither => u64::MAX,
        };
        bitten.min(self.done)
    }

    /// Counts what a consumer may return under attack.
    pub(crate) fn popped<R>(&mut self, result: Result<R, PopError>) {
        match result {
            Ok(_) => self.done += 1,
            Err(PopError::Corrupt) => self.corrupt += 1,
            Err(
                PopError::Empty | PopError::Abandoned | PopError::Superseded | PopError::TimedOut,
            ) => self.idle += 1,
            Err(PopError::TooShort { needed }) => {
                assert!(needed as u64 <= CAPACITY - 8, "{needed}");
                self.idle += 1;
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// The same for a producer.
    pub(crate) fn pushed<R>(&mut self, result: Result<R, ClaimError>) {
        match result {
            Ok(_) => self.done += 1,
            Err(ClaimError::Corrupt) => self.corrupt += 1,
            Err(
                ClaimError::Full
                | ClaimError::TimedOut
                | ClaimError::Abandoned
                | ClaimError::Superseded,
            ) => self.idle += 1,
            Err(error) => panic!("{error}"),
        }
    }

    /// Counts one value, and whether it was correct.
    pub(crate) fn value(&mut self, is_right: bool) {
        self.done += 1;
        self.wrong += u64::from(!is_right);
    }
}

impl Bites {
    pub(crate) fn may_poison(self) -> bool {
        matches!(self, Self::Corrupt | Self::Both)
    }
}

/// Repeats `round`, this many times as often as an attack has rounds. A round that does not
/// end fails the test.
pub(crate) fn run(times: u64, bites: Bites, mut round: impl FnMut(&mut Tally, &mut Dice)) {
    let (heart, beats) = mpsc::channel();
    let watch = thread::spawn(move || {
        loop {
            match beats.recv_timeout(PATIENCE) {
                Ok(()) => {}
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    eprintln!("a round does not end");
                    process::abort();
                }
            }
        }
    });
    let (rounds, begin) = (times * rounds(), Instant::now());
    let (mut tally, mut dice) = (Tally::default(), Dice(rounds));
    let mut number = 0;
    // If the scheduler starves the attacker, there are more rounds, up to a limit.
    let is_starved = |bitten| bitten < ENOUGH && begin.elapsed() < A_WHILE;
    while number < rounds || tally.bitten(bites) == 0 || is_starved(tally.bitten(bites)) {
        assert!(number < 100 * rounds, "the attack has no effect: {tally:?}");
        if number % 128 == 0 {
            heart.send(()).expect("the watchdog runs");
        }
        round(&mut tally, &mut dice);
        number += 1;
    }
    drop(heart);
    watch.join().expect("the watchdog ends");
    print!("{number} rounds, {tally:?}: ");
}

impl<T: Shape<Producer: End> + ?Sized> Arena<T> {
    /// A new ring, attacked from now on.
    pub(crate) fn new(
        test: &str,
        options: &RingOptions,
        spacing: usize,
        targets: &[Target],
    ) -> Self {
        let name = RingName::new(test);
        let ring: Ring<T> = options.create(&name).expect("a new name");
        let path = name.file();
        let path = path.to_str().expect("a path in UTF-8");
        let data = mapping(path);
        let data = data.start + DATA as usize..data.end;
        let spacing = spacing.to_string();
        let targets: Vec<_> = targets.iter().map(|target| target.name()).collect();
        let mut arguments = vec![path, &spacing];
        arguments.extend(targets.iter().map(String::as_str));
        let attacker = Child::start("attack", &arguments);
        attacker.expect("ready");
        let mut arena = Self {
            ring,
            file: SegmentFile::open(&name.file()),
            attacker,
            producer: None,
            consumer: None,
            fresh: 0,
            data,
            _name: name,
        };
        arena.restore();
        arena
    }

    /// Takes both roles again, on repaired positions. The first attempt is under attack; if
    /// it fails, the attacker pauses for the second one.
    pub(crate) fn restore(&mut self) {
        loop {
            self.producer = None;
            self.consumer = None;
            self.fresh += 1 << 20;
            self.file.write(TAIL, self.fresh);
            self.file.write(HEAD, self.fresh);
            self.producer = taken(self.ring.producer());
            if self.producer.is_some() {
                self.consumer = taken(self.ring.consumer());
            }
            if self.consumer.is_some() {
                break;
            }
            self.file.write(HOLD, 1);
        }
        self.file.write(HOLD, 0);
    }

    /// Takes the consumer's role again, after all published messages.
    pub(crate) fn replace_consumer(&mut self) {
        self.consumer = None;
        let tail = self.producer().position();
        self.file.write(HEAD, tail);
        self.consumer = taken(self.ring.consumer());
        if self.consumer.is_none() {
            self.restore();
        }
    }

    pub(crate) fn producer(&mut self) -> &mut T::Producer {
        self.producer.as_mut().expect("the role was taken")
    }

    pub(crate) fn consumer(&mut self) -> &mut T::Consumer {
        self.consumer.as_mut().expect("the role was taken")
    }

    pub(crate) fn ends(&mut self) -> (&mut T::Producer, &mut T::Consumer) {
        let (producer, consumer) = (self.producer.as_mut(), self.consumer.as_mut());
        (
            producer.expect("the role was taken"),
            consumer.expect("the role was taken"),
        )
    }

    /// Both endpoints, for an adapter that owns them; `restore` takes new ones.
    pub(crate) fn take_ends(&mut self) -> (T::Producer, T::Consumer) {
        let (producer, consumer) = (self.producer.take(), self.consumer.take());
        (
            producer.expect("the role was taken"),
            consumer.expect("the role was taken"),
        )
    }
}

impl<T: Shape + ?Sized> Drop for Arena<T> {
    fn drop(&mut self) {
        if !thread::panicking() {
            assert!(!self.attacker.has_ended(), "the attacker ended");
        }
    }
}

/// The role, or `None` if the positions were attacked at the same time.
fn taken<E>(end: Result<E, Error>) -> Option<E> {
    match end {
        Ok(end) => Some(end),
        Err(Error::Corrupt(_)) => None,
        Err(error) => panic!("{error}"),
    }
}

/// The address at which this process maps a file. The file may have been mapped before it had a name.
fn mapping(path: &str) -> Range<usize> {
    let inode = fs::metadata(path)
        .expect("the ring's file")
        .ino()
        .to_string();
    let maps = fs::read_to_string("/proc/self/maps").expect("the mappings");
    let is_ours = |line: &&str| line.split_whitespace().nth(4) == Some(&inode);
    let line = maps.lines().find(is_ours);
    let range = line.and_then(|line| line.split(' ').next());
    let ends = range.and_then(|range| range.split_once('-'));
    let (start, end) = ends.expect("a mapping");
    let address = |text| usize::from_str_radix(text, 16).expect("an address");
    address(start)..address(end)
}

/// The options of every attacked ring: its endpoints sleep after a short spin.
pub(crate) fn options(capacity: u64) -> RingOptions {
    RingOptions::new(capacity).spin(Duration::from_nanos(500))
}

impl Arena<[u8]> {
    /// A ring of frames.
    pub(crate) fn frames(test: &str, spacing: usize, targets: &[Target]) -> Self {
        Self::new(test, &options(CAPACITY), spacing, targets)
    }
}

/// Iterates over the characters, if the bytes are text.
pub(crate) fn walk(bytes: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(bytes).ok()?;
    let mut length = 0;
    for letter in text.chars() {
        length += letter.len_utf8();
        let code = u32::from(letter);
        assert!(code <= 0x10_ffff, "{letter:?} is not a character");
        assert!(length <= bytes.len(), "the text is longer than its bytes");
    }
    assert_eq!(length, bytes.len());
    Some(length)
}

/// Whether the bytes were published.
pub(crate) fn is_text(bytes: &[u8]) -> bool {
    walk(bytes);
    TEXT.as_bytes().starts_with(bytes)
}

/// Text of any length.
pub(crate) fn any_text(dice: &mut Dice) -> (u32, Vec<u8>) {
    let len = match dice.roll(4) {
        0 => 2 * dice.roll(TEXT.len() as u64 / 2),
        _ => 2 * dice.roll(24),
    };
    (0, TEXT.as_bytes()[..len].to_vec())
}

/// Text with the length of evenly spaced frames.
pub(crate) fn spaced_text(_: &mut Dice) -> (u32, Vec<u8>) {
    (0, TEXT.as_bytes()[..SPACING - 8].to_vec())
}
