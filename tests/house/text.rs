//! The tracked texts of the repository, and the code in them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;

use regex::{Captures, Regex};

/// A source of the crate, without its tests. Each line keeps its number.
pub(crate) struct Source {
    /// Below `src`, as in `ring/role.rs`.
    pub(crate) path: String,
    pub(crate) text: String,
    /// The text without comments, and with empty strings.
    pub(crate) code: String,
}

/// The comments, strings and function names of Rust and C, and of other languages. A `'"'` begins no
/// string.
const PIECES: &str =
    r##"//[^\n]*|(?s)/\*.*?\*/|r#+".*?"#+|r".*?"|'\\?.'|"(?:\\.|[^"\\])*"|\bfn \w+"##;
const OTHER_PIECES: &str = r#"#[^\n]*|(?s)""".*?"""|'''.*?'''|"[^"]*"|'[^']*'"#;

/// In place of code in prose: no phrase goes across it.
const CODE: &str = " \0 ";

/// A module of tests in the library.
const TESTS: &str = r"(?ms)^#\[cfg\(test\)\]\nmod \w+ \{\n.*?^\}\n";

/// Of each pattern there is one, for thousands of texts.
pub(crate) fn regex(pattern: &str) -> &'static Regex {
    static KNOWN: Mutex<BTreeMap<String, &Regex>> = Mutex::new(BTreeMap::new());
    let mut known = KNOWN.lock().expect("a pattern of each test");
    known
        .entry(pattern.to_owned())
        .or_insert_with(|| Box::leak(Box::new(Regex::new(pattern).expect("a pattern"))))
}

/// Where the pattern occurs in the text, with its groups.
pub(crate) fn hits<'a>(pattern: &str, text: &'a str) -> Vec<Captures<'a>> {
    regex(pattern).captures_iter(text).collect()
}

/// What is between the lines stays between them.
fn each_line(text: &str, change: impl Fn(&str) -> String) -> String {
    let lines: Vec<_> = text.split('\n').map(change).collect();
    lines.join("\n")
}

/// The code of a source in Rust, and what a person reads in a text: all of a page, and the comments,
/// strings and function names of a source.
pub(crate) fn code_and_prose(path: &str, content: &str) -> (String, String) {
    let name = Path::new(path);
    let pieces = match name.extension().and_then(|ending| ending.to_str()) {
        Some("md") => return (String::new(), content.to_owned()),
        Some("rs" | "c" | "h" | "cpp" | "hpp") => PIECES,
        _ => OTHER_PIECES,
    };
    let field = regex(r"\{[^{}\n]*\}"); // such as `{name}` in a format
    let blank = |line: &str| (if line.trim().is_empty() { line } else { CODE }).to_owned();
    let (mut code, mut prose, mut end) = (String::new(), String::new(), 0);
    for piece in regex(pieces).find_iter(content) {
        let before = &content[end..piece.start()];
        code += before;
        prose += &each_line(before, blank);
        let piece_text = piece.as_str();
        end = piece.end();
        if piece_text.starts_with(['/', '#']) {
            code += &each_line(piece_text, |_| String::new());
            prose += piece_text.trim_start_matches(['/', '!', '#']);
        } else if let Some(name) = piece_text.strip_prefix("fn ") {
            code += piece_text;
            prose += &format!("{CODE}{}{CODE}", name.replace('_', " "));
        } else {
            code += &each_line(piece_text, |_| "\"\"".to_owned());
            prose += &format!("{CODE}{}{CODE}", field.replace_all(piece_text, ""));
        }
    }
    code += &content[end..];
    prose += &each_line(&content[end..], blank);
    (code, prose)
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let lines = |tests: &Captures<'_>| "\n".repeat(tests[0].matches('\n').count());
        let text = regex(TESTS).replace_all(text, lines).into_owned();
        let (code, _) = code_and_prose(path, &text);
        let path = path.to_owned();
        Self { path, text, code }
    }

    /// Where this byte of the text or of the code is, for a message.
    pub(crate) fn place(&self, text: &str, byte: usize) -> String {
        format!("src/{}:{}", self.path, line(text, byte))
    }
}

/// The number of the line with this byte.
pub(crate) fn line(text: &str, byte: usize) -> usize {
    text[..byte].matches('\n').count() + 1
}

/// Every file of the library and the tool, in the order of the paths.
pub(crate) fn sources() -> Vec<Source> {
    let paths = paths();
    let ours = paths.iter().filter(|path| path.ends_with(".rs"));
    let ours = ours.filter_map(|path| Some(Source::new(path.strip_prefix("src/")?, &read(path))));
    let sources: Vec<_> = ours.collect();
    assert!(sources.len() > 10, "the sources were not found");
    sources
}

/// Without the tool.
pub(crate) fn library() -> Vec<Source> {
    let mut sources = sources();
    sources.retain(|source| !source.path.starts_with("bin/"));
    sources
}

/// A file of the repository.
pub(crate) fn read(path: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&file).unwrap_or_else(|error| panic!("{path}: {error}"))
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

/// Fails with the list of faults, if there are any.
#[track_caller]
pub(crate) fn expect_none(faults: &[String]) {
    let count = faults.len();
    assert!(faults.is_empty(), "{count} faults:\n{}", faults.join("\n"));
}
