//! The other processes of an example: this program, started again.

use std::env;
use std::io::{self, BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::Result;
use super::wait::retry;

/// The environment variable of such a process.
pub(crate) const PART: &str = "QUOIT_EXAMPLE_PART";

/// A process that runs one part of the example. Dropping it kills it, as `kill -9` does.
pub(crate) struct Process {
    part: String,
    pub(crate) child: Child,
    /// What it prints, if that is piped.
    pub(crate) output: Option<BufReader<ChildStdout>>,
}

impl Process {
    /// Starts a part: its name, and its other words.
    pub(crate) fn start(words: &[&str]) -> Result<Self> {
        Self::spawn(words, Stdio::inherit(), Stdio::inherit())
    }

    /// Starts a part whose lines this process reads.
    pub(crate) fn start_piped(words: &[&str]) -> Result<Self> {
        Self::spawn(words, Stdio::inherit(), Stdio::piped())
    }

    pub(crate) fn spawn(words: &[&str], input: Stdio, output: Stdio) -> Result<Self> {
        let mut command = Command::new(env::current_exe()?);
        command.env(PART, "").args(words);
        let mut child = command.stdin(input).stdout(output).spawn()?;
        Ok(Self {
            part: words[0].to_owned(),
            output: child.stdout.take().map(BufReader::new),
            child,
        })
    }

    /// The next line that it prints; at its end, whatever ended it.
    pub(crate) fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        let output = self.output.as_mut().ok_or("its output is not piped")?;
        if output.read_line(&mut line)? == 0 {
            self.end()?;
            return Err(format!("{} ended early", self.part).into());
        }
        Ok(line.trim_end().to_owned())
    }

    /// Waits until it ends, and fails if it did.
    pub(crate) fn end(&mut self) -> Result<()> {
        if let Some(output) = &mut self.output {
            output.read_to_end(&mut Vec::new())?;
        }
        self.child.wait()?;
        self.check()
    }

    /// Fails if it has failed.
    pub(crate) fn check(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            Some(status) if !status.success() => {
                Err(format!("{} ended with {status}", self.part).into())
            }
            _ => Ok(()),
        }
    }

    /// As [`retry`], and fails if this process has failed.
    pub(crate) fn retry<T, E: Into<io::Error>>(
        &mut self,
        mut call: impl FnMut() -> Result<T, E>,
    ) -> Result<T> {
        retry(|| {
            let done = call().map_err(Into::into);
            done.map_err(|error| self.check().map_or_else(io::Error::other, |()| error))
        })
    }

    /// Asks it to end by SIGTERM, and waits until it has ended.
    pub(crate) fn terminate(&mut self) -> Result<()> {
        kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        Ok(self.child.wait().map(drop)?)
    }

    /// Kills it, and waits until it has ended.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        Ok(self.child.wait().map(drop)?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}
