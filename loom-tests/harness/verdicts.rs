//! The verdicts on mutants of any source: which model fails on each, and how.
//! The models are asked in their order, cheap ones first, until one fails: a mutant
//! that survives has been before them all.

use std::collections::BTreeSet;

use super::model::Model;
use super::report::{first_sentence, table};

/// A trial of mutants, with one row for each in a table.
pub(super) struct Trial<'a, S: 'static> {
    models: &'a [&'static Model<S>],
    /// Preemptions at most, also of models that are otherwise unbounded.
    preemptions: usize,
    rows: Vec<[String; 3]>,
    /// The models that have killed.
    killers: BTreeSet<usize>,
    survivors: Vec<String>,
}

impl<'a, S: Sync> Trial<'a, S> {
    /// A trial of mutants that the first two columns describe.
    pub(super) fn open(
        columns: [&str; 2],
        models: &'a [&'static Model<S>],
        preemptions: usize,
    ) -> Self {
        let [mutant, change] = columns;
        let header = [mutant, change, "what kills it"];
        Self {
            models,
            preemptions,
            rows: vec![header.map(str::to_owned)],
            killers: BTreeSet::new(),
            survivors: Vec::new(),
        }
    }

    /// Explores the models with the steps of one mutant until one fails.
    pub(super) fn judge(&mut self, columns: [&str; 2], steps: &'static S) {
        let mut models = self.models.iter().enumerate();
        let death = models.find_map(|(index, model)| {
            let failure = model.explore(steps, Some(self.preemptions)).failure?;
            self.killers.insert(index);
            let message = first_sentence(&failure.message);
            Some(format!("{}: {message}", model.name))
        });
        let death = death.unwrap_or_else(|| {
            self.survivors.push(columns[0].to_owned());
            "nothing".to_owned()
        });
        let [mutant, change] = columns.map(str::to_owned);
        self.rows.push([mutant, change, death]);
    }

    /// The table, if there is no survivor, and if all that kills lets live what is
    /// shipped.
    pub(super) fn close(self, shipped: &'static S) -> Result<String, String> {
        for &index in &self.killers {
            let model = self.models[index];
            if let Some(failure) = model.explore(shipped, Some(self.preemptions)).failure {
                return Err(format!(
                    "{} fails as shipped: {}",
                    model.name, failure.message
                ));
            }
        }
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
