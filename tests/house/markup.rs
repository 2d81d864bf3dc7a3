//! Markdown that a reader sees as it was meant: of the pages, and of the comments of rustdoc.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use pulldown_cmark::{Event, HeadingLevel, Tag, TagEnd};

use super::pages::{Page, pages, read};
use super::sources::expect_none;
use super::words::paths;

/// What the headings of a page are called in links.
fn anchors(page: &Page) -> BTreeSet<String> {
    let (mut anchors, mut heading) = (BTreeSet::new(), None);
    for (event, _) in page.events() {
        match event {
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::End(TagEnd::Heading(_)) => {
                anchors.extend(heading.take().as_deref().map(anchor));
            }
            Event::Text(text) | Event::Code(text) => {
                heading.iter_mut().for_each(|heading| *heading += &text);
            }
            _ => {}
        }
    }
    anchors
}

fn is_page(text: &Page) -> bool {
    text.path.ends_with(".md")
}

fn anchor(heading: &str) -> String {
    let letters = heading.chars().filter_map(|letter| match letter {
        ' ' => Some('-'),
        '-' | '_' => Some(letter),
        _ if letter.is_alphanumeric() => Some(letter.to_ascii_lowercase()),
        _ => None,
    });
    letters.collect()
}

/// The languages of code, and where it may be: rustdoc, `tests/examples/readme.rs`,
/// `tests/foreign/layout.rs`, the bindings' and the bridge's tests compile or run it there.
const LANGUAGES: [(&str, &str); 8] = [
    ("|no_run", "README.md src/ bridges/nats/src/"),
    ("rust", "README.md"),
    ("compile_fail", "src/"),
    ("toml", "README.md bridges/nats/README.md"),
    ("c", "src/layout.md"),
    ("c|cpp|cmake", "bindings/c/README.md"),
    ("python", "bindings/python/README.md"),
    // What no compiler reads: `tests/house/commands.rs` reads the commands.
    ("text|sh", ""),
];

/// Whether something compiles a block of this language there.
fn is_compiled(path: &str, language: &str) -> bool {
    let language = language.split(',').next().unwrap_or_default();
    LANGUAGES.iter().any(|(languages, places)| {
        let mut places = places.split(' ');
        let is_it = languages.split('|').any(|one| one == language);
        is_it && places.any(|place| path.starts_with(place))
    })
}

/// The pages, and each run of lines that rustdoc renders.
fn texts() -> Vec<Page> {
    // The comments of the tool are texts of its help.
    let mut sources = paths();
    sources.retain(|path| path.ends_with(".rs") && !path.starts_with("src/bin/"));
    let comments = sources.iter().flat_map(|path| comments(path, &read(path)));
    pages().into_iter().chain(comments).collect()
}

fn comments(path: &str, source: &str) -> Vec<Page> {
    let (mut comments, mut kind) = (Vec::<Page>::new(), None);
    for (index, line) in source.lines().enumerate() {
        let line = line.trim_start();
        let mut kinds = ["///", "//!"].into_iter();
        let found = kinds.find(|kind| line.starts_with(kind));
        if found.is_some() {
            if kind != found {
                let line = index + 1;
                comments.push(Page {
                    line,
                    ..Page::new(path, "")
                });
            }
            let line = line[3..].strip_prefix(' ').unwrap_or(&line[3..]);
            let comment = comments.last_mut().expect("a comment");
            comment.text += &format!("{line}\n");
        }
        kind = found;
    }
    comments
}

/// What a reader would see of the marks themselves, and links to what is not there. A page begins with its title, and has no other one; each of its blocks is closed.
fn faults_of(text: &Page, anchors: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    let (mut faults, mut is_code, mut columns) = (Vec::new(), false, 0);
    let mut titles = Vec::new();
    for block in text.blocks() {
        if !is_compiled(&text.path, &block.language) {
            let place = format!("{}:{}", text.path, block.line);
            faults.push(format!(
                "{place}: nothing compiles this {:?}",
                block.language
            ));
        }
    }
    for (event, range) in text.events() {
        let raw = &text.text[range.clone()];
        is_code = match event {
            Event::Start(Tag::CodeBlock(_)) => true,
            Event::End(TagEnd::CodeBlock) => false,
            _ => is_code,
        };
        let fault = match event {
            Event::Start(Tag::Heading {
                level: HeadingLevel::H1,
                ..
            }) => {
                titles.push(text.line_at(range.start));
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
                let is_escaped = text.text[..range.start].ends_with('\\');
                let is_a_mark = is_a_mark(&raw[usize::from(is_escaped)..]);
                is_a_mark.then(|| format!("a mark in {raw:?}"))
            }
            Event::Start(Tag::Image { dest_url, .. }) if !is_shown(text, &dest_url) => {
                Some(format!("rustdoc does not show {dest_url}"))
            }
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                refers_to_nothing(text, &dest_url, anchors)
            }
            _ => None,
        };
        let line = text.line_at(range.start);
        faults.extend(fault.map(|fault| format!("{}:{line}: {fault}", text.path)));
    }
    let lines = text.text.lines().map(str::trim_start);
    let fences = lines.filter(|line| line.starts_with("```")).count();
    if is_page(text) && (titles != [1] || fences % 2 > 0) {
        faults.push(format!(
            "{}: titles in {titles:?}, {fences} fences",
            text.path
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

/// Rustdoc has no files next to its pages, so `src/lib.rs` includes the pictures.
fn is_shown(text: &Page, picture: &str) -> bool {
    let included = format!("include_str!(\"docs/{picture}\")");
    !text.path.starts_with("src/") || read("src/lib.rs").contains(&included)
}

fn refers_to_nothing(
    text: &Page,
    link: &str,
    anchors: &BTreeMap<String, BTreeSet<String>>,
) -> Option<String> {
    let (target, anchor) = link.split_once('#').unwrap_or((link, ""));
    let page = match target.strip_prefix("crate::docs::") {
        Some("layout") => "src/layout.md".to_owned(),
        Some(name) => format!("src/docs/{name}.md"),
        // Rustdoc checks these.
        None if link.contains("::") || !is_page(text) => return None,
        None if link.contains(":") => return None,
        None if target.is_empty() => text.path.clone(),
        None => {
            let folder = text.path.rsplit_once('/').map_or("", |(folder, _)| folder);
            let path = Path::new(folder).join(target);
            path.to_str().expect("a path in UTF-8").to_owned()
        }
    };
    let exists = Path::new(env!("CARGO_MANIFEST_DIR")).join(&page).exists();
    let has_anchor = || anchors.get(&page).is_none_or(|all| all.contains(anchor));
    (!exists || !anchor.is_empty() && !has_anchor()).then(|| format!("{link} is not there"))
}

#[test]
fn the_markdown_renders_as_it_is_meant() {
    let texts = texts();
    let pages = texts.iter().filter(|text| is_page(text));
    let anchors = pages.map(|page| (page.path.clone(), anchors(page)));
    let anchors: BTreeMap<_, _> = anchors.collect();
    assert!(texts.len() > 1000, "the comments were not found");
    let faults = texts.iter().flat_map(|text| faults_of(text, &anchors));
    expect_none(&faults.collect::<Vec<_>>());
}

#[test]
fn a_mark_that_is_seen_is_found() {
    let faults = |path: &str, markdown: &str| {
        let text = Page::new(path, &format!("# Title\n\n{markdown}"));
        let anchors = BTreeMap::from([(text.path.clone(), anchors(&text))]);
        faults_of(&text, &anchors).len()
    };
    for markdown in [
        "- *Name**: text.\n",
        "A `name.\n",
        "**Name*: text.\n",
        "| `a` | b |\n\nText.\n",
        "| a | b |\n|---|---|\n| `a|b` | c |\n",
        "[Name](of_none.md)\n",
        "[Name](#of-none)\n",
        "[Name](crate::docs::of_none)\n",
        "```ignore\nlet a = 1;\n```\n",
        "```python\na = 1\n```\n",
        "# Another title\n",
        "```text\nnot closed\n",
    ] {
        assert!(faults("README.md", markdown) > 0, "{markdown}");
    }
    for markdown in [
        "**Name**: 2 * 3, `a*b`, \\*, [`Name`].\n",
        "```text\n| a `b **c\n```\n",
        "| a | b |\n|---|---|\n| `a\\|b` | c |\n",
        "## A section, and `code`\n\n[Name](#a-section-and-code), [Name](src), [Name](https://a.b)\n",
        "[Name](crate::docs::crash#what-a-crash-leaves), [Name](crate::Producer)\n",
    ] {
        assert_eq!(faults("README.md", markdown), 0, "{markdown}");
    }
    assert_eq!(faults("src/docs/a.md", "![Name](ring.svg)\n"), 1);
    assert_eq!(faults("tests/a.rs", "```\nlet a = 1;\n```\n"), 1);
    let [comment, other] = &comments("a.rs", "//! A.\n//! B.\n\n    /// *C**.\n")[..] else {
        panic!("not two comments");
    };
    assert_eq!(comment.text, "A.\nB.\n");
    assert_eq!((other.line, &*other.text), (4, "*C**.\n"));
}
