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
mod process;
mod recording;
mod report;
mod ring;
mod sight;
mod standard;
mod stop;
mod table;
mod watch;

use std::env;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use self::output::Output;
use self::standard::Standard;
use self::stop::{Code, Stop};

/// Sends, receives, records and inspects quoit's rings in shared memory
#[derive(Parser)]
#[command(name = "quoit", version, after_long_help = manual::block("Exit codes:"))]
struct Cli {
    /// Print JSON; send, recv, record and replay print it to standard error
    #[arg(long, global = true)]
    json: bool,

    #[command(subcommand)]
    command: Command,
}

/// The subcommands, and how each runs.
macro_rules! commands {
    ($($module:ident::$name:ident),*; $($page:ident),*) => {
        #[derive(Subcommand)]
        enum Command {
            $($name(commands::$module::$name),)*
            $($page(commands::pages::$page),)*
        }

        impl Command {
            fn run(&self, output: &Output) -> Result<(), Stop> {
                match self {
                    $(Self::$name(command) => command.run(output),)*
                    $(Self::$page(page) => page.run(Cli::command(), output),)*
                }
            }
        }
    };
}
commands!(
    list::List, stat::Stat, top::Top, tail::Tail, pipes::Send, pipes::Recv,
    recordings::Record, recordings::Replay, rm::Rm, metrics::Metrics, doctor::Doctor, bench::Bench; Completions, Man
);

fn main() -> ExitCode {
    interrupt::ignore_limits_of_size();
    let Cli { json, command } = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() && asks_for_json() => {
            let text = error.to_string();
            let text = text.trim_start_matches("error: ").trim_end();
            return Output::new(true).end(Err(Stop::new(Code::Usage, text)));
        }
        Err(error) if error.use_stderr() => error.exit(),
        Err(help) => {
            let output = Output::new(false);
            return output.end(output.help(&help.render()));
        }
    };
    let output = Output::new(json);
    let why = "the ring's file was truncated, or its file system is full";
    let line = output.complaint(&Stop::new(Code::NoRing, why));
    interrupt::say_at_truncation(line.unwrap_or_default());
    // What answers there does nothing if the answer can reach no reader.
    let done = match command {
        Command::Send(_) | Command::Record(_) | Command::Replay(_) => Ok(()),
        Command::Metrics(_) | Command::Completions(_) | Command::Man(_) if json => {
            let text = "it writes no JSON; leave out --json (quoit stat --json has all metrics)";
            Err(Stop::new(Code::Usage, text))
        }
        _ => Standard::Output.check(),
    };
    output.end(done.and_then(|()| command.run(&output)))
}

/// Whether the command line asks for JSON, though it is wrong.
fn asks_for_json() -> bool {
    let mut words = env::args_os().take_while(|word| word != "--");
    words.any(|word| word == "--json")
}
