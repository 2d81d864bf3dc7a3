//! Medians and quartiles.

use core::fmt;

use serde_json::{Value, json};

/// The median and the quartiles of some values.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spread {
    pub(crate) lower: f64,
    pub(crate) median: f64,
    pub(crate) upper: f64,
    pub(crate) worst: f64,
    pub(crate) count: usize,
}

impl Spread {
    /// Of one or more values.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        Self {
            lower: quantile(&values, 0.25),
            median: quantile(&values, 0.5),
            upper: quantile(&values, 0.75),
            worst: quantile(&values, 1.0),
            count: values.len(),
        }
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "median": self.median,
            "lower_quartile": self.lower,
            "upper_quartile": self.upper,
            "count": self.count,
        })
    }
}

/// A single value.
impl From<f64> for Spread {
    fn from(value: f64) -> Self {
        Self::of([value])
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            lower,
            median,
            upper,
            ..
        } = self;
        write!(f, "{median:.3} [{lower:.3} .. {upper:.3}]")
    }
}

/// The quantile of the sorted values, with linear interpolation.
pub(crate) fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let (low, high) = (
        sorted[place.floor() as usize],
        sorted[place.ceil() as usize],
    );
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
