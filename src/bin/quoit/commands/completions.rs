//! `quoit completions`: for a shell.

use clap::{Args, Command};
use clap_complete::Shell;

use crate::output::Output;
use crate::stop::Stop;

/// Writes a completion script for a shell to standard output
#[derive(Args)]
pub(crate) struct Completions {
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(&self, mut command: Command, output: &Output) -> Result<(), Stop> {
        // The generator panics where it cannot write.
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut command, "quoit", &mut script);
        output.answer(&script)
    }
}
