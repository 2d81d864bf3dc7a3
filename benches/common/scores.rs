//! What the variants of a comparison have measured, and the ratios of their slices.

use std::error::Error;
use std::fmt;

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use super::interleaved::nanos;

/// The measurements of one variant.
#[derive(Debug, Clone)]
pub(crate) struct Score {
    name: String,
    batch: f64,
    /// Nanoseconds per operation in each slice: the median of its batches.
    slices: Vec<f64>,
    used: Vec<[f64; 2]>,
    /// Every batch of every slice.
    batches: Histogram<u64>,
}

/// The shares of the operations whose longest times are stored.
pub(crate) const QUANTILES: [f64; 6] = [0.5, 0.9, 0.99, 0.999, 0.9999, 1.0];

impl Score {
    pub(crate) fn new(name: &str, batch: u64) -> Self {
        let (name, batch) = (name.to_owned(), batch as f64);
        Self {
            name,
            batch,
            slices: Vec::new(),
            used: Vec::new(),
            batches: nanos(),
        }
    }

    /// Adds a slice, with the percent of the lead's processor and its sleeps per second.
    pub(crate) fn add(
        &mut self,
        batches: &Histogram<u64>,
        used: [f64; 2],
    ) -> Result<(), Box<dyn Error>> {
        let median = batches.value_at_quantile(0.5) as f64;
        self.slices.push(median / self.batch);
        self.used.push(used);
        Ok(self.batches.add(batches)?)
    }

    /// The medians of the percent of the lead's processor, and of its sleeps per second.
    pub(crate) fn used(&self) -> [f64; 2] {
        [0, 1].map(|what| Spread::of(self.used.iter().map(|used| used[what])).median)
    }

    /// The median of the slices.
    pub(crate) fn nanos(&self) -> f64 {
        Spread::of(self.slices.iter().copied()).median
    }

    fn quantile(&self, share: f64) -> f64 {
        self.batches.value_at_quantile(share) as f64 / self.batch
    }

    fn json(&self) -> Value {
        json!({
            "nanoseconds": self.nanos(),
            "operations": self.batches.len() * self.batch as u64,
            "batch": self.batch,
            "mean": self.batches.mean() / self.batch,
            "quantiles": QUANTILES.map(|share| self.quantile(share)),
            "slices": self.slices,
            "cpu_percent": self.used()[0],
            "sleeps_per_second": self.used()[1],
        })
    }
}

/// From this round trip of a bare line on, in nanoseconds, two processors share no cache.
const FAR: f64 = 200.0;
/// From this many involuntary context switches per second on, a verdict is inconclusive.
pub(crate) const DISTURBED: f64 = 100.0;

/// The measurements of all variants.
#[derive(Debug, Clone)]
pub(crate) struct Scores {
    pub(crate) title: String,
    pub(crate) scores: Vec<Score>,
    /// Involuntary context switches per second of the two sides: how busy the machine
    /// was with other work. `None` on one processor, where the two preempt each other.
    pub(crate) preempted: Option<f64>,
}

impl Scores {
    pub(crate) fn of(&self, name: &str) -> &Score {
        let score = self.scores.iter().find(|score| score.name == name);
        score.unwrap_or_else(|| panic!("there is no variant {name}"))
    }

    /// The ratio of `name` to `other` in each round.
    pub(crate) fn ratio(&self, name: &str, other: &str) -> Spread {
        self.ratio_of_fastest(&[name], other)
    }

    /// The ratio of the fastest of `names` to `other` in each round.
    pub(crate) fn ratio_of_fastest(&self, names: &[&str], other: &str) -> Spread {
        let other = self.of(other).slices.iter().enumerate();
        Spread::of(other.map(|(round, nanos)| {
            let times = names.iter().map(|name| self.of(name).slices[round]);
            times.fold(f64::INFINITY, f64::min) / nanos
        }))
    }

    /// The rounds in which the round trip of a bare line, `line`, took less than [`FAR`]
    /// nanoseconds, and the other rounds. A virtual processor may move between two rounds.
    pub(crate) fn by_distance(&self, line: &str) -> [(&'static str, Self); 2] {
        let line = &self.of(line).slices;
        [("near", false), ("far", true)].map(|(name, is_far)| {
            let mut scores = self.clone();
            for score in &mut scores.scores {
                let mut is_kept = line.iter().map(|&line| (line >= FAR) == is_far);
                score.slices.retain(|_| is_kept.next() == Some(true));
            }
            (name, scores)
        })
    }

    pub(crate) fn rounds(&self) -> usize {
        self.scores.first().map_or(0, |score| score.slices.len())
    }

    /// Whether preemption makes every verdict inconclusive.
    pub(crate) fn is_disturbed(&self) -> bool {
        self.preempted.is_some_and(|count| count > DISTURBED)
    }

    /// The title, one line for each variant, with its ratio to `base`, and one line about
    /// preemption; in 80 columns.
    pub(crate) fn table(&self, base: &str) -> String {
        let one_by_one = self.scores.iter().all(|score| score.batch == 1.0);
        let head = match one_by_one {
            true => "       p99     p99.9     CPU sleeps/s",
            false => "  per second",
        };
        let mut table = format!("\n{}\n{:>36}{head}  of {base}\n", self.title, "time");
        for score in &self.scores {
            let ratio = self.ratio(&score.name, base);
            let times = [score.nanos(), score.quantile(0.99), score.quantile(0.999)];
            let ([time, p99, p999], [cpu, sleeps]) = (times.map(show_nanos), score.used());
            table += &format!("  {:24}{time:>10}", score.name);
            table += &match one_by_one {
                true => format!(
                    "{p99:>10}{p999:>10}{cpu:>7.2}%{sleeps:>9.1}  {:.3}\n",
                    ratio.median
                ),
                false => format!("{:>10.0} k  {ratio}\n", 1e6 / score.nanos()),
            };
        }
        let line = |count| format!("  involuntary context switches: {count:.0} per second");
        table + &self.preempted.map_or_else(String::new, line)
    }

    pub(crate) fn json(&self) -> Value {
        let scores = self.scores.iter();
        let variants = scores.map(|score| (score.name.clone(), score.json()));
        json!({
            "title": self.title,
            "preempted_per_second": self.preempted,
            "variants": Value::Object(variants.collect()),
        })
    }
}

/// The median and the quartiles of some values.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spread {
    pub(crate) lower: f64,
    pub(crate) median: f64,
    pub(crate) upper: f64,
}

impl Spread {
    /// Of one or more values.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let [lower, median, upper] = [0.25, 0.5, 0.75].map(|share| quantile(&values, share));
        Self {
            lower,
            median,
            upper,
        }
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.3} [{:.3} .. {:.3}]",
            self.median, self.lower, self.upper
        )
    }
}

/// The quantile of the sorted values, with linear interpolation.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let [low, high] = [place.floor(), place.ceil()].map(|place| sorted[place as usize]);
    low + (high - low) * place.fract()
}

/// Nanoseconds in a fitting unit.
pub(crate) fn show_nanos(nanos: f64) -> String {
    match nanos {
        _ if nanos < 1e3 => format!("{nanos:.1} ns"),
        _ if nanos < 1e6 => format!("{:.2} µs", nanos / 1e3),
        _ => format!("{:.2} ms", nanos / 1e6),
    }
}
