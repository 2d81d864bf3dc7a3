//! The verdicts on mutants, whoever made them: how many models fail on each,
//! and what fails first. A mutant that no model fails on survives.

use super::model::Model;
use super::report::{first_sentence, table};

/// A trial of mutants, with one row for each in a table.
pub(super) struct Trial<'a, S: 'static> {
    models: &'a [&'static Model<S>],
    /// Preemptions at most, also of models that are otherwise unbounded.
    preemptions: usize,
    rows: Vec<[String; 4]>,
    survivors: Vec<String>,
}

impl<'a, S: Sync> Trial<'a, S> {
    /// A trial of mutants that the first two columns describe. All models must
    /// pass with `shipped`.
    pub(super) fn open(
        columns: [&str; 2],
        models: &'a [&'static Model<S>],
        shipped: &'static S,
        preemptions: usize,
    ) -> Result<Self, String> {
        for model in models {
            if let Some(failure) = model.explore(shipped, Some(preemptions)).failure {
                return Err(format!(
                    "{} fails as shipped: {}",
                    model.name, failure.message
                ));
            }
        }
        let [mutant, change] = columns;
        let header = [mutant, change, "models that fail", "what kills it first"];
        Ok(Self {
            models,
            preemptions,
            rows: vec![header.map(str::to_owned)],
            survivors: Vec::new(),
        })
    }

    /// Explores every model with the steps of one mutant.
    pub(super) fn judge(&mut self, columns: [&str; 2], steps: &'static S) {
        let mut killer = None;
        let mut kills = 0;
        for model in self.models {
            if let Some(failure) = model.explore(steps, Some(self.preemptions)).failure {
                kills += 1;
                killer.get_or_insert_with(|| {
                    format!("{}: {}", model.name, first_sentence(&failure.message))
                });
            }
        }
        let killer = killer.unwrap_or_else(|| {
            self.survivors.push(columns[0].to_owned());
            "nothing".to_owned()
        });
        let [mutant, change] = columns.map(str::to_owned);
        let count = format!("{kills} of {}", self.models.len());
        self.rows.push([mutant, change, count, killer]);
    }

    /// The table, if there is no survivor.
    pub(super) fn close(self) -> Result<String, String> {
        let mutants = self.rows.len() - 1;
        let dead = mutants - self.survivors.len();
        let table = table(&self.rows);
        if mutants == 0 || dead < mutants {
            return Err(format!("survivors: {:?}\n{table}", self.survivors));
        }
        let bound = self.preemptions;
        Ok(format!(
            "{dead} of {mutants} dead (preemptions: {bound})\n{table}"
        ))
    }
}
