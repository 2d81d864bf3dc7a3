//! Two ends as two processes.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use super::end::{Side, Task, Transport, word};
use super::link::Result;
use super::report::Report;

/// A near end and a far end. Dropping the pair ends both.
pub(crate) struct Pair {
    near: Process,
    far: Process,
}

impl Pair {
    /// Starts both endpoints, each on its core if there are two.
    pub(crate) fn start(
        transport: Transport,
        task: Task,
        cores: Option<(usize, usize)>,
        directory: &Path,
    ) -> Result<Self> {
        let (near, far) = cores.unzip();
        let start = |side, core: Option<usize>| {
            let words = [word(transport), word(task), word(side)];
            Process::start(&words, directory, core)
        };
        let mut far = start(Side::Far, far)?;
        // The far end has made what the near one opens.
        far.hear()?;
        let near = start(Side::Near, near)?;
        Ok(Self { near, far })
    }

    /// Moves so many messages; returns what the two endpoints have done since they began.
    pub(crate) fn slice(&mut self, count: u64) -> Result<(Report, Report)> {
        // The far end first, so that it is waiting when the first message comes.
        self.far.tell(count)?;
        self.near.tell(count)?;
        Ok((self.near.hear()?.parse()?, self.far.hear()?.parse()?))
    }
}

struct Process {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    name: String,
}

impl Process {
    /// Starts this program again, as one end.
    fn start(words: &[String], directory: &Path, core: Option<usize>) -> Result<Self> {
        let mut command = Command::new(env::current_exe()?);
        command.arg("end").args(words).arg(directory);
        if let Some(core) = core {
            command.arg(format!("--core={core}"));
        }
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        Ok(Self {
            input: child.stdin.take().ok_or("no pipe to the child")?,
            output: BufReader::new(child.stdout.take().ok_or("no pipe from the child")?),
            child,
            name: words.join(" "),
        })
    }

    fn tell(&mut self, count: u64) -> Result<()> {
        writeln!(self.input, "{count}").or_else(|_| self.ended_early())
    }

    fn hear(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.output.read_line(&mut line)? == 0 {
            self.ended_early()?;
        }
        Ok(line)
    }

    /// It has said why on the standard error, which it shares with its parent.
    fn ended_early(&mut self) -> Result<()> {
        let status = self.child.wait()?;
        Err(format!("the process {:?} ended early, with {status}", self.name).into())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
