//! The results for mutants: which model fails for each, and how. The models run in order,
//! fast ones first, until one fails. A mutant survives if all of them pass.

use std::collections::BTreeSet;

use super::model::Model;
use super::report::{first_sentence, table};

/// A run of all mutants, with one table row for each.
pub(super) struct Trial<'a, S: 'static> {
    models: &'a [&'static Model<S>],
    /// The most preemptions, also for models that are otherwise unbounded.
    preemptions: usize,
    rows: Vec<[String; 3]>,
    /// The models that have killed a mutant.
    killers: BTreeSet<usize>,
    survivors: Vec<String>,
}

impl<'a, S: Sync> Trial<'a, S> {
    /// Starts a run; the first two columns describe a mutant.
    pub(super) fn open(
        columns: [&str; 2],
        models: &'a [&'static Model<S>],
        preemptions: usize,
    ) -> Self {
        let [mutant, change] = columns;
        let header = [mutant, change, "killed by"];
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

    /// The table, if no mutant survived, and if every model that killed one passes as
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
            return Err(format!("these survive: {:?}\n{table}", self.survivors));
        }
        let bound = self.preemptions;
        Ok(format!(
            "{dead} of {mutants} dead (preemptions: {bound})\n{table}"
        ))
    }
}
