//! Mutation tests: a protocol with one step replaced by a wrong one. At least one model
//! must fail for each.

use super::model::Model;
use super::verdicts::Trial;

/// A protocol with one wrong step.
pub(crate) struct Mutant<S: 'static> {
    pub(crate) name: &'static str,
    /// The step that is replaced.
    pub(crate) step: &'static str,
    pub(crate) steps: S,
}

/// Explores models with each mutant, at this many preemptions at most, until one fails.
pub(crate) fn judge<S: Sync>(
    mutants: &'static [Mutant<S>],
    models: &[&'static Model<S>],
    shipped: &'static S,
    preemptions: usize,
) -> Result<String, String> {
    let mut trial = Trial::open(["mutant", "wrong step"], models, preemptions);
    for Mutant { name, step, steps } in mutants {
        trial.judge([name, step], steps);
    }
    trial.close(shipped)
}
