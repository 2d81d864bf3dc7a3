//! The README's table: what stands for each mechanism, and what it costs.

use std::error::Error;
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::mechanisms::{
    CALL, FILE, PARKED, PIPE, SEMAPHORE, SIGNAL, SLOT, SPINNING, TCP, Task, UDP, UNIX,
};
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
        module: "`Producer::writer`, `Consumer::reader`: `Write` and `Read`",
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
        module: "a path as the ring's name; `flush`",
        example: "`journal`",
        plain: None,
        spinning: Some(FILE),
        parked: None,
    },
];

/// Between these lines of a file is the table.
const BEGIN: &str = "<!-- made by: cargo bench --bench transports -- --readme README.md -->\n";
const END: &str = "<!-- end of what was made -->\n";

/// The table of a run's figures, with the machine.
pub(crate) fn table(run: &Value) -> Result<String, Box<dyn Error>> {
    let machine = run["figures"]["machine"]["line"].as_str();
    let machine = machine.ok_or("the run names no machine")?;
    let trips = &run["figures"][Task::Trips.figure(8)]["variants"];
    if trips.is_null() {
        return Err("the run has no round trips of 8 bytes".into());
    }
    let nanos = |name: Option<&str>| {
        let nanos = name.and_then(|name| trips[name]["nanoseconds"].as_f64());
        nanos.map_or_else(|| "–".to_owned(), show_nanos)
    };
    let machine = machine.replace("; ", ";\n");
    let mut table = format!(
        "Round trips of 8 bytes between two processes;\n{machine}.\n\n\
         | mechanism | with quoit | example | by itself | quoit, spinning | quoit, parked |\n\
         |---|---|---|--:|--:|--:|\n"
    );
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

/// Puts the table into a file, in the place of the one that is there.
pub(crate) fn replace(path: &Path, table: &str) -> Result<(), Box<dyn Error>> {
    let text = fs::read_to_string(path)?;
    let parts = text.split_once(BEGIN).and_then(|(before, rest)| {
        let (_, after) = rest.split_once(END)?;
        Some((before, after))
    });
    let Some((before, after)) = parts else {
        return Err(format!("{} has no place for the table", path.display()).into());
    };
    Ok(fs::write(
        path,
        format!("{before}{BEGIN}\n{table}\n{END}{after}"),
    )?)
}
