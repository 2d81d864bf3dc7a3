//! The pages: their form, and the commands in them, each of which something runs.

use std::fs;
use std::ops::Range;
use std::path::Path;

use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag, TagEnd};

use super::sources::expect_none;

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

/// Single pages, and folders with pages.
const PLACES: &str = "CHANGELOG.md CONTRIBUTING.md README.md RELEASING.md SECURITY.md \
    examples/README.md src src/docs";

/// Folders of packages, each with a README.
const PACKAGES: [&str; 2] = ["bindings", "bridges"];

/// A file of the repository.
pub(crate) fn read(path: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&file).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The names in a folder.
pub(crate) fn names_in(folder: &str) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let entries = fs::read_dir(folder).expect("the directory can be read");
    let names = entries.map(|entry| entry.expect("an entry").file_name().into_string());
    let mut names: Vec<_> = names.map(|name| name.expect("a name in UTF-8")).collect();
    names.sort();
    names
}

/// Every page that a user reads.
pub(crate) fn pages() -> Vec<Page> {
    let mut paths = Vec::new();
    for place in PLACES.split(' ') {
        if place.ends_with(".md") {
            paths.push(place.to_owned());
        } else {
            let names = names_in(place).into_iter();
            let pages = names.filter(|name| name.ends_with(".md"));
            paths.extend(pages.map(|name| format!("{place}/{name}")));
        }
    }
    for folder in PACKAGES {
        let packages = names_in(folder).into_iter();
        paths.extend(packages.map(|name| format!("{folder}/{name}/README.md")));
    }
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

/// systemd has comments in lines of their own, and takes one behind a value for a part of it.
fn faults_of_unit(page: &Page) -> Vec<String> {
    let mut faults = Vec::new();
    for block in page.blocks() {
        let lines = block.text.lines().enumerate();
        for (index, line) in lines.skip_while(|(_, line)| *line != "[Service]") {
            let is_setting = line.split_once('=').is_some_and(|(key, value)| {
                key.chars().all(char::is_alphanumeric) && !value.contains(['#', ';'])
            });
            if !is_setting && !line.starts_with(['#', '[']) {
                faults.push(format!("{}:{}: {line}", page.path, block.line + index));
            }
        }
    }
    faults
}

#[test]
fn no_unit_has_a_comment_behind_a_value() {
    let faults: Vec<_> = pages().iter().flat_map(faults_of_unit).collect();
    expect_none(&faults);
    let unit = "```text\n[Service]\n# Twice:\nRestart=always\nCPUAffinity=2 # one core\n```\n";
    let found = faults_of_unit(&Page::new("a.md", unit));
    assert_eq!(found, ["a.md:5: CPUAffinity=2 # one core"]);
    let has_a_unit = |page: &Page| page.text.contains("\n[Service]\n");
    assert!(pages().iter().any(has_a_unit), "there is no unit");
}
