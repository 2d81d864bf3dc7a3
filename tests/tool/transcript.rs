//! What the tool says of rings in each state: `transcript.txt` has the commands, and what each
//! says on standard output, on standard error (after `!`), and its code (after `?`).
//!
//! `QUOIT_TRANSCRIPT=write cargo test --features cli --test tool transcript` writes the answers.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use regex::Regex;
use rustix::process::geteuid;

use crate::common::cores;
use crate::runbook::held;
use crate::tool::*;

const TRANSCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tool/transcript.txt");

/// Of the producer and of the consumer, as `layout.md` has them.
const PRODUCER_PID: u64 = 4232;
const RESCUES: u64 = 4264;
const CONSUMER_RESCUES: u64 = 8360;

/// Records of fields that `transcript.txt` gives a layout for.
fn push_trades() {
    let mut producer = Producer::<[u8; 48]>::create("./trades", 64).expect("a ring");
    for (price, name) in [(101.1_f64, b"A\"\x1b\xff\0B\0\0"), (f64::NAN, &[0; 8])] {
        let mut trade = [u64::MAX.to_le_bytes(), price.to_le_bytes()].concat();
        trade.extend([(-7_i32).to_le_bytes(), [0x1f, 0x90, 9, 9]].concat());
        trade.extend(
            name.iter()
                .chain(&[1, 0, 2, 0, 3, 0, 4, 0, 0, 0xab, 0x10, 200]),
        );
        trade.extend(0.1_f32.to_le_bytes());
        producer
            .push(trade.try_into().expect("48 bytes"))
            .expect("room");
    }
}

/// With its directory, so that it is not in that of all rings.
fn path(name: &str) -> String {
    format!("./{name}")
}

fn frames_in(name: &str, capacity: u64, payloads: &[&[u8]]) -> FrameProducer {
    let mut producer = FrameProducer::create(path(name), capacity).expect("a ring");
    let push = |payload: &&[u8]| producer.push(payload).expect("room");
    payloads.iter().for_each(push);
    producer
}

fn records_in(name: &str, count: u64) -> Producer<u64> {
    let mut producer = Producer::create(path(name), 64).expect("a ring");
    (0..count).for_each(|number| producer.push(number).expect("room"));
    producer
}

/// A root on which everything is wrong that files can say, but for what `mended` has.
fn machine(root: &str, mended: &[(&str, &str)]) {
    let mounts = format!("30 24 0:26 / {root}/sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
    let faults = [
        ("proc/thread-self/mountinfo", &*mounts),
        ("proc/self/status", "Cpus_allowed_list:\t0-3\n"),
        ("proc/thread-self/cgroup", "0::/a/b\n"),
        ("sys/fs/cgroup/a/memory.max", "2147483648\n"),
        ("sys/fs/cgroup/a/memory.current", "2147000000\n"),
        ("sys/fs/cgroup/a/b/memory.current", "4096\n"),
        ("sys/fs/cgroup/a/b/memory.max", "1073741824\n"),
        (
            "sys/devices/system/cpu/cpu1/topology/thread_siblings_list",
            "1,3\n",
        ),
        (".dockerenv", ""),
    ];
    for (path, text) in faults.iter().chain(mended) {
        let path = Path::new(root).join(path);
        fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
        fs::write(path, text).expect("a file");
    }
}

/// Makes the rings of the transcript in the working directory. Processes, each with its name in the
/// transcript, and what has the roles.
fn rings() -> (Vec<(u32, &'static str)>, impl Sized) {
    let file = |name: &str| SegmentFile::open(Path::new(name));
    for directory in ["empty", "few/directory", "theirs"] {
        fs::create_dir_all(directory).expect("a directory");
    }
    fs::write("few/foreign", [7; 30_000]).expect("a file");
    for name in [
        "few/.quoit-0123456789abcdef.new",
        "few/bad",
        "few/newer",
        "never",
        "behind",
        "odd\x1b[2J\u{9b}2J",
    ] {
        RingOptions::new(64)
            .create::<u64>(path(name))
            .expect("a ring");
    }
    drop(frames_in("behind-frames", 64, &[]));
    for behind in ["behind", "behind-frames"] {
        file(behind).write(TAIL, u64::MAX - 63);
    }
    file("few/bad").write(CAPACITY, 65);
    file("few/newer").write_half(LAYOUT, 9);
    machine("ill", &[]);
    let cache = "sys/devices/system/cpu/cpu1/cache/index2";
    let cache = ["level", "shared_cpu_list"].map(|file| format!("{cache}/{file}"));
    machine("well", &[(&cache[0], "2"), (&cache[1], "0-2")]);
    drop(records_in("few/good", 16));
    drop(records_in("corrupt", 1));
    file("corrupt").write(TAIL, 0xffff_ffff_ffff);
    drop(records_in("theirs/private", 0));
    fs::set_permissions("theirs/private", Permissions::from_mode(0o0)).expect("ours");
    drop(records_in("newest", 30));
    push_trades();
    let mut kinds = frames_in("kinds", 1024, &[]);
    kinds.push_kind(7, &17_i64.to_le_bytes()).expect("room");
    kinds.push_kind(8, b"three\x00at\xffnight").expect("room");
    for (name, doorbell) in [
        ("rescued", DoorbellKind::Futex),
        ("semaphore", DoorbellKind::Semaphore),
    ] {
        let options = RingOptions::new(64).doorbell(doorbell);
        options.create::<[u8]>(path(name)).expect("a ring");
        file(name).write(CONSUMER_RESCUES, 117);
    }
    frames_in("wrong", 64, &[&[0; 24][..]; 2]).count_dropped(12);
    file("wrong").write(SUPERSEDED, 1);
    file("wrong").write(RESCUES, 3);
    drop(frames_in("broken", 1024, &[b"a", b"b", b"c"]));
    // The third; each takes 16 bytes.
    file("broken").write_half(DATA + 2 * 16, 1 << 30);
    // The third line is not finished.
    let senders = ["killed", "killed-too"].map(|name| {
        let mut sender = start(&["send", &path(name)]);
        sender.feed(b"one\ntwo\nunfinished");
        until("two lines are in the ring", || {
            Observer::open(path(name)).is_ok_and(|ring| ring.positions().len() == 32)
        });
        sender.kill();
        sender.pid()
    });

    let frames = [
        frames_in("hung", 64, &[&[0; 24][..]; 2]),
        frames_in("talking", 64, &[b"one"]),
        // As the kernel shows a removed file.
        frames_in("odd\n (deleted)", 64, &[]),
    ];
    let mut plain = records_in("plain", 16);
    plain.count_dropped(3);
    let roles = ["crashed", "stopped", "mute", "elsewhere", "hung"];
    let mut holders = roles.map(|name| match name {
        "hung" => held("./hung", "consumer two words\x1b"),
        _ => {
            drop(frames_in(name, 64, &[]));
            held(&path(name), "producer")
        }
    });
    holders[0].kill();
    stop(holders[1].pid());
    file("elsewhere").write_half(PRODUCER_PID, 1);
    until("it hangs", || is_asleep(holders[4].pid()));
    let pids = holders.iter().map(|holder| (holder.pid(), "HOLDER"));
    let others = senders.map(|pid| (pid, "SENDER")).into_iter();
    let others = others.chain([(std::process::id(), "TEST")]);
    (pids.chain(others).collect(), (holders, frames, plain))
}

/// What differs from one run to the next, and its name in the transcript.
const OWN: &[(&str, &str)] = &[
    (r"(, owner|its owner is) [^\s,]+", "$1 OWNER"),
    (r"^(\./.* )\S+( +\d+ +(?:frames|records|\())", "${1}OWNER$2"),
    (r"inode \d+", "inode N"),
    (r"incarnation [0-9a-f]{16}", "incarnation N"),
    (r"\d+ bytes on tmpfs", "N bytes on tmpfs"),
    (r"(made|attached) +[0-9.]+ ?(ms|[smh])\b", "$1 N s"),
    (
        r"nothing for (([2-9]|\d+\d)\d\d ms|0\.[2-9] s|[1-9]\d*(\.\d)? s)",
        "nothing for N s",
    ),
    (r"^(\./.*) \d+[smh]$", "$1 Ns"),
    (
        r"expected [0-9A-F]{8}, got [0-9A-F]{8}",
        "expected N, got N",
    ),
    (r"and \d+ are available", "and N are available"),
    (r#""seconds":[0-9.e-]+"#, "\"seconds\":N"),
    (r"(\([ST]\)) in \w+", "$1"),
    (r"has mapped [1-9].*", "has mapped N bytes"),
];

/// Fields that are others each time, if they are not null.
const OWN_FIELDS: &str = "attached bytes created huge_bytes idle_seconds incarnation inode \
    mapped_bytes owner page_bytes path stalled_seconds time";

/// Adds the fields of a ring, and of its endpoints.
fn add_fields(found: &mut BTreeMap<String, String>, path: &str, ring: &Value) {
    for (key, value) in ring.as_object().expect("fields") {
        if value.is_object() {
            add_fields(found, &format!("{key}."), value);
            continue;
        }
        let is_own = OWN_FIELDS.split(' ').any(|own| own == key) && !value.is_null();
        let value = if is_own { "N" } else { &value.to_string() };
        // Not each system tells it.
        if key != "waits_in" {
            found.insert(format!("{path}{key}"), value.to_owned());
        }
    }
}

/// Turns what commands say into what the transcript has.
struct Scribe {
    own: Vec<(Regex, String)>,
    /// The fields of the first ring: of others, only what differs is written.
    first: BTreeMap<String, String>,
}

impl Scribe {
    fn new(core: usize, pids: &[(u32, &str)]) -> Self {
        // SAFETY: the call only asks.
        let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } / 1024;
        let this = std::env::current_exe().expect("this binary's path");
        let mut own = Vec::new();
        let mut add = |pattern: &str, name: &str| {
            own.push((Regex::new(pattern).expect("a pattern"), name.to_owned()));
        };
        for (pid, name) in pids {
            let before = r"((?:process|producer|consumer|CONT|pid:|holder:) |%.* )";
            add(&format!(r"{before}{pid}\b"), &format!("${{1}}{name}"));
        }
        OWN.iter().for_each(|(pattern, name)| add(pattern, name));
        add(&regex::escape(this.to_str().expect("UTF-8")), "TEST");
        add(&format!(r"\b(core:?) {core}$"), "$1 CORE");
        add(&format!("pages of {page} KiB"), "pages of N KiB");
        let first = BTreeMap::new();
        Self { own, first }
    }

    /// A line with names in place of what is another one each time.
    fn line(&self, line: &str) -> String {
        let mut named = line.to_owned();
        for (own, name) in &self.own {
            named = own.replace_all(&named, name).into_owned();
        }
        if named == line {
            return named;
        }
        // A column is as wide as what it has.
        let indent = line.len() - line.trim_start().len();
        let words: Vec<_> = named.split_whitespace().collect();
        " ".repeat(indent) + &words.join(" ")
    }

    /// The lines of an answer: of a report in JSON, the fields of each ring.
    fn lines(&mut self, answer: &str) -> Vec<String> {
        let report = serde_json::from_str::<Value>(answer).unwrap_or_default();
        let Some(rings) = report["rings"].as_array() else {
            return answer.lines().map(|line| self.line(line)).collect();
        };
        let (version, events) = (&report["version"], &report["events"]);
        let mut lines = vec![format!("version: {version}, events: {events}")];
        for ring in rings {
            let mut found = BTreeMap::new();
            add_fields(&mut found, "", ring);
            let new = found
                .iter()
                .filter(|(name, value)| self.first.get(*name) != Some(value));
            lines.extend(new.map(|(name, value)| self.line(&format!("{name}: {value}"))));
            if self.first.is_empty() {
                self.first = found;
            }
        }
        lines
    }
}

/// A process in this namespace sees no other one.
const BLIND: [&str; 5] = ["unshare", "--user", "--pid", "--fork", "--mount-proc"];

/// A line of a shell, for which this tool is `quoit`; for `other`, by root as another user, which
/// may not look at everything: an owner without rights cannot, either.
pub(crate) fn shell(line: &str, who: &str) -> Ended {
    let copy = (who == "other" && geteuid().is_root()).then(for_any_user);
    let built = Path::new(PATH).parent().expect("a directory");
    let tools = copy.as_ref().map_or(built, |copy| copy.path()).display();
    // It ends a command that does not end, with code 124.
    let mut shell = Command::new("timeout");
    shell
        .arg("60")
        .args(BLIND.iter().filter(|_| who == "blind"))
        .args(["sh", "-c", line])
        .envs([("COLUMNS", "100"), ("LC_ALL", "C")]);
    shell.env("PATH", format!("{tools}:{}", env!("PATH")));
    if copy.is_some() {
        shell.uid(65534).gid(65534);
    }
    Program::start_on(Stdio::piped(), &mut shell).end()
}

pub(crate) fn the_tool_says_what_the_transcript_has() {
    let directory = shared_memory_directory();
    fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).expect("ours");
    std::env::set_current_dir(directory.path()).expect("our directory");
    let core = *cores::allowed().expect("cores").last().expect("a core");
    cores::stay_on(core).expect("the core was allowed");
    let (pids, _rings) = rings();
    let mut scribe = Scribe::new(core, &pids);
    let mut transcript = fs::read_to_string(TRANSCRIPT).expect("the transcript");
    if shell("true", "blind").code != Some(0) {
        let blind = Regex::new(r"(?m)^blind\$ .*\n([ !?].*\n)*").expect("a pattern");
        transcript = blind.replace_all(&transcript, "").into_owned();
        eprintln!("[no such namespaces here] ");
    }
    let mut found = String::new();
    for line in transcript.lines() {
        let is_an_answer = line.starts_with(['!', '?', ' ']);
        if !is_an_answer {
            found += &format!("{line}\n");
        }
        let Some((who, command)) = line.split_once("$ ").filter(|_| !is_an_answer) else {
            continue;
        };
        let ended = shell(command, who);
        for (mark, said) in [(' ', ended.said()), ('!', &ended.errors)] {
            // Clap says the second after each of its errors.
            let is_kept =
                |line: &&String| !line.is_empty() && !line.starts_with("For more information");
            for line in scribe.lines(said).iter().filter(is_kept) {
                found += format!("{mark} {line}").trim_end();
                found += "\n";
            }
        }
        if ended.code != Some(0) {
            found += &format!("? {}\n", ended.code.expect("a code"));
        }
    }
    if std::env::var("QUOIT_TRANSCRIPT").is_ok_and(|what| what == "write") {
        return fs::write(TRANSCRIPT, found).expect("the transcript");
    }
    for (number, (found, expected)) in (1..).zip(found.lines().zip(transcript.lines())) {
        assert_eq!(found, expected, "transcript.txt:{number}");
    }
    assert_eq!(found.len(), transcript.len(), "its end");
}
