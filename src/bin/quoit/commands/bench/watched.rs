//! What it costs a pair at full speed that somebody watches it.

use std::env;
use std::error::Error;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{self, Command, Stdio};

use hdrhistogram::Histogram;
use quoit::{RingOptions, WaitStrategy};

use crate::measure::bars::{Limit, Report};
use crate::measure::contest::{self, Plan, Side, Variant};
use crate::measure::link::Stream;
use crate::measure::placement::Placement;
use crate::measure::progress::Progress;
use crate::measure::rings::Rings;

const ALONE: &str = "alone";
const WATCHED: &str = "watched by top and tail";

/// Records of 8 bytes, with and without watchers on the same memory.
pub(super) fn measure(
    directory: &Path,
    placement: Placement,
    quick: bool,
    report: &mut Report,
    progress: &Progress,
) -> Result<(), Box<dyn Error>> {
    let rings = Rings::new(directory);
    let options = RingOptions::new(1024)
        .prefault(true)
        .wait_strategy(WaitStrategy::Spin);
    let ring = rings.path("watched.out");
    let pair = |name| Stream::new(name, rings.link::<u64>("watched", &options)).anew();
    let variants: Vec<Box<dyn Variant>> = vec![
        Box::new(pair(ALONE)),
        Box::new(Watched {
            pair: pair(WATCHED),
            ring,
            watchers: Vec::new(),
            side: None,
        }),
    ];
    // Longer than a second, so that top looks in each of them.
    let plan = Plan::new(quick, 1200, 20, 256);
    let title = "a stream that is watched";
    let scores = contest::run(title, placement, &plan, variants, progress)?;
    report.say("\nstream of 8-byte records, on the same memory");
    report.say(scores.table(ALONE));
    report.figure("watched", scores.json());
    // Who takes the processor for a moment changes the mean, and not the median.
    let ratio = scores.ratio_of_means(ALONE, WATCHED);
    report.bar("watched_throughput_over_alone", ratio, Limit::AtLeast(0.99));
    Ok(())
}

/// A pair that is watched while it is measured.
struct Watched<V> {
    pair: V,
    ring: PathBuf,
    watchers: Vec<Watcher>,
    side: Option<Side>,
}

impl<V: Variant> Variant for Watched<V> {
    fn name(&self) -> &str {
        self.pair.name()
    }

    fn open(&mut self, side: Side) {
        self.side = Some(side);
        self.pair.open(side);
    }

    fn prepare(&mut self) {
        self.pair.prepare();
        if self.side == Some(Side::Lead) && self.watchers.is_empty() {
            let commands: [&[&str]; 2] = [&["top"], &["tail", "--follow"]];
            let watchers = commands.map(|command| Watcher::start(command, &self.ring));
            self.watchers
                .extend(watchers.map(|watcher| watcher.expect("this tool starts")));
        }
    }

    fn lead(&mut self, plan: &Plan) -> Histogram<u64> {
        for watcher in &self.watchers {
            watcher.signal(libc::SIGCONT);
        }
        let batches = self.pair.lead(plan);
        for watcher in &mut self.watchers {
            assert!(watcher.is_alive(), "nobody watches any more");
            watcher.signal(libc::SIGSTOP);
        }
        batches
    }

    fn follow(&mut self) {
        self.pair.follow();
    }
}

/// This tool. Killed and reaped when dropped; dies with its parent in any case.
struct Watcher(process::Child);

impl Watcher {
    fn start(command: &[&str], ring: &Path) -> io::Result<Self> {
        let mut tool = Command::new(env::current_exe()?);
        tool.args(command).arg(ring);
        tool.stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        // A terminal's signals are for the one that started it.
        tool.process_group(0);
        // SAFETY: what runs between fork and exec makes one syscall.
        unsafe { tool.pre_exec(die_with_parent) };
        tool.spawn().map(Self)
    }

    fn is_alive(&mut self) -> bool {
        matches!(self.0.try_wait(), Ok(None))
    }

    fn signal(&self, signal: libc::c_int) {
        // SAFETY: the child is ours and not reaped, so the pid is still its.
        unsafe { libc::kill(self.0.id() as libc::pid_t, signal) };
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn die_with_parent() -> io::Result<()> {
    // SAFETY: the call changes nothing but this process's own death signal.
    match unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
