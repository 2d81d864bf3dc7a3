//! The numbers of the documentation: for each mechanism its equivalent and its cost, and each
//! target with its figure.

use std::error::Error;
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::mechanisms::{
    CALL, FILE, PARKED, PIPE, SEMAPHORE, SIGNAL, SLOT, SPINNING, TCP, Task, UDP, UNIX,
};
use super::page;
use super::spread::show_nanos;

/// A mechanism of the field, and what quoit has in its place.
struct Row {
    mechanism: &'static str,
    module: &'static str,
    example: &'static str,
    /// The measured names: the mechanism by itself, quoit spinning, and quoit
    /// asleep in the kernel.
    plain: Option<&'static str>,
    spinning: Option<&'static str>,
    parked: Option<&'static str>,
}

const ROWS: [Row; 9] = [
    Row {
        mechanism: "pipe",
        module: "`FrameProducer::writer`, `FrameConsumer::reader`: `Write` and `Read`",
        example: "`pipe`",
        plain: Some(PIPE),
        spinning: Some(SPINNING),
        parked: Some(PARKED),
    },
    Row {
        mechanism: "shared memory",
        module: "the ring itself",
        example: "`producer`, `consumer`",
        plain: Some(SLOT),
        spinning: Some(SPINNING),
        parked: Some(PARKED),
    },
    Row {
        mechanism: "semaphore",
        module: "`DoorbellKind::Semaphore`",
        example: "`doorbells`",
        plain: Some(SLOT),
        spinning: None,
        parked: Some(SEMAPHORE),
    },
    Row {
        mechanism: "Unix socket",
        module: "`quoit::handoff`: a ring goes over it, then in its place",
        example: "`demo`, `workers`",
        plain: Some(UNIX),
        spinning: Some(SPINNING),
        parked: Some(PARKED),
    },
    Row {
        mechanism: "TCP",
        module: "a ring behind the socket",
        example: "`tcp_gateway`",
        plain: Some(TCP),
        spinning: Some(SPINNING),
        parked: Some(PARKED),
    },
    Row {
        mechanism: "UDP",
        module: "a ring behind the socket",
        example: "`udp_echo`",
        plain: Some(UDP),
        spinning: Some(SPINNING),
        parked: Some(PARKED),
    },
    Row {
        mechanism: "signal",
        module: "`try_push` in a handler",
        example: "`profiler`",
        plain: Some(SIGNAL),
        spinning: Some(SPINNING),
        parked: Some(PARKED),
    },
    Row {
        mechanism: "RPC",
        module: "`quoit::rpc`",
        example: "`calculator`",
        plain: Some(UNIX),
        spinning: Some(CALL),
        parked: None,
    },
    Row {
        mechanism: "memory-mapped file",
        module: "a path as the ring's name; `sync_all`",
        example: "`journal`",
        plain: None,
        spinning: Some(FILE),
        parked: None,
    },
];

/// Between these lines of a file are the numbers.
const BEGIN: &str =
    "<!-- made by: cargo bench --bench verdict -- --numbers src/docs/numbers.md -->\n";
const END: &str = "<!-- end of what was made -->\n";

/// The plot, in the directory of the page.
const PICTURE: &str = "percentiles.svg";

/// What became of the targets of all benches.
pub(crate) fn bars(runs: &Value) -> Vec<&Value> {
    let runs = runs.as_object().into_iter().flatten();
    let bars = runs.flat_map(|(_, run)| run["bars"].as_array().into_iter().flatten());
    bars.collect()
}

/// A table of them, folded.
fn targets(runs: &Value) -> String {
    let bars = bars(runs);
    let missed = bars.iter().filter(|bar| bar["ok"] != true).count();
    let mut table = format!(
        "<details>\n<summary>{} targets, of which {missed} are missed here</summary>\n\n\
         | target | figure | IQR | limit | |\n|---|--:|--:|--:|---|\n",
        bars.len()
    );
    for bar in bars {
        let number = |name: &str| bar[name].as_f64().unwrap_or(f64::NAN);
        let spread = match number("lower") == number("upper") {
            true => String::new(),
            false => format!("{:.3} to {:.3}", number("lower"), number("upper")),
        };
        let limit = bar["limit"].as_str().unwrap_or("?");
        table += &format!(
            "| `{}` | {:.3} | {spread} | {} | {} |\n",
            bar["name"].as_str().unwrap_or("?"),
            number("value"),
            limit.replace('<', "&lt;").replace('>', "&gt;"),
            if bar["ok"] == true {
                "ok"
            } else {
                "**missed**"
            }
        );
    }
    table + "\n</details>\n"
}

/// What stands for each mechanism, and what it costs.
fn mechanisms(run: &Value) -> Result<String, Box<dyn Error>> {
    let trips = &run["figures"][Task::Trips.figure(8)]["variants"];
    if trips.is_null() {
        return Err("the run has no round trips of 8 bytes".into());
    }
    let nanos = |name: Option<&str>| {
        let nanos = name.and_then(|name| trips[name]["nanoseconds"].as_f64());
        nanos.map_or_else(|| "–".to_owned(), show_nanos)
    };
    let mut table =
        "| mechanism | with quoit | example | by itself | quoit, spinning | quoit, parked |\n\
                     |---|---|---|--:|--:|--:|\n"
            .to_owned();
    for row in ROWS {
        table += &format!(
            "| {} | {} | {} | {} | {} | {} |\n",
            row.mechanism,
            row.module,
            row.example,
            nanos(row.plain),
            nanos(row.spinning),
            nanos(row.parked)
        );
    }
    Ok(table)
}

/// The result in one sentence, and a warning if the machine was busy.
fn headline(runs: &Value) -> String {
    let noise = page::noise(runs).map(|warning| format!("**Noise.** {warning}"));
    let sentences = [page::result(runs), noise].into_iter().flatten();
    sentences.map(|sentence| sentence + "\n\n").collect()
}

/// Puts the numbers of these runs into a file, in the place of those that are
/// there, and the picture where the file shows it.
pub(crate) fn replace(path: &Path, runs: &Value) -> Result<(), Box<dyn Error>> {
    let text = fs::read_to_string(path)?;
    let parts = text.split_once(BEGIN).and_then(|(before, rest)| {
        let (_, after) = rest.split_once(END)?;
        Some((before, after))
    });
    let Some((before, after)) = parts else {
        return Err(format!("{} has no place for the numbers", path.display()).into());
    };
    let run = &runs["transports"];
    let picture = page::curves(run).ok_or("the run has no single round trips")?;
    let numbers = format!(
        "\n{}{}.\n\n{}\n![Percentiles of round trips of 8 bytes]({PICTURE})\n\n{}\n",
        headline(runs),
        page::origin(run).replace("; ", ";\n"),
        mechanisms(run)?,
        targets(runs)
    );
    fs::write(path.with_file_name(PICTURE), picture)?;
    Ok(fs::write(
        path,
        format!("{before}{BEGIN}{numbers}{END}{after}"),
    )?)
}
