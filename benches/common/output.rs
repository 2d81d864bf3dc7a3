//! The output files of a bench: JSON and HTML.

use std::error::Error;
use std::fs;
use std::path::PathBuf;

use clap::Args;
use serde_json::{Map, Value};

use super::page;
use super::targets::Report;

/// The options of every bench.
#[derive(Debug, Clone, Args)]
pub(crate) struct Output {
    /// Takes a tenth of the time, with less precise figures
    #[arg(long)]
    pub(crate) quick: bool,
    /// Writes all figures to this JSON file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Writes an HTML page with charts to this file; it needs no network
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// An argument that cargo passes to every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

impl Output {
    /// Writes the requested files, and keeps the figures of a complete run for the bench
    /// `report`.
    pub(crate) fn keep(
        &self,
        bench: &str,
        report: &Report,
        whole: bool,
    ) -> Result<(), Box<dyn Error>> {
        let run = report.json(self.quick)?;
        if whole {
            fs::create_dir_all(directory())?;
            fs::write(part(bench), pretty(&run))?;
        }
        if let Some(path) = &self.json {
            fs::write(path, pretty(&run))?;
        }
        if let Some(path) = &self.report {
            let runs = Value::Object(Map::from_iter([(bench.to_owned(), run)]));
            fs::write(path, page::page(&runs))?;
        }
        Ok(())
    }
}

/// The figures that the benches have kept: the last run of each.
pub(crate) fn kept() -> Result<Value, Box<dyn Error>> {
    let mut runs = Map::new();
    for bench in BENCHES {
        let path = part(bench);
        let text = fs::read_to_string(&path)
            .map_err(|error| format!("{}: {error}; run `cargo bench` first", path.display()))?;
        runs.insert(bench.to_owned(), serde_json::from_str(&text)?);
    }
    Ok(Value::Object(runs))
}

/// The benches, in the order in which cargo runs them.
const BENCHES: [&str; 4] = ["parked", "round_trip", "throughput", "transports"];

fn part(bench: &str) -> PathBuf {
    directory().join(bench).with_extension("json")
}

/// The directory of the kept figures, in the target directory.
pub(crate) fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).with_file_name("quoit-bench")
}

pub(crate) fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}
