//! The pages, as Markdown.

use std::fs;
use std::ops::Range;
use std::path::Path;

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

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
        Self {
            path: path.to_owned(),
            line: 1,
            text: text.to_owned(),
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
        let mut blocks = Vec::<Block>::new();
        let mut is_inside = false;
        for (event, range) in self.events() {
            match event {
                Event::Start(Tag::CodeBlock(kind)) => {
                    let (language, above) = match kind {
                        CodeBlockKind::Fenced(language) => (language.into_string(), 1),
                        CodeBlockKind::Indented => (String::new(), 0),
                    };
                    blocks.push(Block {
                        language,
                        line: self.line_at(range.start) + above,
                        text: String::new(),
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
