//! `quoit`: rings from the command line.

mod commands;
mod fields;
mod interrupt;
mod mounts;
mod output;
mod pages;
mod patient;
mod progress;
mod recording;
mod ring;
mod sight;
mod stop;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use self::commands::{
    completions, doctor, list, man, record, recv, replay, rm, send, stat, tail, top,
};
use self::output::Output;

/// Sends, receives, records and examines quoit's rings in shared memory
#[derive(Parser)]
#[command(name = "quoit", version, after_help = stop::EXIT_CODES)]
struct Cli {
    /// Answer in JSON: one object, on standard error where standard output is for data
    #[arg(long, global = true)]
    json: bool,

    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    List(list::List),
    Stat(stat::Stat),
    Top(top::Top),
    Tail(tail::Tail),
    Send(send::Send),
    Recv(recv::Recv),
    Record(record::Record),
    Replay(replay::Replay),
    Rm(rm::Rm),
    Doctor(doctor::Doctor),
    Completions(completions::Completions),
    Man(man::Man),
}

fn main() -> ExitCode {
    let Cli { json, command } = Cli::parse();
    let output = Output::new(json);
    let done = match command {
        Command::List(list) => list.run(&output),
        Command::Stat(stat) => stat.run(&output),
        Command::Top(top) => top.run(&output),
        Command::Tail(tail) => tail.run(&output),
        Command::Send(send) => send.run(&output),
        Command::Recv(recv) => recv.run(&output),
        Command::Record(record) => record.run(&output),
        Command::Replay(replay) => replay.run(&output),
        Command::Rm(rm) => rm.run(&output),
        Command::Doctor(doctor) => doctor.run(&output),
        Command::Completions(completions) => completions.run(&output),
        Command::Man(man) => man.run(&output),
    };
    done.map_or_else(|stop| output.stop(&stop), |()| ExitCode::SUCCESS)
}
