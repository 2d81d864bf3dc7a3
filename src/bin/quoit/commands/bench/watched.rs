//! What it costs a pair at full speed that somebody watches it.

use std::cell::{Cell, RefCell};
use std::env;
use std::error::Error;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{self, Command, Stdio};
use std::rc::Rc;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use quoit::{RingOptions, WaitStrategy};
use serde_json::json;

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
    // One pair for both: where two of them lay in memory decided by a few percent.
    let link = rings.link::<u64>("watched", &options);
    let pair = Rc::new(RefCell::new(Stream::new(ALONE, link).anew()));
    let taken = Rc::new(Cell::default());
    let slices = |name, watches| -> Box<dyn Variant> {
        Box::new(Slices {
            name,
            pair: Rc::clone(&pair),
            ring: ring.clone(),
            watches,
            watchers: Vec::new(),
            taken: Rc::clone(&taken),
        })
    };
    let variants = vec![slices(ALONE, false), slices(WATCHED, true)];
    // Longer than a second, so that top looks in each of them.
    let plan = Plan::new(quick, 1200, 20, 256);
    let title = "stream of 8-byte records, on the same memory";
    let scores = contest::run(title, placement, &plan, variants, progress)?;
    report.say(format!("\n{title}"));
    report.say(scores.table(ALONE));
    report.figure("watched", scores.json());
    let clock = scores.ratio_of_means(ALONE, WATCHED);
    report.say(format!(
        "  throughput by the clock, whoever else took a CPU: {clock}"
    ));
    let Taken { processor, time } = taken.get();
    let share = processor.as_secs_f64() / time.as_secs_f64();
    let percent = share * 100.0;
    report.say(format!(
        "  the watchers took {percent:.3} % of a CPU's time"
    ));
    report.figure("watchers_cpu_percent", json!(percent));
    // The median of the batches knows of lines that were taken, and not of the moments
    // in which a watcher had the processor of one end, so that both stood still.
    let left = scores.ratio(ALONE, WATCHED).median * (1.0 - share);
    report.bar("watched_throughput_over_alone", left, Limit::AtLeast(0.99));
    Ok(())
}

/// Slices of a pair, watched or not.
struct Slices<V> {
    name: &'static str,
    pair: Rc<RefCell<V>>,
    ring: PathBuf,
    /// In the lead of a pair that is watched.
    watches: bool,
    watchers: Vec<Watcher>,
    taken: Rc<Cell<Taken>>,
}

/// What the watchers took.
#[derive(Clone, Copy, Default)]
struct Taken {
    /// A processor, for so long.
    processor: Duration,
    /// In so long.
    time: Duration,
}

impl<V: Variant> Variant for Slices<V> {
    fn name(&self) -> &str {
        self.name
    }

    fn open(&mut self, side: Side) {
        self.watches &= side == Side::Lead;
        self.pair.borrow_mut().open(side);
    }

    fn prepare(&mut self) {
        self.pair.borrow_mut().prepare();
        if self.watches && self.watchers.is_empty() {
            let commands: [&[&str]; 2] = [&["top"], &["tail", "--follow"]];
            let watchers = commands.map(|command| Watcher::start(command, &self.ring));
            let watchers = watchers.map(|watcher| watcher.expect("this tool starts"));
            self.watchers.extend(watchers);
        }
    }

    fn lead(&mut self, plan: &Plan) -> Histogram<u64> {
        let processor = |watchers: &[Watcher]| watchers.iter().map(Watcher::processor).sum();
        let (start, before): (_, Duration) = (Instant::now(), processor(&self.watchers));
        for watcher in &self.watchers {
            watcher.signal(libc::SIGCONT);
        }
        let batches = self.pair.borrow_mut().lead(plan);
        for watcher in &mut self.watchers {
            assert!(watcher.is_alive(), "nobody watches any more");
            watcher.signal(libc::SIGSTOP);
        }
        if self.watches {
            let mut taken = self.taken.get();
            taken.processor += processor(&self.watchers) - before;
            taken.time += start.elapsed();
            self.taken.set(taken);
        }
        batches
    }

    fn follow(&mut self) {
        self.pair.borrow_mut().follow();
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

    /// How long it has had a processor so far.
    fn processor(&self) -> Duration {
        let mut clock = 0;
        // SAFETY: the clock's name lives through the call.
        let error = unsafe { libc::clock_getcpuclockid(self.pid(), &raw mut clock) };
        assert_eq!(error, 0, "a child that is not reaped has a clock");
        let mut time = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // SAFETY: the time lives through the call.
        let error = unsafe { libc::clock_gettime(clock, &raw mut time) };
        assert_eq!(error, 0, "the clock is the child's");
        Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
    }

    fn pid(&self) -> libc::pid_t {
        self.0.id() as libc::pid_t
    }

    fn is_alive(&mut self) -> bool {
        matches!(self.0.try_wait(), Ok(None))
    }

    fn signal(&self, signal: libc::c_int) {
        // SAFETY: the child is ours and not reaped, so the pid is still its.
        unsafe { libc::kill(self.pid(), signal) };
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
