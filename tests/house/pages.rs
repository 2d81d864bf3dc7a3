//! Markdown that a reader sees as it was meant: of the pages, and of the comments of rustdoc.

use std::ops::Range;
use std::path::Path;

use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag, TagEnd};

use super::text::{expect_none, hits, line, paths, read, regex};

/// A text that is rendered: its file below the root, and the line in which it begins.
pub(crate) struct Page {
    pub(crate) path: String,
    pub(crate) line: usize,
    pub(crate) text: String,
}

impl Page {
    pub(crate) fn new(path: &str, line: usize, text: &str) -> Self {
        let (path, text) = (path.to_owned(), text.to_owned());
        Self { path, line, text }
    }

    pub(crate) fn events(&self) -> impl Iterator<Item = (Event<'_>, Range<usize>)> {
        let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH;
        Parser::new_ext(&self.text, options).into_offset_iter()
    }

    /// The line of the file with this byte of the text.
    pub(crate) fn line_at(&self, byte: usize) -> usize {
        self.line - 1 + line(&self.text, byte)
    }
}

/// Every page that a user reads.
pub(crate) fn pages() -> Vec<Page> {
    let mut paths = paths();
    paths.retain(|path| path.ends_with(".md"));
    let pages = paths.iter().map(|path| Page::new(path, 1, &read(path)));
    let pages: Vec<_> = pages.collect();
    assert!(pages.len() > 25, "the pages were not found");
    pages
}

/// Each run of lines that rustdoc renders.
fn comments(path: &str, source: &str) -> Vec<Page> {
    let runs = hits(r"(?m)(?:^ *///.*\n)+|(?:^ *//!.*\n)+", source);
    let comments = runs.iter().map(|run| {
        let text = regex(r"(?m)^ *//[/!] ?").replace_all(&run[0], "");
        Page::new(path, line(source, run.get_match().start()), &text)
    });
    comments.collect()
}

/// The files and the languages of blocks, between them a space: rustdoc, `tests/examples/readme.rs`,
/// `tests/foreign/layout.rs`, the bindings' and the bridge's tests compile or run these. A text is
/// compiled by nothing, and `tests/house/commands.rs` reads the commands.
const COMPILED: &str = r"^((README\.md|src/.*|bridges/nats/src/.*) (no_run)?|README\.md rust|src/.* compile_fail|(bridges/nats/)?README\.md toml|src/layout\.md c|bindings/c/README\.md (c|cpp|cmake)|bindings/python/README\.md python|.* (text|sh))$";

/// What a reader would see of the marks themselves, and links to what is not there. A page begins
/// with its title, and has no other one; each of its blocks is closed.
fn faults_of(page: &Page) -> Vec<String> {
    let compiled = regex(COMPILED);
    let (mut faults, mut titles, mut is_code, mut columns) = (Vec::new(), Vec::new(), false, 0);
    for (event, range) in page.events() {
        let raw = &page.text[range.clone()];
        let fault = match event {
            Event::Start(Tag::CodeBlock(kind)) => {
                is_code = true;
                let language = match &kind {
                    CodeBlockKind::Fenced(language) => {
                        language.split(',').next().unwrap_or_default()
                    }
                    CodeBlockKind::Indented => "",
                };
                let is_compiled = compiled.is_match(&format!("{} {language}", page.path));
                (!is_compiled).then(|| format!("nothing compiles this {language:?}"))
            }
            Event::End(TagEnd::CodeBlock) => {
                is_code = false;
                None
            }
            Event::Start(Tag::Heading {
                level: HeadingLevel::H1,
                ..
            }) => {
                titles.push(range.start);
                None
            }
            Event::Start(Tag::Paragraph) if raw.starts_with('|') => {
                Some("a table without a heading".to_owned())
            }
            Event::Start(Tag::TableHead) => {
                columns = cells(raw);
                None
            }
            Event::Start(Tag::TableRow) if cells(raw) != columns => {
                Some(format!("{} cells in {columns} columns", cells(raw)))
            }
            Event::Text(_) if !is_code => {
                let is_escaped = page.text[..range.start].ends_with('\\');
                let is_a_mark = is_a_mark(&raw[usize::from(is_escaped)..]);
                is_a_mark.then(|| format!("a mark in {raw:?}"))
            }
            Event::Start(Tag::Link { dest_url, .. }) => refers_to_nothing(page, &dest_url),
            Event::Start(Tag::Image { dest_url, .. }) if page.path.starts_with("src/") => {
                // Rustdoc has no files next to its pages.
                let is_included = read("src/lib.rs").contains(&format!("(\"docs/{dest_url}\")"));
                (!is_included).then(|| format!("rustdoc does not show {dest_url}"))
            }
            _ => None,
        };
        let line = page.line_at(range.start);
        faults.extend(fault.map(|fault| format!("{}:{line}: {fault}", page.path)));
    }
    let fences = hits(r"(?m)^\s*```", &page.text).len();
    if page.path.ends_with(".md") && (titles != [0] || fences % 2 > 0) {
        faults.push(format!(
            "{}: titles at {titles:?}, {fences} fences",
            page.path
        ));
    }
    faults
}

/// A `|` ends a cell in code, too.
fn cells(row: &str) -> usize {
    row.replace("\\|", "").matches('|').count() - 1
}

/// An emphasis or code that does not begin, or does not end.
fn is_a_mark(raw: &str) -> bool {
    let mut pieces = raw.split(['*', '`']).skip(1);
    let is_sign = |piece: &str| piece.starts_with(' ') || piece.is_empty() && raw.len() > 1;
    raw.contains("**") || pieces.any(|piece| !is_sign(piece))
}

fn refers_to_nothing(page: &Page, link: &str) -> Option<String> {
    let (target, anchor) = link.split_once('#').unwrap_or((link, ""));
    let file = match target.strip_prefix("crate::docs::") {
        Some("layout") => "src/layout.md".to_owned(),
        Some(name) => format!("src/docs/{name}.md"),
        // Rustdoc checks these.
        None if link.contains(':') || !page.path.ends_with(".md") => return None,
        None if target.is_empty() => page.path.clone(),
        None => Path::new(&page.path)
            .with_file_name(target)
            .display()
            .to_string(),
    };
    let exists = Path::new(env!("CARGO_MANIFEST_DIR")).join(&file).exists();
    let has_anchor = || {
        let text = if file == page.path {
            page.text.clone()
        } else {
            read(&file)
        };
        hits(r"(?m)^#+ (.*)$", &text).iter().any(|heading| {
            // A heading has small letters and signs of names in a link.
            let name = regex(r"[^\w -]")
                .replace_all(&heading[1], "")
                .replace(' ', "-");
            name.to_lowercase() == anchor
        })
    };
    let is_there = exists && (anchor.is_empty() || !file.ends_with(".md") || has_anchor());
    (!is_there).then(|| format!("{link} is not there"))
}

#[test]
fn the_markdown_renders_as_it_is_meant() {
    // The comments of the tool are texts of its help.
    let mut sources = paths();
    sources.retain(|path| path.ends_with(".rs") && !path.starts_with("src/bin/"));
    let comments = sources.iter().flat_map(|path| comments(path, &read(path)));
    let texts: Vec<_> = pages().into_iter().chain(comments).collect();
    assert!(texts.len() > 1000, "the comments were not found");
    expect_none(&texts.iter().flat_map(faults_of).collect::<Vec<_>>());
}

/// A file, a text, and how many faults it has.
#[rustfmt::skip]
const SAMPLES: [(&str, &str, usize); 16] = [
    ("README.md", "- *Name**: text.\n", 1),
    ("README.md", "A `name.\n", 1),
    ("README.md", "**Name*: text.\n", 1),
    ("README.md", "| `a` | b |\n\nText.\n", 1),
    // The two halves of the code are marks.
    ("README.md", "| a | b |\n|---|---|\n| `a|b` | c |\n", 3),
    ("README.md", "[Name](of_none.md), [Name](#of-none), [Name](crate::docs::of_none)\n", 3),
    ("README.md", "```ignore\nlet a = 1;\n```\n\n```python\na = 1\n```\n", 2),
    ("README.md", "# Another title\n", 1),
    ("README.md", "```text\nnot closed\n", 1),
    ("src/docs/a.md", "![Name](ring.svg)\n", 1),
    ("tests/a.rs", "```\nlet a = 1;\n```\n", 1),
    ("README.md", "**Name**: 2 * 3, `a*b`, \\*, [`Name`].\n", 0),
    ("README.md", "```text\n| a `b **c\n```\n", 0),
    ("README.md", "| a | b |\n|---|---|\n| `a\\|b` | c |\n", 0),
    ("README.md", "## A section, and `code`\n\n[Name](#a-section-and-code), [Name](src), [Name](https://a.b)\n", 0),
    ("README.md", "[Name](crate::docs::crash#what-a-crash-leaves), [Name](crate::Producer)\n", 0),
];

#[test]
fn a_mark_that_is_seen_is_found() {
    for (path, markdown, faults) in SAMPLES {
        let page = Page::new(path, 1, &format!("# Title\n\n{markdown}"));
        let found = faults_of(&page);
        assert_eq!(found.len(), faults, "{markdown}: {found:?}");
    }
    let [comment, other] = &comments("a.rs", "//! A.\n//! B.\n\n    /// *C**.\n")[..] else {
        panic!("not two comments");
    };
    assert_eq!((comment.line, &*comment.text), (1, "A.\nB.\n"));
    assert_eq!((other.line, &*other.text), (4, "*C**.\n"));
}
