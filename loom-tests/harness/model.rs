//! One model: the scenario, the bound of its exploration, and what it must reach.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};

use super::death::{self, MORTALS};
use super::reached::{Reached, State};
use super::report::thousands;

/// The most branches of one execution: with more, it makes no progress.
const MAX_BRANCHES: usize = 1_000;

/// One thread for each endpoint, one for a store buffer or a reactor, and one that has ended.
const THREADS: usize = 4;

/// One run of both endpoints of a protocol.
pub(crate) trait Scenario<S>: Sync {
    fn run(&'static self, steps: &'static S);
}

impl<S: 'static, F: Fn(&'static S) + Sync + 'static> Scenario<S> for F {
    fn run(&'static self, steps: &'static S) {
        self(steps);
    }
}

/// A model of a protocol whose steps are an `S`.
pub(crate) struct Model<S: 'static> {
    pub(crate) name: &'static str,
    /// Preemptions per execution; `None` explores every interleaving.
    pub(crate) preemptions: Option<usize>,
    /// The least preemptions with which it detects mutants: a third thread needs more.
    pub(crate) least: usize,
    /// How many mortals die, each at each of its steps.
    pub(crate) mortals: usize,
    /// The least number of executions: below it, the model misses interleavings.
    pub(crate) floor: u64,
    /// States that some execution must reach.
    pub(crate) states: &'static [State],
    pub(crate) scenario: &'static dyn Scenario<S>,
}

/// The result of a model.
pub(crate) struct Outcome {
    pub(crate) executions: u64,
    /// The number of explorations: one, or one for each death.
    explorations: u64,
    reached: Reached,
    /// The first panic.
    pub(crate) failure: Option<Failure>,
}

/// A panic inside a model, by loom or by an assertion.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) message: String,
    place: String,
}

thread_local! {
    static EXECUTIONS: Cell<u64> = const { Cell::new(0) };
    static EXPLORING: Cell<bool> = const { Cell::new(false) };
    static FAILURE: RefCell<Option<Failure>> = const { RefCell::new(None) };
}

impl<S: Sync> Model<S> {
    /// Default values: every interleaving, nothing required.
    pub(crate) const EMPTY: Self = Self {
        name: "",
        preemptions: None,
        least: 0,
        mortals: 0,
        floor: 1,
        states: &[],
        scenario: &|_| {},
    };

    /// Explores the model with these steps, with at most `limit` preemptions, until the
    /// first failure.
    pub(crate) fn explore(&self, steps: &'static S, limit: Option<usize>) -> Outcome {
        let preemptions = match (self.preemptions, limit) {
            (Some(own), Some(limit)) => Some(own.min(limit.max(self.least))),
            (own, limit) => own.or(limit),
        };
        let mut explorations = 0;
        EXECUTIONS.set(0);
        Reached::take();
        let mut last_steps = vec![0; self.mortals];
        let failure = loop {
            death::appoint(&last_steps);
            explorations += 1;
            if let Err(failure) = check(preemptions, self.scenario, steps) {
                break Some(failure);
            }
            if !postpone(&mut last_steps, death::died()) {
                break None;
            }
        };
        Outcome {
            executions: EXECUTIONS.get(),
            explorations,
            reached: Reached::take(),
            failure,
        }
    }

    /// Runs the model with the shipped steps. Returns a line about it, or the reason of the failure.
    pub(crate) fn verify(&self, shipped: &'static S) -> Result<String, String> {
        let outcome = self.explore(shipped, None);
        if let Some(Failure { message, place }) = outcome.failure {
            let execution = thousands(outcome.executions);
            return Err(format!("in execution {execution}, at {place}: {message}"));
        }
        let executions = thousands(outcome.executions);
        if outcome.executions < self.floor {
            let floor = thousands(self.floor);
            return Err(format!(
                "{executions} executions, below the floor of {floor}"
            ));
        }
        let missing = outcome.reached.missing(self.states);
        if !missing.is_empty() {
            return Err(format!("never {}", missing.join(", never ")));
        }
        let bound = match self.preemptions {
            Some(bound) => format!("{bound} preemptions"),
            None => "unbounded".to_owned(),
        };
        let deaths = match self.mortals {
            0 => String::new(),
            _ => format!(", {} deaths", outcome.explorations - 1),
        };
        Ok(format!(
            "{executions} executions ({bound}{deaths}): {}",
            outcome.reached.show(self.states)
        ))
    }
}

/// Appoints the next deaths: the last mortal that died gets one more step, and those after
/// it start from their first step. `false` if none died.
fn postpone(last_steps: &mut [u32], died: [bool; MORTALS]) -> bool {
    let Some(last) = (0..last_steps.len()).rev().find(|&mortal| died[mortal]) else {
        return false;
    };
    last_steps[last] += 1;
    last_steps[last + 1..].fill(0);
    true
}

/// Explores once. Sets every bound here: loom would take it from the environment, where a
/// lower bound could hide a failure.
fn check<S: Sync>(
    preemptions: Option<usize>,
    scenario: &'static dyn Scenario<S>,
    steps: &'static S,
) -> Result<(), Failure> {
    let mut loom = loom::model::Builder::new();
    loom.max_threads = THREADS;
    loom.max_branches = MAX_BRANCHES;
    loom.max_permutations = None;
    loom.max_duration = None;
    loom.preemption_bound = preemptions;
    loom.checkpoint_file = None;
    loom.checkpoint_interval = usize::MAX;
    FAILURE.take();
    EXPLORING.set(true);
    let end = catch_unwind(AssertUnwindSafe(|| {
        loom.check(move || {
            EXECUTIONS.set(EXECUTIONS.get() + 1);
            scenario.run(steps);
        });
    }));
    EXPLORING.set(false);
    end.map_err(|_| FAILURE.take().expect("the hook sees every panic"))
}

/// Records the panics of models: they may be expected, and their stacks are too small for
/// the standard hook's backtrace. Call it once, before the first model: loom's coroutines
/// wrap the hook that is installed then.
pub(super) fn keep_panics() {
    let standard = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if EXPLORING.get() {
            FAILURE.with_borrow_mut(|failure| {
                failure.get_or_insert_with(|| Failure::new(panic));
            });
        } else {
            standard(panic);
        }
    }));
}

impl Failure {
    fn new(panic: &PanicHookInfo<'_>) -> Self {
        let payload = panic.payload();
        let message = match payload.downcast_ref::<&str>() {
            Some(message) => message,
            None => payload
                .downcast_ref::<String>()
                .map_or("?", |message| message),
        };
        let place = panic.location().expect("always there");
        Self {
            message: message.trim().to_owned(),
            place: format!("{}:{}", place.file(), place.line()),
        }
    }
}
