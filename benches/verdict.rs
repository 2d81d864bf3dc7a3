//! The results of all other benches: one list of targets, one JSON file, and the numbers of the
//! documentation. It measures nothing; `cargo bench` runs it last.
//!
//! ```text
//! cargo bench                                       everything, under ten minutes
//! cargo bench --bench verdict -- --numbers src/docs/numbers.md
//! ```
//!
//! The second one writes the results of the last `cargo bench` into that page.

mod common;

use std::error::Error;
use std::fs;
use std::path::PathBuf;

use clap::Parser;
use serde_json::Value;

use common::bench::kept;
use common::numbers;

/// Combines the results of the other benches
#[derive(Debug, Parser)]
struct Arguments {
    /// Writes the numbers into this file
    #[arg(long, value_name = "FILE")]
    numbers: Option<PathBuf>,
    /// Writes the JSON to this file
    #[arg(long, value_name = "FILE", default_value_os_t = kept("report"))]
    json: PathBuf,
    /// An argument that cargo passes to every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let runs = numbers::runs()?;
    for (bench, run) in &runs {
        println!("{bench}: {}", numbers::origin(run));
    }
    println!("\n{}", numbers::headline(&runs));
    for bar in numbers::bars(&runs) {
        println!("{}", bar["line"].as_str().unwrap_or("?"));
    }
    if let Some(path) = &arguments.numbers {
        numbers::replace(path, &runs)?;
    }
    println!("\n{}", arguments.json.display());
    let runs = Value::from(runs);
    Ok(fs::write(&arguments.json, format!("{runs:#}\n"))?)
}
