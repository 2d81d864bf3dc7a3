//! `top`, on a terminal and into a pipe.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use rustix::process::geteuid;
use vt100::{Color, Screen};

use crate::common::tracer::meddle;
use crate::looking::{Numbers, under_load};
use crate::tool::*;
use crate::transcript::shell;

/// The row of a ring whose name ends so, and its words.
fn row(screen: &Screen, end: &str) -> Option<(u16, Vec<String>)> {
    let words = |row: String| row.split_whitespace().map(str::to_owned).collect();
    let mut rows = (0..).zip(screen.rows(0, COLUMNS).map(words));
    rows.find(|(_, words): &(_, Vec<String>)| words.len() == 9 && words[0].ends_with(end))
}

/// Has a /dev/shm of its own: the rings of others would push its row off the screen.
pub(crate) fn top_shows_full_load_and_a_death() {
    // Otherwise it is among the rings of others.
    own_shm(c"size=1m");
    let (name, _) = ring::<Numbers>("load", 1024);
    let [pusher, mut popper] = under_load(&name);
    let mut top = on_terminal(&["top", "--interval", "50ms"]);
    top.until("thousands go through", |screen| {
        let row = row(screen, "-load");
        row.is_some_and(|(_, words)| words[3..=4].iter().all(|rate| rate.ends_with(['k', 'M'])))
    });
    let (_, words) = row(top.screen(), "-load").expect("a row");
    let pids = [&pusher, &popper].map(|end| end.pid().to_string());
    assert_eq!(words[7..], pids);
    assert!(words[0].starts_with('…'), "a long name is cut: {words:?}");
    assert!(top.screen().alternate_screen() && top.screen().hide_cursor());

    let pid = popper.pid();
    popper.kill();
    top.shows(&format!("-load: the consumer (process {pid}) crashed"));
    let (line, words) = row(top.screen(), "-load").expect("a row");
    assert_eq!(words[8], "crashed");
    let cell = top.screen().cell(line, COLUMNS - 2).expect("a cell");
    assert_eq!((cell.contents(), cell.fgcolor()), ("d", Color::Idx(1)));
    let wrong = format!("the consumer (it called itself process {pid}) crashed; restart it");
    has(&top.text(), wrong);
    let page = include_str!("../../README.md");
    has(page, ") crashed; restart it, and it resumes\n");

    drop(pusher);
    quoit::unlink(&name).expect("no process has it");
    top.shows("-load: was removed");
    assert!(row(top.screen(), "-load").is_none());
}

pub(crate) fn top_leaves_the_terminal_as_it_was() {
    let (name, _) = ring::<u64>("restored", 64);
    let keys = [("q", 0), ("\x1b", 0), ("\x03", 130)];
    let signals = [libc::SIGHUP, libc::SIGINT, libc::SIGTERM].map(|signal| ("", 128 + signal));
    for (keys, code) in keys.into_iter().chain(signals) {
        let mut top = on_terminal(&["top", &name]);
        top.until("the ring is there", |screen| {
            row(screen, "-restored").is_some()
        });
        assert!(!top.is_as_before());
        match keys {
            "" => top.signal(code - 128),
            _ => top.press(keys),
        }
        assert_eq!(top.end(), Some(code), "{}", top.text());
        assert!(top.is_as_before(), "after {code}");
        assert_eq!(top.text(), "", "nothing stays");
    }
    // SIGBUS: the file becomes shorter between two reads of it.
    let mut top = on_terminal(&["top", "--interval", "10ms", &name]);
    top.shows("-restored");
    meddle(top.pid(), libc::SYS_fcntl, 1, |_| {
        SegmentFile::open(&name.file()).truncate(4096);
    });
    assert_eq!(top.end(), Some(3), "{}", top.text());
    assert!(top.is_as_before(), "{}", top.text());
    has(&top.text(), "the ring's file was truncated");
}

/// By a key and by the signal, and what a stop that cannot be heard leaves behind.
pub(crate) fn top_gives_the_terminal_back_while_it_is_stopped() {
    let (name, _) = ring::<u64>("suspended", 64);
    // Not in a loop, which a stop would end.
    let again = ["1", "2", "3"].map(|time| format!("; echo its shell {time}; read line; fg"));
    let shell = format!("set -m; {} top {name}{}", PATH, again.concat());
    let command = Terminal::command("bash", &["-c", &shell]);
    let mut top = Terminal::start(SIZE, command);
    let is_shown =
        |screen: &Screen| screen.alternate_screen() && row(screen, "-suspended").is_some();
    for time in 1..=3 {
        top.until("the ring is there", is_shown);
        assert!(!top.is_as_before());
        match time {
            1 => top.press("\x1a"),
            2 => signal(children(top.pid())[0], libc::SIGTSTP),
            _ => signal(children(top.pid())[0], libc::SIGSTOP),
        }
        top.shows(&format!("its shell {time}"));
        if time < 3 {
            assert!(top.is_as_before(), "while it is stopped:\n{}", top.text());
        }
        top.press("\n");
    }
    // After SIGSTOP the shell's output is on its screen, until `top` draws again.
    top.until("it is drawn again", |screen| {
        is_shown(screen) && !screen.contents().contains("its shell")
    });
    top.press("q");
    assert_eq!(top.end(), Some(0), "{}", top.text());
    assert!(top.is_as_before());
}

/// The next poll.
fn next(top: &mut Program) -> Value {
    json(&top.reads_until("\n"))
}

/// The next poll for which `is_so` holds; a minute of polls at the least.
fn next_with(top: &mut Program, is_so: impl FnMut(&Value) -> bool) -> Value {
    let mut looks = (0..6000).map(|_| next(top));
    looks.find(is_so).expect("a look that is so")
}

fn number(value: &Value) -> f64 {
    value.as_f64().expect("a number")
}

/// What the endpoint before it did not do is not the fault of one that has just attached.
pub(crate) fn top_reports_progress_and_stalls_to_programs() {
    let (name, ring) = ring::<u64>("moves", 64);
    let ends = || {
        let producer = ring.producer().expect("a role");
        (producer, ring.consumer().expect("a role"))
    };
    let (mut producer, mut consumer) = ends();
    let mut top = start(&["top", "--json", "--interval", "50ms", &name]);
    let look = &next(&mut top)["rings"][0];
    assert_eq!(look["name"], name.as_str());
    let still = json!({"fill": 0, "in_per_second": 0.0, "stalled_seconds": 0.0});
    is(look, &still);
    (0..16).for_each(|number| producer.push(number).expect("room"));
    let look = next_with(&mut top, |look| look["rings"][0]["fill"] == 16);
    let look = &look["rings"][0];
    // 16 in 50 ms or in somewhat more.
    let rate = number(&look["in_per_second"]);
    assert!(rate > 0.0 && rate <= 16.0 / 0.05, "{look}");
    assert_eq!(number(&look["out_per_second"]), 0.0);

    let times = |look: &Value| {
        let ring = &look["rings"][0];
        let [producer, consumer] = ["producer", "consumer"].map(|role| &ring[role]["idle_seconds"]);
        [producer, consumer, &ring["stalled_seconds"]].map(number)
    };
    let is_still = |look: &Value| times(look).iter().all(|&time| time > 0.0);
    let mut so_far = times(&next_with(&mut top, is_still));
    for _ in 0..3 {
        let now = times(&next(&mut top));
        let add_up = now
            .iter()
            .zip(so_far)
            .all(|(now, before)| now - before > 0.04);
        assert!(add_up, "{now:?} after {so_far:?}");
        so_far = now;
    }
    consumer.pop().expect("a record");
    let look = next_with(&mut top, |look| times(look)[2] == 0.0);
    assert!(number(&look["rings"][0]["out_per_second"]) > 0.0, "{look}");
    // No process but the consumer took any.
    assert_eq!(look["rings"][0]["fill"], 15);

    next_with(&mut top, is_still);
    drop((producer, consumer));
    let _others = ends();
    let is_other = |look: &Value, role| look["rings"][0][role]["epoch"] == 2;
    // The look may be between the two.
    let look = next_with(&mut top, |look| is_other(look, "producer"));
    assert_eq!(times(&look)[0], 0.0, "{look}");
    let look = match is_other(&look, "consumer") {
        true => look,
        false => next_with(&mut top, |look| is_other(look, "consumer")),
    };
    assert_eq!(times(&look)[1..], [0.0, 0.0], "{look}");
    next_with(&mut top, is_still);
    top.ends_by(libc::SIGTERM);
}

pub(crate) fn top_reports_what_attaches_and_what_was_removed() {
    let (name, ring) = ring::<Numbers>("events", 64);
    let mut top = start(&["top", "--json", "--interval", "10ms", &name]);
    let tells = |top: &mut Program, what: &str| {
        let look = next_with(top, |look| look["events"] != json!([]));
        let events = look["events"].to_string().replace(&format!("{name}: "), "");
        assert_eq!(events, format!("[\"{what}\"]"));
        look["rings"].clone()
    };
    let pops = || {
        let popper = Child::start("popper", &[&name]);
        popper.expect("there");
        let its = format!("the consumer (process {})", popper.pid());
        (popper, its)
    };
    next(&mut top);
    let (producer, pid) = (ring.producer().expect("a role"), std::process::id());
    tells(&mut top, &format!("the producer (process {pid}) attached"));
    let (popper, its) = pops();
    tells(&mut top, &format!("{its} attached"));
    // Another one between two refreshes.
    stop(top.pid());
    drop(popper); // kill -9
    let (popper, its) = pops();
    top.signal(libc::SIGCONT);
    tells(&mut top, &format!("{its} attached"));
    drop(popper);
    let rings = tells(&mut top, &format!("{its} crashed"));
    is(&rings[0], &json!({"consumer": {"alive": false}}));
    has(&rings[0]["wrong"].to_string(), "crashed");
    stop(top.pid());
    drop(producer);
    let (_popper, its) = pops();
    top.signal(libc::SIGCONT);
    let both = format!("the producer (process {pid}) closed\",\"{its} attached");
    tells(&mut top, &both);
    fs::remove_file(name.file()).expect("a ring");
    assert_eq!(tells(&mut top, "was removed"), json!([]));
    RingOptions::new(64).create::<[u8]>(&name).expect("a ring");
    assert_eq!(tells(&mut top, "is new")[0]["shape"], "frames");
}

/// A change exactly between two reads of one endpoint: its lock is seen free, and then its
/// state is that of the next holder.
pub(crate) fn an_endpoint_that_attaches_again_does_not_seem_to_die() {
    let (name, ring) = ring::<u64>("commuter", 64);
    let mut top = start(&["top", "--json", "--interval", "10ms", &name]);
    next(&mut top);
    let mut producer = None;
    // A poll asks for the locks with two such calls, or with four if an endpoint has changed.
    meddle(top.pid(), libc::SYS_fcntl, 200, |call| {
        if call % 9 == 0 {
            let is_there = producer.take().is_some();
            producer = (!is_there).then(|| ring.producer().expect("a role"));
        }
    });
    let mut told = [0; 2];
    next_with(&mut top, |look| {
        let events = look["events"].to_string();
        assert!(!events.contains("crashed"), "{look}");
        for (count, what) in told.iter_mut().zip([" attached", " closed"]) {
            *count += u32::from(events.contains(what));
        }
        told.iter().all(|&count| count > 5)
    });
}

/// Of those that are named the transcript has what it says.
pub(crate) fn what_it_cannot_read_is_among_all_rings() {
    let [corrupt, private] = ["corrupt", "private"].map(|name| ring::<u64>(name, 64).0);
    SegmentFile::open(&corrupt.file()).write(CAPACITY, 65);
    fs::set_permissions(private.file(), Permissions::from_mode(0o0)).expect("ours");
    let top = "quoit top --count 1 --interval 10ms";
    for command in [top, "quoit stat"] {
        let said = shell(command, "other").text();
        has(&said, format!("its mode 0; sudo quoit stat {private}"));
    }
    // What root has made in a sticky directory is not this user's to remove, either.
    let (readable, _) = ring::<u64>("readable", 64);
    fs::set_permissions(readable.file(), Permissions::from_mode(0o666)).expect("ours");
    let removal = shell(&format!("quoit rm --dry-run {readable}"), "other");
    match geteuid().is_root() {
        true => removal.with(1, "could not unlink"),
        false => has(&removal.text(), "would remove"),
    }
    let text = shell(top, "").text();
    assert!(line(&text, "-corrupt ").ends_with(" (corrupt)"), "{text}");
}
