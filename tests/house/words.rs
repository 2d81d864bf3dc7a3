//! Plain technical English: phrases that no text has, each with a better one.

use std::fs;
use std::path::Path;

use super::sources::expect_none;

// Phrases with exceptions.
const CONTINUE: &str = "go|goes|went on";
const GONE: &str = "gone";
const LEADS_TO: &str = "lead|leads to";
const ENDS: &str = "the|both|two|four|own|any|all|its|such|async|pollable ends";
const RIDE: &str = "ride|rides|rode|riding|ride-along";
const ASLEEP: &str = "asleep|awake|rival|rivals";

/// A phrase, with `|` between the forms of a word, and what to write instead.
const PHRASES: [(&str, &str); 50] = [
    // A process is a thing with a name.
    (
        "whoever|whomever|whom",
        "the process, the program, the endpoint",
    ),
    (
        "somebody|someone|anybody|everybody",
        "another process, any process",
    ),
    ("nobody", "no process, no endpoint, not"),
    ("who", "that, which; or turn the sentence round"),
    ("one|ones who", "a process that"),
    // Endpoints attach, close and crash.
    ("came", "attached, arrived"),
    ("never come|comes", "never attach, is never reached"),
    ("will|may|can|cannot|could|would come", "attach, arrive"),
    ("newcomer|newcomers", "a process that attaches"),
    ("leaver|leavers", "the closing endpoint"),
    (
        "successor|successors",
        "the next holder, the restarted process",
    ),
    ("predecessor|predecessors", "the previous holder"),
    ("survivor|survivors", "the peer"),
    ("goodbye|farewell", "close"),
    (GONE, "closed or crashed; removed; dropped"),
    // They are endpoints.
    (
        "the|both|two|four|own|any|all|its|such|async|pollable ends",
        "endpoints",
    ),
    (
        "an|each|either|every|this|that|waiting|sleeping|dead end",
        "endpoint",
    ),
    ("end's", "the endpoint's"),
    // Time.
    ("at most so long", "up to the timeout"),
    ("so long as", "while"),
    ("as long as it takes", "forever"),
    ("takes as long as", "takes the time of"),
    ("for ever", "forever"),
    ("for good", "permanently"),
    ("as ever", "as always"),
    ("time-out|time-outs", "timeout"),
    ("meanwhile", "at the same time, in between"),
    ("anew|afresh", "again"),
    // Old words.
    ("by hand", "manually, directly; or leave it out"),
    ("beside|besides", "compared with, in addition to, next to"),
    ("in earnest", "in a real program; or leave it out"),
    ("dear|dearer", "expensive, costs more"),
    ("foretold", "predicted"),
    ("mend|mends|mended|mending", "fix, repair"),
    ("in vain", "without success, empty"),
    ("at hand", "cached, available"),
    ("hole|holes", "vulnerability; sparse"),
    ("so many|much", "this many, this much"),
    ("nothing but", "only"),
    ("no|none other than", "only"),
    ("believe|believes|believed", "accept, use"),
    ("lies|lie|lay in|at|beyond|there", "is in, is at"),
    (CONTINUE, "continue"),
    ("lives through", "outlives"),
    // The protocol's own terms.
    (
        "lead|leads elsewhere|nowhere",
        "refers to another file, does not exist",
    ),
    (LEADS_TO, "refers to"),
    ("look|looks|looked away", "back off"),
    ("second|next|last|first look", "poll, liveness check"),
    (RIDE, "inline copy"),
    (ASLEEP, "sleeping, busy, another crate"),
];

/// The revised texts: files, and folders with all pages and sources in them.
const TEXTS: [&str; 6] = [
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "README.md",
    "SECURITY.md",
    "examples/",
    "src/",
];

/// Texts below these that were not revised yet.
const NOT_YET: [&str; 7] = [
    "src/adapters/raw.rs",
    "src/cursor.rs",
    "src/docs/performance.md",
    "src/endpoint.rs",
    "src/endpoint/",
    "src/parker.rs",
    "src/slots.rs",
];

/// A file, a phrase that it may have, and why.
const ALLOWED: [(&str, &str, &str); 12] = [
    ("README.md", CONTINUE, "the output of `quoit top`"),
    (
        "examples/consumer.rs",
        GONE,
        "tests/examples compares the line",
    ),
    (
        "examples/doorbells.rs",
        "came",
        "tests/examples compares the line",
    ),
    ("examples/event_loop.rs", "came", "an echo comes back"),
    (
        "examples/producer.rs",
        GONE,
        "tests/examples compares the line",
    ),
    (
        "examples/three_feeds.rs",
        GONE,
        "tests/examples compares the line",
    ),
    ("src/error.rs", LEADS_TO, "tests/tool compares the text"),
    (
        "src/error/hot.rs",
        GONE,
        "tests/tool and Python compare the text",
    ),
    ("src/layout.md", ENDS, "a heading to which other pages link"),
    ("src/layout.md", RIDE, "a field's name"),
    ("src/sync.rs", ASLEEP, "an edge's name"),
    ("src/sync.rs", RIDE, "an edge's name"),
];

/// In place of code: no phrase goes across it.
const CODE: char = '\0';

/// A word, in small letters, and its line.
type Word = (String, usize);

/// The text of a file: all of a page, the comments and strings of a source. Lines stay.
fn text_of(path: &str, content: &str) -> String {
    if path.ends_with(".md") {
        return content.to_owned();
    }
    let mut text = String::new();
    let mut rest = content;
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            let line = rest.split('\n').next().unwrap_or(rest);
            text.push_str(line.trim_start_matches(['/', '!']));
            line.len()
        } else if let Some((string, length)) = string_at(rest) {
            text.push_str(&format!(" {CODE} {string} {CODE} "));
            length
        } else {
            if first.is_whitespace() {
                text.push(first);
            } else {
                text.extend([' ', CODE, ' ']);
            }
            char_at(rest).unwrap_or(first.len_utf8())
        };
        rest = &rest[length..];
    }
    text
}

/// The string literal that `rest` begins with, and how long it is with its quotes.
fn string_at(rest: &str) -> Option<(&str, usize)> {
    let (raw, after) = match rest.strip_prefix('r') {
        Some(after) => (true, after),
        None => (false, rest),
    };
    let hashes = after.len() - after.trim_start_matches('#').len();
    let begin = rest.len() - after.len() + hashes + 1;
    if !after[hashes..].starts_with('"') || (hashes > 0 && !raw) {
        return None;
    }
    let mut escaped = false;
    let end = if raw {
        rest[begin..].find(&format!("\"{}", "#".repeat(hashes)))?
    } else {
        rest[begin..].find(|letter| {
            let ends = letter == '"' && !escaped;
            escaped = letter == '\\' && !escaped;
            ends
        })?
    };
    Some((&rest[begin..begin + end], begin + end + 1 + hashes))
}

/// How long the character literal is that `rest` begins with.
fn char_at(rest: &str) -> Option<usize> {
    let inside = rest.strip_prefix('\'')?;
    let from = if inside.starts_with('\\') { 2 } else { 0 };
    let end = inside
        .char_indices()
        .skip(from)
        .find(|&(_, letter)| letter == '\'')?
        .0;
    (end <= 10 && (from > 0 || inside[..end].chars().count() == 1)).then_some(end + 2)
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
fn faults_of(path: &str, content: &str) -> (Vec<String>, Vec<usize>) {
    let words = words(&text_of(path, content));
    let (mut faults, mut used) = (Vec::new(), Vec::new());
    for (phrase, better) in PHRASES {
        for line in lines_with(phrase, &words) {
            let is_allowed =
                |&(file, allowed, _): &(&str, &str, &str)| (file, allowed) == (path, phrase);
            match ALLOWED.iter().position(is_allowed) {
                Some(index) => used.push(index),
                None => faults.push(format!("{path}:{line}: not \"{phrase}\", but: {better}")),
            }
        }
    }
    (faults, used)
}

/// The files of [`TEXTS`], below the root of the repository.
fn paths() -> Vec<String> {
    fn collect(root: &Path, path: &str, paths: &mut Vec<String>) {
        if NOT_YET.contains(&path) {
            return;
        }
        if !path.ends_with('/') {
            let is_text = [".md", ".rs"].iter().any(|ending| path.ends_with(ending));
            paths.extend(is_text.then(|| path.to_owned()));
            return;
        }
        for entry in fs::read_dir(root.join(path)).expect("the directory can be read") {
            let entry = entry.expect("an entry");
            let name = entry.file_name().into_string().expect("a name in UTF-8");
            let slash = if entry.path().is_dir() { "/" } else { "" };
            collect(root, &format!("{path}{name}{slash}"), paths);
        }
    }
    let mut paths = Vec::new();
    for path in TEXTS {
        collect(Path::new(env!("CARGO_MANIFEST_DIR")), path, &mut paths);
    }
    paths.sort();
    paths
}

#[test]
fn the_texts_are_in_plain_words() {
    let paths = paths();
    assert!(paths.len() > 50, "the texts were not found");
    let (mut faults, mut used) = (Vec::new(), Vec::new());
    for path in &paths {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        let content = fs::read_to_string(file).expect("the file can be read");
        let (found, needed) = faults_of(path, &content);
        faults.extend(found);
        used.extend(needed);
    }
    for (index, (path, phrase, reason)) in ALLOWED.iter().enumerate() {
        assert!(
            !reason.is_empty(),
            "{path} may say \"{phrase}\" for no reason"
        );
        if !used.contains(&index) {
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
    ] {
        assert_eq!(faults("a.rs", text).len(), 1, "{text}");
    }
    for text in [
        "fn who(beside: u8) {}",
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
