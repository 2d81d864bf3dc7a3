//! The results of all other benches: one table, one JSON file, one page, and the numbers of
//! the documentation. It measures nothing; `cargo bench` runs it last.
//!
//! ```text
//! cargo bench                                       everything, under ten minutes
//! cargo bench --bench verdict -- --numbers src/docs/numbers.md
//! ```
//!
//! The second one writes the results of the last `cargo bench` into that page, and the plot of
//! the percentiles into its directory.

mod common;

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use common::output::{directory, kept, pretty};
use common::{numbers, page};

/// Combines the results of the other benches
#[derive(Debug, Parser)]
struct Arguments {
    /// Writes the numbers into this file, and its plot next to it
    #[arg(long, value_name = "FILE")]
    numbers: Option<PathBuf>,
    /// Writes the JSON to this file
    #[arg(long, value_name = "FILE", default_value_os_t = directory().join("report.json"))]
    json: PathBuf,
    /// Writes the page to this file
    #[arg(long, value_name = "FILE", default_value_os_t = directory().join("report.html"))]
    report: PathBuf,
    /// An argument that cargo passes to every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let runs = kept()?;
    for (bench, run) in runs.as_object().into_iter().flatten() {
        println!("{bench}: {}", page::origin(run));
    }
    println!();
    for sentence in [page::result(&runs), page::noise(&runs)]
        .into_iter()
        .flatten()
    {
        println!("{sentence}\n");
    }
    for bar in page::bars(&runs) {
        println!("{}", bar["line"].as_str().unwrap_or("?"));
    }
    fs::write(&arguments.json, pretty(&runs))?;
    fs::write(&arguments.report, page::page(&runs))?;
    println!("\n{}", arguments.json.display());
    println!("{}", arguments.report.display());
    match &arguments.numbers {
        Some(path) => numbers::replace(path, &runs),
        None => Ok(()),
    }
}
