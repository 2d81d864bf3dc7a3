//! The pages: their form, and the commands in them, each of which something runs.

use std::fs;
use std::ops::Range;
use std::path::Path;

use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag, TagEnd};

use super::sources::expect_none;
use super::words::paths;

/// A text that is rendered: its file below the root, and the line in which it begins.
pub(crate) struct Page {
    pub(crate) path: String,
    pub(crate) line: usize,
    pub(crate) text: String,
}

/// A block of code.
pub(crate) struct Block {
    pub(crate) language: String,
    /// Of its first line of code.
    pub(crate) line: usize,
    pub(crate) text: String,
}

impl Page {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let (path, text) = (path.to_owned(), text.to_owned());
        Self {
            path,
            line: 1,
            text,
        }
    }

    pub(crate) fn events(&self) -> impl Iterator<Item = (Event<'_>, Range<usize>)> {
        let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH;
        Parser::new_ext(&self.text, options).into_offset_iter()
    }

    /// The line of the file with this byte of the text.
    pub(crate) fn line_at(&self, byte: usize) -> usize {
        self.line + self.text[..byte].matches('\n').count()
    }

    pub(crate) fn blocks(&self) -> Vec<Block> {
        let (mut blocks, mut is_inside) = (Vec::<Block>::new(), false);
        for (event, range) in self.events() {
            match event {
                Event::Start(Tag::CodeBlock(kind)) => {
                    let (language, above) = match kind {
                        CodeBlockKind::Fenced(language) => (language.into_string(), 1),
                        CodeBlockKind::Indented => (String::new(), 0),
                    };
                    let line = self.line_at(range.start) + above;
                    let text = String::new();
                    blocks.push(Block {
                        language,
                        line,
                        text,
                    });
                    is_inside = true;
                }
                Event::End(TagEnd::CodeBlock) => is_inside = false,
                Event::Text(text) if is_inside => {
                    blocks.last_mut().expect("a block").text += &text;
                }
                _ => {}
            }
        }
        blocks
    }
}

/// A file of the repository.
pub(crate) fn read(path: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&file).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every page that a user reads.
pub(crate) fn pages() -> Vec<Page> {
    let mut paths = paths();
    paths.retain(|path| path.ends_with(".md"));
    let pages = paths.iter().map(|path| Page::new(path, &read(path)));
    let pages: Vec<_> = pages.collect();
    assert!(pages.len() > 25, "the pages were not found");
    pages
}

/// What is wrong with the form: a page begins with its title, and has no other one; each of its
/// blocks is closed.
fn faults_of_form(page: &Page) -> Vec<String> {
    let titles = page.events().filter_map(|(event, range)| {
        let level = HeadingLevel::H1;
        let is_title =
            matches!(event, Event::Start(Tag::Heading { level: found, .. }) if found == level);
        is_title.then(|| page.line_at(range.start))
    });
    let titles: Vec<_> = titles.collect();
    let lines = page.text.lines().map(str::trim_start);
    let fences = lines.filter(|line| line.starts_with("```")).count();
    let is_right = titles == [1] && fences % 2 == 0;
    let fault =
        (!is_right).then(|| format!("{}: titles in {titles:?}, {fences} fences", page.path));
    fault.into_iter().collect()
}

#[test]
fn every_page_begins_with_its_only_title() {
    let faults: Vec<_> = pages().iter().flat_map(faults_of_form).collect();
    expect_none(&faults);
    for (text, fault) in [
        ("# A title\n\n## A section\n\n```\n# Ok(())\n```\n", false),
        ("Text.\n", true),
        ("# A title\n\n# Another one\n", true),
        ("# A title\n\n```\nlet a = 1;\n", true),
    ] {
        let found = !faults_of_form(&Page::new("a.md", text)).is_empty();
        assert_eq!(found, fault, "{text}");
    }
}
