//! Traces: what one thread does for given values of its loads.
//!
//! A thread runs many times. Each load gets a value that some thread might store to that
//! word, until all have been tried. The values are found the same way: all threads run
//! until no new value is stored. The result is every trace of the thread, independent of
//! any memory model.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::panic::Location;
use std::sync::atomic::Ordering;

use crate::harness::reached::State;

/// What a thread does to memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Read,
    Write,
    /// The write of a read-modify-write, directly after its read.
    Modify,
    Fence,
    /// A compiler fence.
    Light,
    /// The caller of the kernel's barrier enters the call.
    BarrierBegins,
    /// It returns from the call.
    BarrierEnds,
    /// That call has interrupted a processor of another process.
    Interrupt,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) kind: Kind,
    /// The word, numbered in the order of first access.
    pub(crate) place: usize,
    pub(crate) value: u64,
    /// `None` for payload, which is ordinary memory.
    pub(crate) order: Option<Ordering>,
    /// Where it is in the source.
    at: &'static Location<'static>,
}

impl fmt::Display for Event {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, at) = (self.kind, self.at);
        match self.order {
            Some(order) if self.place == usize::MAX => write!(out, "{kind:?} {order:?}")?,
            Some(order) => write!(out, "{kind:?} {} {order:?}", self.value)?,
            None => write!(out, "{kind:?} {} of payload", self.value)?,
        }
        write!(out, ", {}:{}", at.file(), at.line())
    }
}

impl Event {
    #[track_caller]
    pub(crate) fn fence(kind: Kind, order: Ordering) -> Self {
        Self {
            kind,
            place: usize::MAX,
            value: 0,
            order: Some(order),
            at: Location::caller(),
        }
    }

    /// The store of a word's first value.
    pub(crate) fn initial(place: usize, value: u64) -> Self {
        Self {
            kind: Kind::Write,
            place,
            value,
            order: Some(Ordering::Relaxed),
            at: Location::caller(),
        }
    }

    pub(crate) fn writes(self) -> bool {
        matches!(self.kind, Kind::Write | Kind::Modify)
    }
}

/// A thread's events, and the states and faults that it noted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Trace {
    pub(crate) events: Vec<Event>,
    /// States that it reached, each after this many events.
    states: Vec<(usize, State)>,
    /// A fault, after this many events.
    fault: Option<(usize, &'static str)>,
    /// Whether another thread can ask for it.
    is_wanted: bool,
}

impl Trace {
    /// The states, a bit for each.
    pub(crate) fn states(&self) -> u64 {
        let states = self.states.iter();
        states.fold(0, |set, &(_, state)| set | bit(state))
    }

    pub(crate) fn fault(&self) -> Option<&'static str> {
        self.fault.map(|(_, fault)| fault)
    }

    /// The trace of a thread that crashes after this many events.
    fn cut(&self, length: usize) -> Self {
        let mut cut = self.clone();
        cut.events.truncate(length);
        cut.states.retain(|&(after, _)| after <= length);
        cut.fault = cut.fault.filter(|&(after, _)| after <= length);
        cut
    }
}

/// A state's bit in a set of states.
pub(crate) fn bit(state: State) -> u64 {
    1 << state as u64
}

/// The code of a thread; `None` gives a trace that is discarded.
pub(crate) type Body = Box<dyn Fn() -> Option<()>>;

/// One thread of a scenario.
pub(crate) struct Thread {
    pub(crate) body: Body,
    /// What the kernel does after the thread has crashed, which may be after any event.
    pub(crate) death: Option<Body>,
}

/// Words by their addresses, and their initial values.
#[derive(Debug, Default)]
pub(crate) struct Places {
    numbers: BTreeMap<usize, usize>,
    pub(crate) initial: Vec<u64>,
}

impl Places {
    fn number(&mut self, address: usize, initial: u64) -> usize {
        *self.numbers.entry(address).or_insert_with(|| {
            self.initial.push(initial);
            self.initial.len() - 1
        })
    }
}

/// The stores of each thread.
type Stored = BTreeSet<(usize, usize, u64)>;

/// One run of a thread.
struct Recorder {
    places: Places,
    thread: usize,
    stored: Stored,
    /// Which of the values each load gets.
    script: Vec<usize>,
    /// How many values there were for each.
    choices: Vec<usize>,
    trace: Trace,
    /// Whether the thread has stopped.
    stopped: bool,
}

thread_local! {
    static RECORDER: RefCell<Option<Recorder>> = const { RefCell::new(None) };
}

fn with<R>(act: impl FnOnce(&mut Recorder) -> R) -> R {
    RECORDER.with_borrow_mut(|recorder| act(recorder.as_mut().expect("a thread of a scenario")))
}

/// The thread sleeps from now on; its later events are not recorded.
pub(crate) fn stop() {
    with(|recorder| recorder.stopped = true);
}

/// Records that the thread has reached a state.
pub(crate) fn note(state: State) {
    with(|recorder| {
        if recorder.stopped {
            return;
        }
        let after = recorder.trace.events.len();
        recorder.trace.states.push((after, state));
    });
}

/// Records a fault.
pub(crate) fn fault(fault: &'static str) {
    with(|recorder| {
        if recorder.stopped {
            return;
        }
        let after = recorder.trace.events.len();
        recorder.trace.fault.get_or_insert((after, fault));
    });
}

/// Continues only if the condition holds.
pub(crate) fn assume(condition: bool) -> Option<()> {
    condition.then_some(())
}

/// Records a fence of this kind.
#[track_caller]
pub(crate) fn fence(kind: Kind, order: Ordering) {
    let fence = Event::fence(kind, order);
    with(|recorder| recorder.push(fence));
}

/// Records a load of the word at an address, which holds `initial` at first.
#[track_caller]
pub(crate) fn load(address: usize, initial: u64, order: Option<Ordering>) -> u64 {
    let at = Location::caller();
    with(|recorder| recorder.load(address, initial, order, at))
}

/// Records a store.
#[track_caller]
pub(crate) fn store(address: usize, initial: u64, value: u64, order: Option<Ordering>) {
    let at = Location::caller();
    with(|recorder| recorder.store(Kind::Write, address, initial, (value, order), at));
}

/// Records a read-modify-write; `change` returns the new value, or `None` to keep the old one.
#[track_caller]
pub(crate) fn modify(
    address: usize,
    initial: u64,
    order: Ordering,
    change: impl FnOnce(u64) -> Option<u64>,
) -> u64 {
    let at = Location::caller();
    with(|recorder| {
        let old = recorder.load(address, initial, Some(order), at);
        if let Some(new) = change(old) {
            recorder.store(Kind::Modify, address, initial, (new, Some(order)), at);
        }
        old
    })
}

impl Recorder {
    fn push(&mut self, event: Event) {
        if !self.stopped {
            self.trace.events.push(event);
        }
    }

    fn load(
        &mut self,
        address: usize,
        initial: u64,
        order: Option<Ordering>,
        at: &'static Location<'static>,
    ) -> u64 {
        let place = self.places.number(address, initial);
        let mut own = self.trace.events.iter().rev();
        let own = own.find(|event| event.place == place && event.writes());
        if self.stopped {
            return own.map_or(initial, |event| event.value);
        }
        // It cannot read its own earlier stores after a later one.
        let mut values = vec![own.map_or(initial, |event| event.value)];
        for &(stored, thread, value) in &self.stored {
            if stored == place && thread != self.thread && !values.contains(&value) {
                values.push(value);
            }
        }
        let index = self.choices.len();
        self.choices.push(values.len());
        if index == self.script.len() {
            self.script.push(0);
        }
        let value = values[self.script[index]];
        self.push(Event {
            kind: Kind::Read,
            place,
            value,
            order,
            at,
        });
        value
    }

    fn store(
        &mut self,
        kind: Kind,
        address: usize,
        initial: u64,
        (value, order): (u64, Option<Ordering>),
        at: &'static Location<'static>,
    ) {
        let place = self.places.number(address, initial);
        self.push(Event {
            kind,
            place,
            value,
            order,
            at,
        });
    }

    /// The next script; `None` after the last.
    fn next(&self) -> Option<Vec<usize>> {
        let mut script = self.script[..self.choices.len()].to_vec();
        while let Some(last) = script.pop() {
            if last + 1 < self.choices[script.len()] {
                script.push(last + 1);
                return Some(script);
            }
        }
        None
    }
}

/// The largest number of traces of a thread: a scenario with more is too large.
const MOST_TRACES: usize = 20_000;

/// The threads of a scenario, while their traces are enumerated.
#[derive(Default)]
pub(crate) struct Enumeration {
    pub(crate) places: Places,
    stored: Stored,
}

impl Enumeration {
    /// Every trace of every thread.
    pub(crate) fn run(&mut self, threads: &[Thread]) -> Vec<Vec<Trace>> {
        loop {
            let before = self.stored.len();
            let mut traces: Vec<_> = (threads.iter().enumerate())
                .map(|(number, thread)| self.traces(number, thread))
                .collect();
            // A value that no thread loads may differ between runs.
            let all = traces.iter().flatten().flat_map(|trace| &trace.events);
            let loads = all.filter(|event| event.kind == Kind::Read);
            let loaded: BTreeSet<_> = loads.map(|event| event.place).collect();
            for (number, traces) in traces.iter().enumerate() {
                let events = traces.iter().flat_map(|trace| &trace.events);
                let stores = events.filter(|event| event.writes() && loaded.contains(&event.place));
                self.stored
                    .extend(stores.map(|event| (event.place, number, event.value)));
            }
            if self.stored.len() == before {
                for traces in &mut traces {
                    traces.retain(|trace| trace.is_wanted);
                }
                return traces;
            }
        }
    }

    fn traces(&mut self, number: usize, thread: &Thread) -> Vec<Trace> {
        let whole = self.record(number, Trace::default(), &thread.body);
        let Some(death) = &thread.death else {
            return whole;
        };
        let mut cuts: Vec<Trace> = Vec::new();
        for trace in whole.iter().filter(|trace| trace.is_wanted) {
            for length in 0..=trace.events.len() {
                let next = trace.events.get(length).map(|event| event.kind);
                // A read-modify-write is one instruction: no interrupt or death splits it.
                if next == Some(Kind::Modify) {
                    continue;
                }
                let cut = trace.cut(length);
                if !cuts.contains(&cut) {
                    cuts.push(cut);
                }
            }
        }
        let dead = cuts.into_iter();
        dead.flat_map(|cut| self.record(number, cut, death))
            .collect()
    }

    /// Every trace of a body that continues after `begin`.
    fn record(&mut self, thread: usize, begin: Trace, body: &Body) -> Vec<Trace> {
        let mut traces = Vec::new();
        let mut script = Vec::new();
        loop {
            RECORDER.set(Some(Recorder {
                places: std::mem::take(&mut self.places),
                thread,
                stored: std::mem::take(&mut self.stored),
                script,
                choices: Vec::new(),
                trace: begin.clone(),
                stopped: false,
            }));
            let ends_well = body().is_some();
            let mut recorder = RECORDER.take().expect("it was set");
            let next = recorder.next();
            self.places = recorder.places;
            self.stored = recorder.stored;
            recorder.trace.is_wanted = ends_well || recorder.trace.fault.is_some();
            traces.push(recorder.trace);
            assert!(traces.len() <= MOST_TRACES, "a thread has too many traces");
            match next {
                Some(next) => script = next,
                None => return traces,
            }
        }
    }
}
