//! `quoit`: rings from the command line.

mod commands;
mod ends;
mod entry;
mod fields;
mod interrupt;
mod manual;
/// The limits that the library asks as well.
#[path = "../../segment/memory_limit.rs"]
mod memory_limit;
mod names;
mod output;
mod patient;
mod process;
mod progress;
mod recording;
mod report;
mod ring;
mod sight;
mod standard;
mod stop;
mod table;
mod watch;
mod wrong;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use self::output::Output;
use self::standard::Standard;
use self::stop::Stop;

/// Sends, receives, records and examines quoit's rings in shared memory
#[derive(Parser)]
#[command(name = "quoit", version, after_long_help = manual::block("Exit codes:"))]
struct Cli {
    /// Answer in JSON. send, recv, record and replay write it to standard error
    #[arg(long, global = true)]
    json: bool,

    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    List(commands::list::List),
    Stat(commands::stat::Stat),
    Top(commands::top::Top),
    Tail(commands::tail::Tail),
    Send(commands::send::Send),
    Recv(commands::recv::Recv),
    Record(commands::record::Record),
    Replay(commands::replay::Replay),
    Rm(commands::rm::Rm),
    Metrics(commands::metrics::Metrics),
    Doctor(commands::doctor::Doctor),
    Bench(commands::bench::Bench),
    Completions(commands::pages::Completions),
    Man(commands::pages::Man),
}

fn main() -> ExitCode {
    interrupt::ignore_what_errors_tell();
    let Cli { json, command } = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() => error.exit(),
        Err(help) => {
            let output = Output::new(false);
            return output.end(output.help(&help.render()));
        }
    };
    let output = Output::new(json);
    output.end(run(&command, &output))
}

fn run(command: &Command, output: &Output) -> Result<(), Stop> {
    // What answers there does nothing if the answer can reach no reader.
    if !matches!(
        command,
        Command::Send(_) | Command::Record(_) | Command::Replay(_)
    ) {
        Standard::Output.check().map_err(Stop::output())?;
    }
    match command {
        Command::List(list) => list.run(output),
        Command::Stat(stat) => stat.run(output),
        Command::Top(top) => top.run(output),
        Command::Tail(tail) => tail.run(output),
        Command::Send(send) => send.run(output),
        Command::Recv(recv) => recv.run(output),
        Command::Record(record) => record.run(output),
        Command::Replay(replay) => replay.run(output),
        Command::Rm(rm) => rm.run(output),
        Command::Metrics(metrics) => metrics.run(output),
        Command::Doctor(doctor) => doctor.run(output),
        Command::Bench(bench) => bench.run(output),
        Command::Completions(completions) => completions.run(Cli::command(), output),
        Command::Man(man) => man.run(Cli::command(), output),
    }
}
