//! `quoit completions` for a shell, and `quoit man`, the manual page.

use clap::{Args, Command};
use clap_complete::Shell;
use clap_mangen::Man as Page;

use crate::output::Output;
use crate::stop::{Code, Stop};

/// Writes a completion script for a shell to standard output
#[derive(Args)]
pub(crate) struct Completions {
    shell: Shell,
}

/// Writes the manual page to standard output: `quoit man | man -l -`
#[derive(Args)]
pub(crate) struct Man {
    /// The subcommand that the page is of
    subcommand: Option<String>,
}

impl Completions {
    pub(crate) fn run(&self, mut command: Command, output: &Output) -> Result<(), Stop> {
        // The generator panics where it cannot write.
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut command, "quoit", &mut script);
        output.answer(script)
    }
}

impl Man {
    pub(crate) fn run(&self, mut command: Command, output: &Output) -> Result<(), Stop> {
        // With the options that all of them have.
        command.build();
        if let Some(name) = &self.subcommand {
            let found = command.find_subcommand(name).cloned();
            let wrong = || Stop::new(Code::Usage, format!("{name}: no such subcommand"));
            command = found.ok_or_else(wrong)?;
        }
        let mut page = Vec::new();
        let rendered = Page::new(command).render(&mut page);
        rendered.map_err(Stop::io("make the manual page"))?;
        output.answer(page)
    }
}
