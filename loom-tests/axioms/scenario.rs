//! A scenario: threads on shared words, the states that they must reach, and the faults that must never happen.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::atomic::Ordering;

use super::execution::Execution;
use super::models::Model;
use super::trace::{Body, Enumeration, Event, Kind, Thread, Trace, bit};
use crate::harness::reached::{State, names};
use crate::harness::report::thousands;

/// The threads of a scenario.
#[derive(Default)]
pub(crate) struct Setup {
    threads: Vec<Thread>,
    /// The threads of registered processes, which barriers interrupt.
    registered: u64,
}

/// A setup under construction, and the memory that its threads share.
pub(crate) struct On<M> {
    memory: Rc<M>,
    setup: Setup,
}

impl<M: 'static> On<M> {
    pub(crate) fn memory(memory: M) -> Self {
        Self {
            memory: Rc::new(memory),
            setup: Setup::default(),
        }
    }

    fn body(&self, body: impl Fn(&M) -> Option<()> + 'static) -> Body {
        let memory = Rc::clone(&self.memory);
        Box::new(move || body(&memory))
    }

    /// Adds a thread.
    pub(crate) fn thread(mut self, body: impl Fn(&M) -> Option<()> + 'static) -> Self {
        let body = self.body(body);
        self.setup.threads.push(Thread { body, death: None });
        self
    }

    /// Lets the last thread die after any of its events; then the kernel runs `body`.
    pub(crate) fn dies(mut self, death: impl Fn(&M) -> Option<()> + 'static) -> Self {
        let death = self.body(death);
        let last = self.setup.threads.last_mut().expect("a thread");
        last.death = Some(death);
        self
    }

    /// Registers the last thread's process for barriers.
    pub(crate) fn registered(mut self) -> Self {
        self.setup.registered |= 1 << (self.setup.threads.len() - 1);
        self
    }

    pub(crate) fn ready(self) -> Setup {
        self.setup
    }
}

/// The result of a scenario under one model.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    /// Something wrong that can happen.
    pub(crate) met: Option<String>,
    /// The execution.
    shown: String,
    /// The reachable states, a bit for each.
    reached: u64,
}

impl Verdict {
    /// Checks one execution under a model, and records its fault and its states.
    fn ask(&mut self, model: Model, execution: &Execution, wrong: Option<&str>, states: u64) {
        if self.met.is_none() {
            let races = || model.races(execution).then_some("a race on payload");
            let wrong = wrong.or_else(races).filter(|_| model.allows(execution));
            self.shown = wrong.map_or(String::new(), |wrong| execution.show(wrong));
            self.met = wrong.map(str::to_owned);
        }
        if states & !self.reached != 0 && model.allows(execution) {
            self.reached |= states;
        }
    }
}

/// The result of a scenario.
#[derive(Debug, Default)]
pub(crate) struct Explored {
    /// The number of candidate executions.
    count: u64,
    /// In the order of [`Model::ALL`].
    pub(crate) verdicts: [Verdict; 3],
}

pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) setup: fn() -> Setup,
    /// States that must not all occur together, unless one of the others occurs as well.
    pub(crate) forbidden: &'static [(&'static [State], &'static [State])],
    /// States that every model must reach.
    pub(crate) states: &'static [State],
    /// The least number of candidate executions.
    pub(crate) floor: u64,
}

/// A scenario with a wrong step in it.
pub(crate) struct Planted {
    pub(crate) scenario: Scenario,
    /// Which models find it, in the order of [`Model::ALL`].
    pub(crate) met: [bool; 3],
}

impl Scenario {
    /// Default values of the fields.
    pub(crate) const EMPTY: Self = Self {
        name: "",
        setup: Setup::default,
        forbidden: &[],
        states: &[],
        floor: 0,
    };
}

/// All coherent executions of a scenario.
struct Candidates {
    initial: Vec<u64>,
    traces: Vec<Vec<Trace>>,
}

impl Candidates {
    fn new(setup: &Setup) -> Self {
        let mut enumeration = Enumeration::default();
        let mut traces = enumeration.run(&setup.threads);
        for (number, traces) in traces.iter_mut().enumerate() {
            if setup.registered >> number & 1 == 1 {
                *traces = traces.iter().flat_map(interrupted).collect();
            }
        }
        Self {
            initial: enumeration.places.initial,
            traces,
        }
    }

    /// Calls `judge` with each execution and its traces, until it returns `false`.
    fn each(&self, judge: &mut dyn FnMut(&Execution, &[&Trace]) -> bool) {
        let index = Index::new(self);
        self.choose(&index, &mut Vec::new(), judge);
    }

    fn choose<'a>(
        &'a self,
        index: &Index,
        chosen: &mut Vec<usize>,
        judge: &mut dyn FnMut(&Execution, &[&Trace]) -> bool,
    ) -> bool {
        let thread = chosen.len();
        let Some(traces) = self.traces.get(thread) else {
            if !index.fits(chosen) {
                return true;
            }
            let traces: Vec<&Trace> = (self.traces.iter().zip(chosen.iter()))
                .map(|(traces, &number)| &traces[number])
                .collect();
            return Execution::each(&self.initial, &traces, &mut |execution| {
                judge(execution, &traces)
            });
        };
        (0..traces.len()).all(|number| {
            chosen.push(number);
            let goes_on = self.choose(index, chosen, judge);
            chosen.pop();
            goes_on
        })
    }
}

impl Setup {
    /// How many executions have this outcome, and which models allow one.
    pub(crate) fn outcomes(&self, last: &[(usize, u64)]) -> (u64, [bool; 3]) {
        let mut count = 0;
        let mut allowed = [false; 3];
        Candidates::new(self).each(&mut |execution, _| {
            if execution.ends_with(last) {
                count += 1;
                for (allowed, model) in allowed.iter_mut().zip(Model::ALL) {
                    *allowed |= model.allows(execution);
                }
            }
            true
        });
        (count, allowed)
    }

    /// Whether there is a race on payload.
    pub(crate) fn races(&self, model: Model) -> bool {
        let mut found = false;
        Candidates::new(self).each(&mut |execution, _| {
            found = model.races(execution) && model.allows(execution);
            !found
        });
        found
    }
}

/// What each trace stores, and what it reads from other threads: a bit for each value of each word.
struct Index(Vec<Vec<Exchange>>);

#[derive(Clone, Copy)]
struct Exchange {
    stores: u128,
    wants: u128,
    barriers: u32,
    interrupts: u32,
    /// Whether its process can be interrupted.
    hears: bool,
}

impl Index {
    fn new(candidates: &Candidates) -> Self {
        let all = candidates.traces.iter().flatten();
        let stored = all.flat_map(|trace| trace.events.iter().filter(|event| event.writes()));
        let stored: BTreeSet<_> = stored.map(|event| (event.place, event.value)).collect();
        assert!(stored.len() <= 128, "{} values are stored", stored.len());
        let bit_of = |event: &Event| {
            let position = stored
                .iter()
                .position(|&one| one == (event.place, event.value));
            position.map_or(0, |position| 1_u128 << position)
        };
        let exchange = |trace: &Trace| {
            let mut exchange = Exchange {
                stores: 0,
                wants: 0,
                barriers: 0,
                interrupts: 0,
                hears: false,
            };
            for event in &trace.events {
                match event.kind {
                    Kind::Write | Kind::Modify => exchange.stores |= bit_of(event),
                    Kind::Read if candidates.initial[event.place] != event.value => {
                        exchange.wants |= bit_of(event);
                    }
                    Kind::BarrierBegins => exchange.barriers += 1,
                    Kind::Interrupt => exchange.interrupts += 1,
                    _ => {}
                }
            }
            exchange
        };
        let of_thread = |traces: &Vec<Trace>| {
            let mut exchanges: Vec<_> = traces.iter().map(exchange).collect();
            let hears = exchanges.iter().any(|exchange| exchange.interrupts > 0);
            for exchange in &mut exchanges {
                exchange.hears = hears;
            }
            exchanges
        };
        Self(candidates.traces.iter().map(of_thread).collect())
    }

    /// Whether other threads store the values that are read, and every barrier interrupts
    /// the threads that it must.
    fn fits(&self, chosen: &[usize]) -> bool {
        let exchanges = || {
            let threads = self.0.iter().zip(chosen);
            threads.map(|(exchanges, &number)| exchanges[number])
        };
        let stores = exchanges().fold(0, |stores, exchange| stores | exchange.stores);
        let barriers: u32 = exchanges().map(|exchange| exchange.barriers).sum();
        exchanges().all(|exchange| {
            exchange.wants & !stores == 0 && (!exchange.hears || exchange.interrupts == barriers)
        })
    }
}

/// A trace, and its copies with an interrupt at each point. Where no fence forbids it, the
/// compiler may have moved a load ahead of the store directly before it; then the interrupt
/// may be between the two.
fn interrupted(trace: &Trace) -> Vec<Trace> {
    let mut compiled = vec![trace.clone()];
    for (at, pair) in trace.events.windows(2).enumerate() {
        let &[store, load] = pair else { continue };
        if store.kind == Kind::Write && load.kind == Kind::Read && store.place != load.place {
            let mut moved = trace.clone();
            moved.events.swap(at, at + 1);
            compiled.push(moved);
        }
    }
    let mut all = compiled.clone();
    for trace in compiled {
        for point in 0..=trace.events.len() {
            let next = trace.events.get(point).map(|event| event.kind);
            if next != Some(Kind::Modify) {
                let mut trace = trace.clone();
                let interrupt = Event::fence(Kind::Interrupt, Ordering::SeqCst);
                trace.events.insert(point, interrupt);
                all.push(trace);
            }
        }
    }
    all
}

impl Scenario {
    /// What is wrong with an execution, if it can happen.
    fn wrong(&self, traces: &[&Trace], states: u64) -> Option<String> {
        if let Some(fault) = traces.iter().find_map(|trace| trace.fault()) {
            return Some(fault.to_owned());
        }
        let all = |wanted: &[State]| wanted.iter().fold(0, |set, &state| set | bit(state));
        let mut forbidden = self.forbidden.iter();
        let (these, _) = forbidden.find(|(these, unless)| {
            states & all(these) == all(these) && states & all(unless) == 0
        })?;
        Some(names(these))
    }

    /// Runs the threads alone, so that every ordering site executes.
    pub(crate) fn enumerate(&self) {
        Candidates::new(&(self.setup)());
    }

    /// Checks the candidates under the given models. Stops early only if each model has
    /// found a fault.
    pub(crate) fn explore(&self, asked: [bool; 3]) -> Explored {
        let wanted = self.states.iter().fold(0, |set, &state| set | bit(state));
        let mut explored = Explored::default();
        Candidates::new(&(self.setup)()).each(&mut |execution, traces| {
            explored.count += 1;
            let states = traces.iter().fold(0, |set, trace| set | trace.states());
            let wrong = self.wrong(traces, states);
            let mut goes_on = false;
            let models = Model::ALL.into_iter().zip(&mut explored.verdicts);
            for ((model, verdict), _) in models.zip(asked).filter(|&(_, asked)| asked) {
                verdict.ask(model, execution, wrong.as_deref(), states & wanted);
                goes_on |= verdict.met.is_none();
            }
            goes_on
        });
        explored
    }

    /// Checks it under every model: no fault, every state reached, enough candidates.
    pub(crate) fn verify(&self) -> Result<String, String> {
        let Explored { count, verdicts } = self.explore([true; 3]);
        for (model, verdict) in Model::ALL.into_iter().zip(verdicts) {
            if verdict.met.is_some() {
                return Err(format!("{}: {}", model.name(), verdict.shown));
            }
            let missing = |state: &State| verdict.reached & bit(*state) == 0;
            let missing: Vec<_> = self.states.iter().copied().filter(missing).collect();
            if !missing.is_empty() {
                return Err(format!("{}: never {}", model.name(), names(&missing)));
            }
        }
        if count < self.floor || self.floor == 0 {
            let floor = self.floor;
            return Err(format!("{count} candidates, below the floor of {floor}"));
        }
        Ok(format!(
            "{} candidates; each model reaches: {}",
            thousands(count),
            names(self.states)
        ))
    }
}
