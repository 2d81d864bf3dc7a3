//! Ordering sites: every operation of a protocol file that is not Relaxed.
//!
//! The models find them: the words of `sync.rs` record their callers. Each site is then
//! weakened to Relaxed (a fence is omitted), and some model must fail. The sites found must
//! match the expected list, and every edge that the source names must have been executed.
//! So a new ordering, or one that no model executes, is an error.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::panic::Location;
use std::sync::atomic::Ordering;

use super::model::Model;
use super::report::shortened;
use super::verdicts::Trial;

/// The sites of src/cursor.rs, which two suites compile.
#[allow(dead_code, reason = "the suites without the cursor")]
pub(crate) const CURSOR: &[&str] = &[
    "ReadCursor::inline_copy: fence CHECK (Acquire)",
    "ReadCursor::look: load READY (Acquire)",
    "ReadCursor::move_to: store RECLAIM (Release)",
    "ReadCursor::resume: load READY (Acquire)",
    "WriteCursor::look: fence REUSE (Release)",
    "WriteCursor::look: load FREE (Acquire)",
    "WriteCursor::move_to: store PUBLISH (Release)",
    "WriteCursor::publish_inline: fence RIDE (Release)",
    "WriteCursor::resume: fence REUSE (Release)",
    "WriteCursor::resume: load FREE (Acquire)",
];

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Operation {
    Load,
    Store,
    Fence,
}

/// An operation in the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Site {
    location: &'static Location<'static>,
    operation: Operation,
}

thread_local! {
    static FOUND: RefCell<BTreeSet<Site>> = const { RefCell::new(BTreeSet::new()) };
    static WEAKENED: Cell<Option<Site>> = const { Cell::new(None) };
}

impl Site {
    pub(crate) fn new(operation: Operation, location: &'static Location<'static>) -> Self {
        Self {
            location,
            operation,
        }
    }

    /// The ordering that the site uses: its own, or Relaxed while it is weakened.
    pub(crate) fn in_force(self, edge: Ordering) -> Ordering {
        if edge == Ordering::Relaxed {
            return edge;
        }
        FOUND.with_borrow_mut(|found| found.insert(self));
        match WEAKENED.get() {
            Some(weakened) if weakened == self => Ordering::Relaxed,
            _ => edge,
        }
    }

    fn line(self) -> usize {
        self.location.line() as usize
    }
}

/// A protocol file.
pub(crate) struct Source {
    pub(crate) file: &'static str,
    pub(crate) text: &'static str,
    /// The orderings that the file may name.
    pub(crate) edges: &'static [(&'static str, Ordering)],
    /// The expected sites, sorted. `None` if another test checks them.
    pub(crate) sites: Option<&'static [&'static str]>,
}

impl Source {
    fn has(&self, site: Site) -> bool {
        site.location.file().ends_with(self.file)
    }

    fn line(&self, number: usize) -> &'static str {
        self.text.lines().nth(number - 1).unwrap_or("").trim()
    }

    /// The edges in a line of code, without the Relaxed ones.
    fn edges_in(&self, line: &str) -> Vec<String> {
        let words = code(line).split(|letter| !is_of_name(letter));
        let edges = words.filter_map(|word| self.edges.iter().find(|(name, _)| *name == word));
        let strong = edges.filter(|(_, ordering)| *ordering != Ordering::Relaxed);
        strong
            .map(|(name, ordering)| format!("{name} ({ordering:?})"))
            .collect()
    }

    /// Lines below the imports that name an edge.
    fn lines_with_edges(&self) -> BTreeSet<usize> {
        let lines = (1..).zip(self.text.lines());
        let is_code = |line: &str| line.starts_with("impl ") || line.starts_with("pub(crate) fn ");
        let below_imports = lines.skip_while(|(_, line)| !is_code(line));
        let named = below_imports.filter(|(_, line)| !self.edges_in(line).is_empty());
        named.map(|(number, _)| number).collect()
    }

    /// The site's line, shortened.
    pub(crate) fn quote(&self, site: Site) -> String {
        shortened(self.line(site.line()), 40)
    }

    /// The site's name, which does not depend on line numbers: type, function, operation,
    /// edge and ordering.
    pub(crate) fn name(&self, site: Site) -> String {
        let before: Vec<_> = self.text.lines().take(site.line()).map(code).collect();
        let name = |text: &'static str| {
            text.split(|letter| !is_of_name(letter))
                .next()
                .unwrap_or("")
        };
        let mut functions = before
            .iter()
            .rev()
            .filter_map(|line| line.split_once("fn "));
        let (_, function) = functions.next().unwrap_or_default();
        // An `impl` in a signature starts no block of methods. A brace in the first column ends a block.
        let mut blocks = before
            .iter()
            .rev()
            .take_while(|line| !line.starts_with('}'))
            .filter_map(|line| line.strip_prefix("impl "));
        let block = blocks.next().map(|block| format!("{}::", name(block)));
        let operation = format!("{:?}", site.operation).to_lowercase();
        let edge = self.edges_in(self.line(site.line())).join(" ");
        let block = block.unwrap_or_default();
        format!("{block}{}: {operation} {edge}", name(function))
    }

    /// Compares the sites that were found with the expected ones.
    fn compare(&self, found: &[Site]) -> Result<(), String> {
        let Some(expected) = self.sites else {
            return Ok(());
        };
        let mut names: Vec<_> = found.iter().map(|&site| self.name(site)).collect();
        names.sort_unstable();
        if names != expected {
            return Err(format!("expected sites: {expected:#?}, found: {names:#?}"));
        }
        let met: BTreeSet<_> = found.iter().map(|site| site.line()).collect();
        let written = self.lines_with_edges();
        if met != written {
            let file = self.file;
            return Err(format!(
                "edges in lines {written:?} of {file}, executed in {met:?}"
            ));
        }
        Ok(())
    }
}

/// A line without its comment.
fn code(line: &str) -> &str {
    line.split("//").next().unwrap_or("")
}

fn is_of_name(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

/// Which of the expected sites a search must find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    All,
    Some,
}

/// Finds the sites in these files, and compares them with the expected ones.
pub(crate) fn find(
    sources: &[Source],
    expected: Expected,
    explore: impl FnOnce(),
) -> Result<Vec<(&Source, Site)>, String> {
    FOUND.take();
    explore();
    let mut found: Vec<_> = FOUND.take().into_iter().collect();
    let mut judged = Vec::new();
    for source in sources {
        let (here, elsewhere): (Vec<_>, _) = found.into_iter().partition(|&site| source.has(site));
        if expected == Expected::All {
            source.compare(&here)?;
        }
        let here = here.into_iter().filter(|_| source.sites.is_some());
        judged.extend(here.map(|site| (source, site)));
        found = elsewhere;
    }
    match found.first() {
        Some(site) => Err(format!("{} is in no checked file", site.location)),
        None => Ok(judged),
    }
}

/// Runs with one site weakened.
pub(crate) fn weakened<R>(site: Site, run: impl FnOnce() -> R) -> R {
    WEAKENED.set(Some(site));
    let result = run();
    WEAKENED.set(None);
    result
}

/// Finds the sites in these files, and weakens each in turn, at this many preemptions at
/// most, until a model fails.
pub(crate) fn judge<S: Sync>(
    sources: &[Source],
    models: &[&'static Model<S>],
    shipped: &'static S,
    preemptions: usize,
) -> Result<String, String> {
    let judged = find(sources, Expected::All, || {
        for model in models {
            // Enough to execute every site: otherwise `find` fails.
            model.explore(shipped, Some(0));
        }
    })?;
    let columns = ["ordering made Relaxed", "source"];
    let mut trial = Trial::open(columns, models, preemptions);
    for (source, site) in judged {
        let columns = [&source.name(site), &source.quote(site)];
        weakened(site, || trial.judge(columns.map(String::as_str), shipped));
    }
    trial.close(shipped)
}
