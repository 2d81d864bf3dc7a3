//! `quoit doctor`: host settings that affect a ring.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use indicatif::HumanBytes;
use rustix::fs::statvfs;
use rustix::process::{Resource, getrlimit};
use rustix::thread::{MembarrierQuery, membarrier_query};
use serde::Serialize;
use serde_json::json;

use crate::memory_limit::MemoryLimit;
use crate::names;
use crate::output::{Colour, Output, columns, wrapped};
use crate::stop::Stop;

/// Checks the settings of this host: each finding with its fix, the worst first
///
/// Changes nothing. "warn" costs latency or makes rings fail, and the exit code is 9;
/// "note" may matter.
#[derive(Args)]
pub(crate) struct Doctor {
    /// Also show notes and passed checks
    #[arg(long)]
    all: bool,

    /// The cores of the two endpoints, as in 2,4; by default all that are allowed
    // By this path it is one value of clap's.
    #[arg(long, value_name = "CORES", value_parser = names::cores)]
    cores: Option<std::vec::Vec<u32>>,

    /// Where /proc, /sys and the rest are: a host's root within a container
    #[arg(long, value_name = "DIR", default_value = "/")]
    root: PathBuf,
}

/// Columns of what is not a terminal, and of what is left of a text.
const WIDTH: u16 = 80;
const INDENT: usize = 21;

impl Doctor {
    pub(crate) fn run(&self, output: &Output) -> Result<(), Stop> {
        let machine = Machine::new(&self.root, self.cores.clone())?;
        let mut findings = machine.findings();
        findings.sort_by_key(|finding| finding.verdict);
        let count = |verdict| {
            let found = findings.iter().filter(|finding| finding.verdict == verdict);
            found.count()
        };
        let (warnings, notes) = (count(Verdict::Warning), count(Verdict::Note));
        let answer = if output.json {
            let cores = &machine.cores;
            let answer =
                json!({"cores": cores, "warnings": warnings, "notes": notes, "findings": findings});
            format!("{answer}\n")
        } else {
            let [warned, noted] = [(warnings, "warning"), (notes, "note")].map(counted);
            let colour = match warnings {
                0 => Colour::Green,
                _ => Colour::Red,
            };
            let more = (!self.all).then_some(" (--all shows notes and passed checks)");
            let more = more.unwrap_or_default();
            let verdict = output.paint(colour, &format!("{warned}, {noted}"));
            let shown = |finding: &&Finding| self.all || finding.verdict == Verdict::Warning;
            let shown = findings.iter().filter(shown);
            let findings: String = shown.map(|finding| text(finding, output)).collect();
            format!("{verdict}{more}\n{findings}")
        };
        output.answer(answer)?;
        match warnings {
            0 => Ok(()),
            _ => Err(Stop::Warned),
        }
    }
}

fn counted((count, what): (usize, &str)) -> String {
    match count {
        0 => format!("no {what}s"),
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    }
}

fn text(finding: &Finding, output: &Output) -> String {
    let (word, colour) = match finding.verdict {
        Verdict::Warning => ("warn", Colour::Red),
        Verdict::Note => ("note", Colour::Yellow),
        Verdict::Good => ("ok  ", Colour::Green),
    };
    let columns = usize::from(columns().unwrap_or(WIDTH));
    let (word, check) = (output.paint(colour, word), finding.check);
    let fix = finding.fix.as_ref().map(|fix| format!("fix: {fix}"));
    let mut lines = wrapped(&finding.found, columns, INDENT);
    lines.extend(fix.iter().flat_map(|fix| wrapped(fix, columns, INDENT)));
    let lines = lines.join(&format!("\n{:INDENT$}", ""));
    format!("{word}  {check:<14} {lines}\n")
}

/// What docker gives a container.
const DOCKERS: u64 = 64 << 20;
/// Too little for rings, and for the programs that use them.
const LITTLE: u64 = 64 << 20;

/// The files of a machine.
struct Machine {
    root: PathBuf,
    /// The chosen cores, or all that this process may use.
    cores: Vec<u32>,
}

/// The worst first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
enum Verdict {
    #[serde(rename = "warn")]
    Warning,
    #[serde(rename = "note")]
    Note,
    #[serde(rename = "ok")]
    Good,
}

#[derive(Serialize)]
struct Finding {
    check: &'static str,
    verdict: Verdict,
    found: String,
    fix: Option<String>,
}

impl Machine {
    fn new(root: &Path, cores: Option<Vec<u32>>) -> Result<Self, Stop> {
        let doing = format!("examine {}", root.display());
        let root = fs::canonicalize(root);
        let mut machine = Self {
            root: root.map_err(Stop::io(doing))?,
            cores: Vec::new(),
        };
        machine.cores = cores.unwrap_or_else(|| machine.allowed());
        Ok(machine)
    }

    /// What a file says, if it exists.
    fn read(&self, path: &str) -> Option<String> {
        let text = fs::read_to_string(self.root.join(path)).ok()?;
        Some(text.trim().to_owned())
    }

    /// The cores that this process may use.
    fn allowed(&self) -> Vec<u32> {
        let status = self.read("proc/self/status").unwrap_or_default();
        let mut lines = status.lines();
        let list = lines.find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
        names::cores(list.unwrap_or_default()).unwrap_or_default()
    }

    fn findings(&self) -> Vec<Finding> {
        let allowed = self.allowed();
        let pair = match self.cores[..] {
            // Of others the system says nothing.
            [a, b] if allowed.contains(&a) && allowed.contains(&b) => Some((a, b)),
            _ => None,
        };
        let checks = [
            ("/dev/shm", Some(shared_memory(self))),
            ("container", Some(container(self))),
            ("memlock limit", Some(locked_memory())),
            ("membarrier", Some(barrier())),
            ("futex_waitv", Some(many_futexes())),
            ("cores", Some(cores(self))),
            ("cgroup memory", group_memory(self)),
            ("SMT", pair.map(|pair| siblings(self, pair))),
            ("caches", pair.map(|pair| caches(self, pair))),
        ];
        let findings = checks.into_iter().filter_map(|(check, found)| {
            let (verdict, found, fix) = found?;
            Some(Finding {
                check,
                verdict,
                found,
                fix,
            })
        });
        findings.collect()
    }
}

/// A verdict, what was found, and the fix.
type Found = (Verdict, String, Option<String>);

fn good(found: impl Into<String>) -> Found {
    (Verdict::Good, found.into(), None)
}

fn note(found: impl Into<String>, fix: impl Into<String>) -> Found {
    (Verdict::Note, found.into(), Some(fix.into()))
}

fn warning(found: impl Into<String>, fix: impl Into<String>) -> Found {
    (Verdict::Warning, found.into(), Some(fix.into()))
}

fn shared_memory(machine: &Machine) -> Found {
    let stat = match statvfs(machine.root.join("dev/shm")) {
        Ok(stat) => stat,
        Err(error) => {
            let fix = "mount -t tmpfs tmpfs /dev/shm, or give rings paths of files";
            return warning(format!("is not there: {error}"), fix);
        }
    };
    let (size, free) = (stat.f_blocks * stat.f_frsize, stat.f_bavail * stat.f_frsize);
    let found = format!("{}, {} free", HumanBytes(size), HumanBytes(free));
    let helps = match (size, free) {
        (..=DOCKERS, _) => "docker run --shm-size=1g",
        (_, ..DOCKERS) => "remove rings that no process holds",
        _ => return good(found),
    };
    let fix = format!("{helps}, or mount -o remount,size=1g /dev/shm");
    warning(found, fix)
}

fn container(machine: &Machine) -> Found {
    let marks = [".dockerenv", "run/.containerenv"];
    let marked = marks.iter().find(|mark| machine.root.join(mark).exists());
    match marked {
        Some(mark) => note(
            format!("/{mark} is there: /dev/shm is this container's own, unless it is shared"),
            "both endpoints need one /dev/shm: docker run --ipc=container:NAME or --ipc=host",
        ),
        None => good("no sign of one"),
    }
}

fn group_memory(machine: &Machine) -> Option<Found> {
    let limits = MemoryLimit::all(&machine.root.join("proc"));
    let groups = limits.into_iter().filter(MemoryLimit::is_of_a_group);
    let MemoryLimit {
        file, limit, free, ..
    } = groups.min_by_key(|limit| limit.free)?;
    let (limit, left) = (HumanBytes(limit), HumanBytes(free));
    let found = format!("{limit}, {left} left for rings ({})", file.display());
    let fix = "for larger rings: docker run --memory, MemoryMax= in the unit of systemd, or \
               resources.limits.memory in Kubernetes; beyond the limit the kernel kills";
    Some(match free < LITTLE {
        true => warning(found, fix),
        false => note(found, fix),
    })
}

fn locked_memory() -> Found {
    match getrlimit(Resource::Memlock).current {
        None => good("unlimited"),
        Some(limit) => note(
            format!("{} for rings that are locked in memory", HumanBytes(limit)),
            "ulimit -l unlimited, or LimitMEMLOCK=infinity in the unit of systemd",
        ),
    }
}

fn barrier() -> Found {
    let wanted = MembarrierQuery::GLOBAL_EXPEDITED | MembarrierQuery::REGISTER_GLOBAL_EXPEDITED;
    if membarrier_query().contains(wanted) {
        return good("global expedited: a push needs no fence");
    }
    let fix = "Linux 4.16 or newer; in a container, a seccomp profile that allows membarrier";
    warning("is missing: each push makes a fence", fix)
}

fn many_futexes() -> Found {
    // SAFETY: with no futexes the kernel reads nothing, and refuses.
    unsafe { libc::syscall(libc::SYS_futex_waitv, 0, 0, 0, 0, 0) };
    if io::Error::last_os_error().raw_os_error() == Some(libc::EINVAL) {
        return good("one sleep for many rings (Select, futures)");
    }
    let fix = "Linux 5.16 or newer; in a container, a seccomp profile that allows futex_waitv";
    let found = "is missing: Select and the feature futures do not work";
    warning(found, fix)
}

/// Numbers as the kernel writes them: a host has hundreds.
fn list(cores: &[u32]) -> String {
    let runs = cores.chunk_by(|core, next| core + 1 == *next);
    let runs: Vec<_> = runs
        .map(|run| match run {
            [first, .., last] => format!("{first}-{last}"),
            _ => run[0].to_string(),
        })
        .collect();
    runs.join(",")
}

fn cores(machine: &Machine) -> Found {
    let allowed = machine.allowed();
    if allowed.is_empty() {
        return note("the system does not say which", "mount proc on /proc");
    }
    let mut missing = machine.cores.clone();
    missing.retain(|core| !allowed.contains(core));
    if !missing.is_empty() {
        let (missing, allowed) = (list(&missing), list(&allowed));
        let fix = format!("choose among {allowed}, or see taskset and the cpuset");
        return warning(format!("{missing}: this process may not run there"), fix);
    }
    if allowed.len() < 2 {
        return warning(
            "one: the two endpoints take turns, and none should spin",
            "allow a second core, or have neither endpoint spin before it sleeps",
        );
    }
    good(list(&machine.cores))
}

fn of_core(machine: &Machine, core: u32, file: &str) -> Option<String> {
    machine.read(&format!("sys/devices/system/cpu/cpu{core}/{file}"))
}

fn siblings(machine: &Machine, (a, b): (u32, u32)) -> Found {
    let Some(siblings) = of_core(machine, a, "topology/thread_siblings_list") else {
        return note("the system does not say", "mount sysfs on /sys");
    };
    if names::cores(&siblings).is_ok_and(|cores| cores.contains(&b)) {
        let fix = "choose one thread of each core, unless both endpoints sleep most of the time";
        let found =
            format!("{a} and {b} are threads of one core: a spinning endpoint slows the other");
        return warning(found, fix);
    }
    good(format!("{a} and {b} are different cores"))
}

fn caches(machine: &Machine, (a, b): (u32, u32)) -> Found {
    let directory = format!("sys/devices/system/cpu/cpu{a}/cache");
    let entries = fs::read_dir(machine.root.join(&directory));
    let mut shared = Vec::new();
    for entry in entries.into_iter().flatten().flatten() {
        let index = format!("{directory}/{}", entry.file_name().to_string_lossy());
        let file = |name| machine.read(&format!("{index}/{name}"));
        let (Some(level), Some(cores)) = (file("level"), file("shared_cpu_list")) else {
            continue;
        };
        if names::cores(&cores).is_ok_and(|cores| cores.contains(&b)) {
            shared.push(format!("L{level}"));
        }
    }
    shared.sort();
    shared.dedup();
    if shared.is_empty() {
        let fix = "choose two cores of one socket and one cluster (lscpu -e), if there are";
        let found = format!("{a} and {b} share none, as far as the system says");
        return note(found, fix);
    }
    good(format!("{a} and {b} share {}", shared.join(", ")))
}
