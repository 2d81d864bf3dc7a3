//! The sources of the library, as the rules look at them.

use std::fs;
use std::path::{Path, PathBuf};

/// A file of `src`, without its tests.
pub(crate) struct Source {
    /// Below `src`, as in `ring/role.rs`.
    pub(crate) path: String,
    pub(crate) text: String,
    pub(crate) lines: Vec<Line>,
}

/// A line, taken apart.
#[derive(Default)]
pub(crate) struct Line {
    pub(crate) number: usize,
    /// Without comments, and with nothing between the quotes of strings.
    pub(crate) code: String,
    /// What follows `//`, with a further `/` or `!` of a doc comment.
    pub(crate) comment: Option<String>,
}

/// Every file of the library, in the order of the paths.
pub(crate) fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    collect(&root, &mut paths);
    paths.sort();
    let sources: Vec<_> = paths.iter().map(|path| Source::read(&root, path)).collect();
    assert!(sources.len() > 10, "the sources were not found");
    sources
}

/// The files whose paths begin with one of these.
pub(crate) fn sources_of(beginnings: &[&str]) -> Vec<Source> {
    let mut sources = sources();
    sources.retain(|source| {
        beginnings
            .iter()
            .any(|beginning| source.path.starts_with(beginning))
    });
    assert!(
        sources.len() >= beginnings.len(),
        "some file of {beginnings:?} is missing"
    );
    sources
}

fn collect(directory: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("the directory can be read") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path);
        }
    }
}

impl Source {
    fn read(root: &Path, path: &Path) -> Self {
        let text = fs::read_to_string(path).expect("the file can be read");
        let path = path.strip_prefix(root).expect("a path below src");
        // The tests of a file are its last module.
        let tests = text.find("#[cfg(test)]\nmod tests {");
        Self {
            path: path.to_str().expect("a path in UTF-8").to_owned(),
            lines: take_apart(&text[..tests.unwrap_or(text.len())]),
            text,
        }
    }

    /// The crate's module that the file belongs to: `ring` for `ring/role.rs`.
    pub(crate) fn module(&self) -> &str {
        let first = self.path.split('/').next().unwrap_or_default();
        first.strip_suffix(".rs").unwrap_or(first)
    }

    /// The lines that are not empty without comments.
    pub(crate) fn code(&self) -> impl Iterator<Item = &Line> {
        self.lines
            .iter()
            .filter(|line| !line.code.trim().is_empty())
    }

    /// Where this line is, for a message.
    pub(crate) fn place(&self, line: &Line) -> String {
        format!("src/{}:{}", self.path, line.number)
    }
}

/// Splits a text into lines, and lines into code and comment.
fn take_apart(text: &str) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut line = Line::default();
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let taken = match letter {
            '\n' => {
                line.number = lines.len() + 1;
                lines.push(std::mem::take(&mut line));
                1
            }
            '/' if rest.starts_with("//") => {
                let end = rest.find('\n').unwrap_or(rest.len());
                line.comment = Some(rest[2..end].to_owned());
                end
            }
            '/' if rest.starts_with("/*") => panic!("this reader knows no block comments"),
            '"' => {
                line.code.push_str("\"\"");
                let length = string_length(rest);
                // A string may go on in the next line; so does its statement.
                for _ in rest[..length].matches('\n') {
                    line.number = lines.len() + 1;
                    lines.push(std::mem::take(&mut line));
                    line.code.push_str("\"\"");
                }
                length
            }
            '\'' => {
                let length = character_length(rest);
                line.code.push_str(if length > 1 { "' '" } else { "'" });
                length
            }
            _ => {
                line.code.push(letter);
                letter.len_utf8()
            }
        };
        rest = &rest[taken..];
    }
    assert!(
        line.code.is_empty() && line.comment.is_none(),
        "no newline at the end"
    );
    lines
}

/// Bytes of the string that `text` begins with, quotes included.
fn string_length(text: &str) -> usize {
    let mut escaped = false;
    for (at, letter) in text.char_indices().skip(1) {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    panic!("a string without an end")
}

/// Bytes of the character that `text` begins with; 1 for a lifetime's quote.
fn character_length(text: &str) -> usize {
    let mut letters = text.char_indices().skip(1);
    let escaped = matches!(letters.next(), Some((_, '\\')));
    if escaped {
        letters.next();
        let end = letters.find(|(_, letter)| *letter == '\'');
        return end.expect("a character has an end").0 + 1;
    }
    match letters.next() {
        Some((at, '\'')) => at + 1,
        _ => 1,
    }
}

#[test]
fn the_reader_tells_code_from_comments_and_strings() {
    let lines = take_apart(concat!(
        "/// Doc.\n",
        "let a = \"// no comment\"; // a comment\n",
        "let b = ('\"', '\\'', \"\\\"unsafe {\"); // 'quoted'\n",
        "fn f<'a>(s: &'a str) -> &'a str { s }\n",
        "let c = \"one \\\n    two\";\n",
        "let d = b'/';\n",
    ));
    let found: Vec<_> = lines
        .iter()
        .map(|line| (line.code.as_str(), line.comment.as_deref()))
        .collect();
    let expected = [
        ("", Some("/ Doc.")),
        ("let a = \"\"; ", Some(" a comment")),
        ("let b = (' ', ' ', \"\"); ", Some(" 'quoted'")),
        ("fn f<'a>(s: &'a str) -> &'a str { s }", None),
        ("let c = \"\"", None),
        ("\"\";", None),
        ("let d = b' ';", None),
    ];
    assert_eq!(found, expected);
    let numbers: Vec<_> = lines.iter().map(|line| line.number).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7]);
}
