//! The pages: their form, and the commands in them, each of which something runs.

use std::fs;
use std::path::Path;

use super::sources::expect_none;

/// A page, as its path below the root and its text.
pub(crate) struct Page {
    pub(crate) path: String,
    pub(crate) text: String,
}

/// Single pages, and folders with pages.
#[rustfmt::skip]
const PLACES: [&str; 8] = [
    "CHANGELOG.md", "CONTRIBUTING.md", "README.md", "RELEASING.md", "SECURITY.md",
    "examples/README.md", "src", "src/docs",
];

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
    for place in PLACES {
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
    let page = |path: String| Page {
        text: read(&path),
        path,
    };
    let pages: Vec<_> = paths.into_iter().map(page).collect();
    assert!(pages.len() > 25, "the pages were not found");
    pages
}

/// A line of a page, and the language of the block that it is in.
pub(crate) struct Line<'a> {
    pub(crate) number: usize,
    pub(crate) text: &'a str,
    pub(crate) block: Option<&'a str>,
}

impl Page {
    /// Its lines without the fences of its blocks.
    pub(crate) fn lines(&self) -> Vec<Line<'_>> {
        let mut block = None;
        let mut lines = Vec::new();
        for (index, text) in self.text.lines().enumerate() {
            match (text.trim_start().strip_prefix("```"), block) {
                (Some(language), None) => block = Some(language),
                (Some(_), Some(_)) => block = None,
                (None, _) => lines.push(Line {
                    number: index + 1,
                    text,
                    block,
                }),
            }
        }
        assert_eq!(block, None, "{}: a block has no end", self.path);
        lines
    }
}

/// What is wrong with the headings: a page begins with its title, and has no other one.
fn faults_of_headings(page: &Page) -> Vec<String> {
    let lines = page.lines();
    let titles: Vec<_> = lines
        .iter()
        .filter(|line| line.block.is_none() && line.text.starts_with("# "))
        .map(|line| line.number)
        .collect();
    match titles[..] {
        [1] => Vec::new(),
        _ => vec![format!("{}: titles in lines {titles:?}", page.path)],
    }
}

#[test]
fn every_page_begins_with_its_only_title() {
    let faults: Vec<_> = pages().iter().flat_map(faults_of_headings).collect();
    expect_none(&faults);
    for (text, fault) in [
        ("# A title\n\n## A section\n\n```\n# Ok(())\n```\n", false),
        ("Text.\n", true),
        ("# A title\n\n# Another one\n", true),
    ] {
        let (path, text) = ("a.md".to_owned(), text.to_owned());
        let found = !faults_of_headings(&Page { path, text }).is_empty();
        assert_eq!(found, fault);
    }
}

/// systemd has comments in lines of their own, and takes one behind a value for a part of it.
fn faults_of_unit(page: &Page) -> Vec<String> {
    let mut faults = Vec::new();
    let mut is_unit = false;
    for line in page.lines() {
        is_unit &= line.block.is_some();
        is_unit |= line.text == "[Service]";
        let setting = line.text.split_once('=');
        let is_one = setting.is_some_and(|(key, value)| {
            key.chars().all(char::is_alphanumeric) && !value.contains(['#', ';'])
        });
        let is_other = line.text.starts_with(['#', '[']);
        if is_unit && !is_one && !is_other {
            faults.push(format!("{}:{}: {}", page.path, line.number, line.text));
        }
    }
    faults
}

#[test]
fn no_unit_has_a_comment_behind_a_value() {
    let faults: Vec<_> = pages().iter().flat_map(faults_of_unit).collect();
    expect_none(&faults);
    let unit = "```text\n[Service]\n# Twice:\nRestart=always\nCPUAffinity=2 # one core\n```\n";
    let (path, text) = ("a.md".to_owned(), unit.to_owned());
    let found = faults_of_unit(&Page { path, text });
    assert_eq!(found, ["a.md:5: CPUAffinity=2 # one core"]);
    let units = pages()
        .into_iter()
        .filter(|page| page.text.contains("\n[Service]\n"));
    assert!(units.count() > 0, "there is no unit");
}
