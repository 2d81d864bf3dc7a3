//! Plain technical English: phrases that no text has, each with a better one.

use std::process::Command;

use super::pages::read;
use super::sources::expect_none;

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
const ALLOWED: [(&str, &str, &str); 4] = [
    (
        "asleep|awake|rival|rivals",
        "bindings/c/include/quoit_inline.h bindings/c/tests/bindings/matrix.rs \
         bindings/c/tests/peers/peer.c bindings/c/tests/peers/peer.cpp \
         bindings/c/tests/peers/peer.rs bindings/python/src/end.rs bindings/python/tests/peer.py \
         bridges/nats/src/ring.rs src/sync.rs tests/common/child.rs",
        "an edge's name, an argument of the peers, a function of many tests",
    ),
    (
        "lead|leads to",
        "src/error.rs tests/tool/streams.rs",
        "the text of an error",
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

/// In place of code: no phrase goes across it.
const CODE: char = '\0';

/// A word, in small letters, and its line.
type Word = (String, usize);

/// What begins a comment in a source, by the ending of its path; `None` for a page.
fn comment_of(path: &str) -> Option<&'static str> {
    let (_, name) = path.rsplit_once('/').unwrap_or(("", path));
    match name.rsplit_once('.').map_or("sh", |(_, ending)| ending) {
        "md" => None,
        "rs" | "c" | "h" | "cpp" | "hpp" => Some("//"),
        _ => Some("#"),
    }
}

/// The text of a file: all of a page; the comments, strings and function names of a source.
/// It has the same lines.
fn text_of(path: &str, content: &str) -> String {
    let Some(comment) = comment_of(path) else {
        return content.to_owned();
    };
    let mut text = String::new();
    // Their quotes begin no string.
    let content = content.replace("'\"'", "").replace("'\\\"'", "");
    let mut rest = &*content;
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with(comment) {
            let line = rest.split('\n').next().unwrap_or(rest);
            text.push_str(line.trim_start_matches(['/', '!', '#']));
            line.len()
        } else if comment == "//" && rest.starts_with("/*") {
            let length = rest.find("*/").map_or(rest.len(), |end| end + 2);
            text.push_str(&rest[..length]);
            length
        } else if let Some((string, length)) = string_at(rest, comment) {
            text.push_str(&format!(" {CODE} {} {CODE} ", without_fields(string)));
            length
        } else if let Some(name) = rest.strip_prefix("fn ") {
            let mut parts = name.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
            let name = parts.next().unwrap_or_default();
            text.push_str(&format!(" {CODE} {} {CODE} ", name.replace('_', " ")));
            "fn ".len() + name.len()
        } else if first.is_whitespace() {
            text.push(first);
            first.len_utf8()
        } else {
            text.extend([' ', CODE, ' ']);
            first.len_utf8()
        };
        rest = &rest[length..];
    }
    text
}

/// A string without its format fields, such as `{name}`.
fn without_fields(string: &str) -> String {
    let mut depth = 0;
    let outside = string.chars().filter(|&letter| {
        let before = depth;
        match letter {
            '{' => depth += 1,
            '}' => depth = (depth - 1).max(0),
            _ => {}
        }
        letter == '\n' || before.max(depth) == 0
    });
    outside.collect()
}

/// How a string begins and ends, in Rust and C, and in other languages.
const QUOTES: [(&str, &str); 4] = [
    ("r##\"", "\"##"),
    ("r#\"", "\"#"),
    ("r\"", "\""),
    ("\"", "\""),
];
const OTHER_QUOTES: [&str; 4] = ["\"\"\"", "'''", "\"", "'"];

/// The string literal that `rest` begins with, and its length with the quotes.
fn string_at<'a>(rest: &'a str, comment: &str) -> Option<(&'a str, usize)> {
    let others = OTHER_QUOTES.map(|quote| (quote, quote));
    let quotes = if comment == "#" { others } else { QUOTES };
    let mut quotes = quotes.into_iter();
    let (begin, end) = quotes.find(|(begin, _)| rest.starts_with(begin))?;
    let inside = &rest[begin.len()..];
    // Only a plain string has escapes.
    let is_escaped = |at: usize| {
        let before = &inside[..at];
        let backslashes = before.len() - before.trim_end_matches('\\').len();
        begin == "\"" && comment == "//" && backslashes % 2 == 1
    };
    let mut ends = inside.match_indices(end);
    let (length, _) = ends.find(|&(at, _)| !is_escaped(at))?;
    Some((&inside[..length], begin.len() + length + end.len()))
}

/// The words of a text, without `code` and without names of constants.
fn words(text: &str) -> Vec<Word> {
    let mut words = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let prose = line.split('`').step_by(2);
        let all = prose.flat_map(|part| {
            part.split(|letter: char| {
                !letter.is_alphanumeric() && !['_', '-', '\'', ':', '/', CODE].contains(&letter)
            })
        });
        for word in all {
            let word = word.trim_matches(['-', '\'', ':', '/']);
            let is_a_name = word.len() > 1 && word.chars().all(|letter| !letter.is_lowercase());
            if !word.is_empty() && !is_a_name {
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
    let is_it = |window: &[Word]| {
        let mut pairs = window.iter().zip(&forms);
        pairs.all(|((word, _), forms)| forms.contains(&word.as_str()))
    };
    let hits = words.windows(forms.len()).filter(|window| is_it(window));
    hits.map(|window| window[0].1).collect()
}

/// What is wrong with a file, and which exceptions it needed.
fn faults_of(path: &str, content: &str) -> (Vec<String>, Vec<(&'static str, String)>) {
    let words = words(&text_of(path, content));
    let (mut faults, mut used) = (Vec::new(), Vec::new());
    let for_users = FOR_USERS.iter().filter(|_| is_for_users(path));
    for row in PHRASES.iter().chain(for_users) {
        let (phrase, better) = row.split_once(": ").expect("a phrase and another one");
        for line in lines_with(phrase, &words) {
            if exceptions().any(|exception| exception == (phrase, path)) {
                used.push((phrase, path.to_owned()));
            } else {
                faults.push(format!("{path}:{line}: not \"{phrase}\", but: {better}"));
            }
        }
    }
    (faults, used)
}

/// Each phrase and each file that may have it.
fn exceptions() -> impl Iterator<Item = (&'static str, &'static str)> {
    let rows = ALLOWED.iter();
    rows.flat_map(|&(phrase, files, _)| files.split(' ').map(move |file| (phrase, file)))
}

/// The tracked texts, below the root of the repository.
pub(crate) fn paths() -> Vec<String> {
    let output = Command::new("git")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["ls-files", "-z"])
        .output()
        .expect("git runs");
    assert!(output.status.success(), "git ls-files: {output:?}");
    let list = String::from_utf8(output.stdout).expect("names in UTF-8");
    let is_text = |path: &&str| {
        // The last one quotes the phrases.
        let others = ".lock .svg .gitignore .typed -MIT -APACHE house/words.rs";
        !path.is_empty() && !others.split(' ').any(|ending| path.ends_with(ending))
    };
    let paths = list.split('\0').filter(is_text).map(str::to_owned);
    paths.collect()
}

#[test]
fn the_texts_are_in_plain_words() {
    let paths = paths();
    for tree in ".ci/ benches/ examples/ loom-tests/ src/ tests/".split(' ') {
        let is_there = paths.iter().any(|path| path.starts_with(tree));
        assert!(is_there, "no text in {tree}");
    }
    let (mut faults, mut used) = (Vec::new(), Vec::new());
    for path in &paths {
        let (found, needed) = faults_of(path, &read(path));
        faults.extend(found);
        used.extend(needed);
    }
    for (phrase, path) in exceptions() {
        if !used.contains(&(phrase, path.to_owned())) {
            faults.push(format!(
                "{path} no longer says \"{phrase}\": take it out of ALLOWED"
            ));
        }
    }
    expect_none(&faults);
}

#[test]
fn a_phrase_is_found_in_comments_strings_and_pages() {
    let faults = |path, text: &str| faults_of(path, text).0;
    for text in [
        "/// Whoever attaches.\n",
        "fn f() {} // by\n// hand\n",
        "const A: &str = \"it never\\n came\";",
        "const A: &str = r#\"a \"dear\" call\"#;",
        "const Q: char = '\"'; // a goodbye",
        "fn f<'a>(a: &'a str) {} // Beside it.",
        "fn the_ring_is_gone() {}",
        "/* At hand. */ fn f() {}",
    ] {
        assert_eq!(faults("a.rs", text).len(), 1, "{text}");
    }
    for (path, text) in [
        ("a.c", "char quote = '\"'; // Whoever attaches.\n"),
        ("a.sh", "echo 'a goodbye'\n"),
        ("b/run", "x=1 # in vain\n"),
        ("a.toml", "name = \"a\" # Beside it.\n"),
        ("a.py", "\"\"\"At\nhand.\"\"\"\n"),
    ] {
        assert_eq!(faults(path, text).len(), 1, "{text}");
    }
    for text in [
        "fn f(beside: u8) { let who = 1; }",
        "const A: &str = \"{nobody} and {who:?}\";",
        "/// The constant `RIDE`, and RIDE.\n",
        "const A: &str = \"at most\"; // so long",
    ] {
        assert_eq!(faults("a.rs", text), [""; 0], "{text}");
    }
    let page = "A line.\nEach endpoint waits at\nmost so long.\n";
    let [fault] = &faults("a.md", page)[..] else {
        panic!("not one fault: {:?}", faults("a.md", page));
    };
    assert_eq!(
        fault,
        "a.md:2: not \"at most so long\", but: up to the timeout"
    );
}
