//! Plain technical English: phrases that no text has, each with a better one.

use std::collections::BTreeSet;

use super::text::{code_and_prose, expect_none, paths, read, regex};

/// A phrase, with `|` between the forms of a word, and what to write instead.
const PHRASES: [&str; 82] = [
    // A process is a thing with a name.
    "whoever|whomever|whom: the process, the program, the endpoint",
    "somebody|someone|anybody|everybody: another process, any process",
    "nobody: no process, no endpoint, not",
    "who: that, which; or turn the sentence round",
    "one|ones who: a process that",
    // Endpoints attach, close and crash.
    "came: attached, arrived",
    "never come|comes: never attach, is never reached",
    "come|comes|came|coming back: return, restart, attach again",
    "hear|hears|heard of: is notified of",
    "give|gives|gave its|the role|roles up: free the role",
    "will|may|can|cannot|could|would come: attach, arrive",
    "newcomer|newcomers: a process that attaches",
    "leaver|leavers: the closing endpoint",
    "successor|successors: the next holder, the restarted process",
    "predecessor|predecessors: the previous holder",
    "survivor|survivors: the peer",
    "goodbye|farewell: close",
    "gone: closed or crashed; removed; dropped",
    "told: notified; gets, receives",
    "it is there: it exists, it is attached",
    "gets|get up: wakes",
    "lies|lie down: sleeps",
    "stands|stood still: is stopped",
    // They are endpoints.
    "the|both|two|four|own|any|all|its|such|async|pollable ends: endpoints",
    "an|each|either|every|this|that|waiting|sleeping|dead end: endpoint",
    "end's: the endpoint's",
    // Time.
    "at most so long: up to the timeout",
    "so long as: while",
    "as long as it takes: forever",
    "takes as long as: takes the time of",
    "for ever: forever",
    "for good: permanently",
    "as ever: as always",
    "time-out|time-outs: timeout",
    "meanwhile: at the same time, in between",
    "anew|afresh: again",
    "once more: again",
    "by now: now, already",
    "now and then: sometimes",
    "of late: recent",
    "under way: in flight, in progress",
    "on its|their way: in flight, pending",
    "time|timeout|wait is over: has expired, has ended",
    "turn by turn: in alternating slices",
    // Old words.
    "by hand: manually, directly; or leave it out",
    "beside|besides: compared with, in addition to, next to",
    "in earnest: in a real program; or leave it out",
    "dear|dearer: expensive, costs more",
    "foretold: predicted",
    "mend|mends|mended|mending: fix, repair",
    "in vain: without success, empty",
    "for people: for a reader, as text",
    "wherever: where, at any place",
    "rest|rests on: depends on",
    "wants: needs, requires",
    "leave to: permission to",
    "in the way: blocks",
    "passes|passed for: is accepted as",
    "astray|nonsense: wrong, invalid",
    "scribble|scribbles|scribbled: overwrite",
    "what cannot be: impossible",
    "behind the back: directly, without the endpoint",
    "at hand: cached, available",
    "hole|holes: vulnerability; sparse",
    "so many|much: this many, this much",
    "above all: in particular",
    "in one piece: whole, contiguous",
    "had by: opened by",
    "lend|lends|lent|lending: give a reference",
    "nothing but: only",
    "no|none other than: only",
    "believe|believes|believed: accept, use",
    "lies|lie|lay in|at|beyond|there: is in, is at",
    "go|goes|went on: continue",
    "lives through: outlives",
    // The protocol's own terms.
    "lead|leads elsewhere|nowhere: refers to another file, does not exist",
    "lead|leads to: refers to",
    "look|looks|looked away: back off",
    "second|next|last|first look: poll, liveness check",
    "two|three|many|more|each look|looks: poll, sample, refresh",
    "ride|rides|rode|riding|ride-along: inline copy",
    "asleep|awake|rival|rivals: sleeping, busy, another crate",
];

/// Phrases that no user reads. Tests and benches may have them.
const FOR_USERS: [&str; 7] = [
    "all else: everything else",
    "one|other|first|second|far|near end: endpoint, peer",
    "died|dies|dying: crashed; is killed by",
    "maker|makers: creator",
    "behind it|them|those|that|which|the|its: after, beyond",
    "process|processes|child|parent|caller|endpoint has|have|had a|the|no role|roles: holds",
    "file|that|what|it|enums is|are no ring|record|records|recording|terminal|number: is not a",
];

/// Whether users read this file.
fn is_for_users(path: &str) -> bool {
    let internal = ["tests/", "loom-tests/", "benches/"];
    !internal.iter().any(|tree| path.starts_with(tree)) && !path.contains("/tests/")
}

/// A phrase, the files that may have it, and why.
const ALLOWED: [(&str, &str, &str); 3] = [
    (
        "asleep|awake|rival|rivals",
        "bindings/c/include/quoit_inline.h bindings/c/tests/bindings/matrix.rs \
         bindings/c/tests/peers/peer.c bindings/c/tests/peers/peer.cpp \
         bindings/c/tests/peers/peer.rs bindings/python/src/end.rs bindings/python/tests/peer.py \
         bridges/nats/src/ring.rs src/sync.rs tests/common/child.rs",
        "an edge's name, an argument of the peers, a function of many tests",
    ),
    (
        "the|both|two|four|own|any|all|its|such|async|pollable ends",
        "src/layout.md",
        "a heading to which other pages link",
    ),
    (
        "ride|rides|rode|riding|ride-along",
        "bindings/c/include/quoit_inline.h src/layout.md src/sync.rs",
        "the name of a field and of an edge",
    ),
];

/// A word, in small letters, and its line.
type Word = (String, usize);

/// The words of a text, without `code` and without names of constants.
fn words(text: &str) -> Vec<Word> {
    let word = regex(r"`[^`]*`?|\x00|\w+(?:[-':/]+\w+)*");
    let mut words = Vec::new();
    for (index, line) in text.lines().enumerate() {
        for word in word.find_iter(line).map(|word| word.as_str()) {
            let is_a_name = word.len() > 1 && word.chars().all(|letter| !letter.is_lowercase());
            if !word.starts_with('`') && !is_a_name {
                words.push((word.to_lowercase(), index + 1));
            }
        }
    }
    words
}

/// The lines on which the phrase begins.
fn lines_with(phrase: &str, words: &[Word]) -> Vec<usize> {
    let forms: Vec<Vec<_>> = phrase
        .split(' ')
        .map(|word| word.split('|').collect())
        .collect();
    let is_it = |window: &&[Word]| {
        let mut pairs = window.iter().zip(&forms);
        pairs.all(|((word, _), forms)| forms.contains(&word.as_str()))
    };
    let hits = words.windows(forms.len()).filter(is_it);
    hits.map(|window| window[0].1).collect()
}

/// The phrases of a file, each with its fault.
fn faults_of(path: &str, content: &str) -> Vec<(&'static str, String)> {
    let words = words(&code_and_prose(path, content).1);
    let for_users = FOR_USERS.iter().filter(|_| is_for_users(path));
    let faults = PHRASES.iter().chain(for_users).flat_map(|row| {
        let (phrase, better) = row.split_once(": ").expect("a phrase and another one");
        let lines = lines_with(phrase, &words).into_iter();
        let fault = move |line| format!("{path}:{line}: not \"{phrase}\", but: {better}");
        lines.map(move |line| (phrase, fault(line)))
    });
    faults.collect()
}

#[test]
fn the_texts_are_in_plain_words() {
    let paths = paths();
    for tree in ".ci/ benches/ examples/ loom-tests/ src/ tests/".split(' ') {
        let is_there = paths.iter().any(|path| path.starts_with(tree));
        assert!(is_there, "no text in {tree}");
    }
    let rows = ALLOWED.iter();
    let mut unused: BTreeSet<_> = rows
        .flat_map(|(phrase, files, _)| files.split(' ').map(move |file| (*phrase, file)))
        .collect();
    let allowed = unused.clone();
    let mut faults = Vec::new();
    for path in &paths {
        for (phrase, fault) in faults_of(path, &read(path)) {
            unused.remove(&(phrase, &**path));
            faults.extend((!allowed.contains(&(phrase, path))).then_some(fault));
        }
    }
    let unused = unused.iter();
    faults.extend(unused.map(|(phrase, path)| format!("{path} no longer says \"{phrase}\"")));
    expect_none(&faults);
}

#[test]
fn a_phrase_is_found_in_comments_strings_and_pages() {
    for (path, text, count) in [
        ("a.rs", "fn f() {} // by\n    // hand\n", 1),
        ("a.rs", "const A: &str = \"it never\\n came\";", 1),
        ("a.rs", "const A: &str = r#\"a \"dear\" call\"#;", 1),
        ("a.rs", "const Q: char = '\"'; // a goodbye", 1),
        ("a.rs", "fn f<'a>(a: &'a str) {} // Beside it.", 1),
        ("a.rs", "fn the_ring_is_gone() {}", 1),
        ("a.rs", "/* At hand. */ fn f() {}", 1),
        ("a.sh", "echo 'a goodbye'\n", 1),
        ("a.py", "\"\"\"At\nhand.\"\"\"\n", 1),
        ("a.rs", "fn f(beside: u8) { let who = 1; }", 0),
        ("a.rs", "const A: &str = \"{nobody} and {who:?}\";", 0),
        ("a.rs", "/// The constant `RIDE`, and RIDE.\n", 0),
        ("a.rs", "const A: &str = \"at most\"; // so long", 0),
    ] {
        assert_eq!(faults_of(path, text).len(), count, "{text}");
    }
    let page = "A line.\nEach endpoint waits at\nmost so long.\n";
    let fault = "a.md:2: not \"at most so long\", but: up to the timeout";
    assert_eq!(
        faults_of("a.md", page)[..],
        [("at most so long", fault.to_owned())]
    );
}
