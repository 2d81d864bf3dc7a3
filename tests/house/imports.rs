//! Imports point down: from a file to a file of the same row or of a lower one, without
//! cycles.

use std::collections::{BTreeMap, BTreeSet};

use regex::Captures;

use super::text::{Source, expect_none, hits, library, regex, sources};

/// The rows from the lowest up, with their files; `ring/` stands for all files in it.
#[rustfmt::skip]
const ROWS: [(&str, &str); 10] = [
    ("ground", "sync.rs error.rs error/"),
    ("contract", "layout.rs layout/ payload.rs"),
    ("protocol", "cursor.rs parker.rs peer.rs"),
    ("platform", "segment.rs segment/ doorbell.rs doorbell/ header.rs deadline.rs"),
    ("wait", "wait.rs wait/"),
    ("ring", "ring.rs ring/"),
    // The parts that the four endpoints share.
    ("endpoint", "endpoint.rs endpoint/ slots.rs frames.rs frames/"),
    ("ends", "producer.rs consumer.rs frame_producer.rs frame_consumer.rs observer.rs observer/"),
    ("front", "ends.rs"),
    ("adapters", "adapters.rs adapters/"),
];

/// The only files that these files may import: the parts of the protocol do not import each other.
const MAY_IMPORT: [(&str, &str); 6] = [
    ("sync.rs", ""),
    ("error.rs", "sync.rs error/"),
    ("layout.rs", "sync.rs error.rs error/ layout/"),
    ("cursor.rs", "sync.rs error.rs error/ layout.rs"),
    ("parker.rs", "sync.rs error.rs error/ layout.rs"),
    // A goal consists of an awaited position and a state.
    ("peer.rs", "sync.rs cursor.rs"),
];

/// A file of the crate.
struct Module {
    file: String,
    /// The imported names, with their paths.
    names: BTreeMap<String, String>,
    /// The paths in its code.
    paths: Vec<String>,
}

/// The modules by their paths, such as `crate::ring::role`.
type Modules = BTreeMap<String, Module>;

/// Each file's imports: the files, with a path by which each is named.
type Imports<'a> = BTreeMap<&'a str, BTreeMap<&'a str, &'a str>>;

fn module_of(source: &Source) -> (String, Module) {
    // A module in a file is a part of it.
    let inner = regex(r"(?ms)^(pub )?mod \w+ \{$.*?^\}$");
    let code = inner.replace_all(&source.code, |inner: &Captures<'_>| {
        regex(r"\bsuper((::\w+)*)")
            .replace_all(&inner[0], "self$1")
            .into_owned()
    });
    let (mut names, mut paths) = (BTreeMap::new(), Vec::new());
    let import = regex(r"(\bpub(?:\([^)]*\))? )?\buse ([^;]+);");
    for import in import.captures_iter(&code) {
        let words: Vec<_> = import[2].split_whitespace().collect();
        for (name, path) in leaves(&words.join(" "), "") {
            // A re-export counts at its uses.
            if import.get(1).is_none() {
                paths.push(path.clone());
            }
            if path != name && path != format!("self::{name}") {
                names.insert(name, path);
            }
        }
    }
    let others = import.replace_all(&code, "");
    let others = regex(r"\bpub\([^)]*\)").replace_all(&others, "");
    let found = hits(r"\b[a-zA-Z_]\w*(\s*::\s*\w+)*", &others);
    paths.extend(
        found
            .iter()
            .map(|path| path[0].split_whitespace().collect()),
    );
    let file = source.path.clone();
    let path = file.trim_end_matches(".rs").replace('/', "::");
    let path = if path == "lib" {
        "crate".to_owned()
    } else {
        format!("crate::{path}")
    };
    (path, Module { file, names, paths })
}

/// The names that an import introduces, with the path of each.
fn leaves(tree: &str, above: &str) -> Vec<(String, String)> {
    if let Some((head, group)) = tree.split_once('{') {
        let above = format!("{above}{}", head.trim());
        let mut depth = 0;
        let trees = group.trim_end_matches([' ', '}']).split(|letter| {
            depth += i32::from(letter == '{') - i32::from(letter == '}');
            letter == ',' && depth == 0
        });
        let trees = trees.map(str::trim).filter(|tree| !tree.is_empty());
        return trees.flat_map(|tree| leaves(tree, &above)).collect();
    }
    let (path, name) = tree.split_once(" as ").unwrap_or((tree, ""));
    let path = format!("{above}{path}");
    let path = path.trim_end_matches("::*").trim_end_matches("::self");
    let last = path.rsplit("::").next().unwrap_or_default();
    let name = if name.is_empty() { last } else { name };
    vec![(name.to_owned(), path.to_owned())]
}

/// The file with the item that a path in a module refers to; none for local items and other crates.
fn file_of<'a>(modules: &'a Modules, module: &str, path: &str, is_ours: bool) -> Option<&'a str> {
    let (first, rest) = path.split_once("::").unwrap_or((path, ""));
    let (own, child) = (modules.get(module)?, format!("{module}::{first}"));
    let next = match first {
        "crate" => first.to_owned(),
        "self" => module.to_owned(),
        "super" => module.rsplit_once("::")?.0.to_owned(),
        // A local may have the name of a submodule.
        _ if modules.contains_key(&child) && (is_ours || !rest.is_empty()) => child,
        _ => match own.names.get(first) {
            Some(path) => return file_of(modules, module, &format!("{path}::{rest}"), is_ours),
            None => return is_ours.then_some(&own.file),
        },
    };
    file_of(modules, &next, rest, true)
}

fn imports(modules: &Modules) -> Imports<'_> {
    let mut imports = Imports::new();
    // The root lists the modules and uses no imports itself.
    for (name, module) in modules.iter().filter(|(name, _)| *name != "crate") {
        let files = imports.entry(module.file.as_str()).or_default();
        for path in &module.paths {
            let file = file_of(modules, name, path, false);
            if let Some(file) = file.filter(|file| *file != module.file) {
                files.entry(file).or_insert(path);
            }
        }
    }
    imports
}

/// Whether a file is one of these.
fn is_one_of(file: &str, places: &str) -> bool {
    let mut places = places.split(' ');
    places.any(|place| file == place || place.ends_with('/') && file.starts_with(place))
}

/// What is wrong with the imports, which are more than `least`.
fn faults_of(sources: &[Source], rows: &[(&str, &str)], least: usize) -> Vec<String> {
    let modules = sources.iter().map(module_of).collect();
    let imports = imports(&modules);
    let count: usize = imports.values().map(BTreeMap::len).sum();
    assert!(count >= least, "{count}: the imports were not found");
    let row_of = |file: &str| rows.iter().position(|(_, files)| is_one_of(file, files));
    let mut faults = Vec::new();
    for (file, imported) in &imports {
        let Some(own) = row_of(file) else {
            faults.push(format!("src/{file} is in no row of tests/house/imports.rs"));
            continue;
        };
        let listed = MAY_IMPORT.iter().find(|(protocol, _)| protocol == file);
        for (other, path) in imported {
            let mut add = |what| faults.push(format!("src/{file} imports {other} {what}: {path}"));
            if row_of(other) > Some(own) || *other == "lib.rs" {
                add("from above");
            }
            if reaches(other, file, &imports, &mut BTreeSet::new()) {
                add("in a cycle");
            }
            if listed.is_some_and(|(_, may_import)| !is_one_of(other, may_import)) {
                add("and is a file of the protocol");
            }
        }
    }
    faults
}

/// Whether a file imports another one, directly or indirectly.
fn reaches<'a>(
    from: &'a str,
    to: &str,
    imports: &Imports<'a>,
    seen: &mut BTreeSet<&'a str>,
) -> bool {
    let mut imported = imports.get(from).into_iter().flat_map(BTreeMap::keys);
    from == to || seen.insert(from) && imported.any(|next| reaches(next, to, imports, seen))
}

#[test]
fn imports_point_down_and_have_no_cycles() {
    let sources = library();
    expect_none(&faults_of(&sources, &ROWS, 60));
    let places = ROWS.iter().flat_map(|(_, places)| places.split(' '));
    for place in places.chain(MAY_IMPORT.iter().map(|(file, _)| *file)) {
        let exists = sources.iter().any(|source| is_one_of(&source.path, place));
        assert!(exists, "there is no src/{place}");
    }
}

#[test]
fn the_imports_of_the_tool_have_no_cycles() {
    let all = sources();
    let tool = all.iter().filter_map(|source| {
        let path = match &*source.path {
            "bin/quoit/main.rs" => "lib.rs",
            "segment/memory_limit.rs" => "memory_limit.rs",
            path => path.strip_prefix("bin/quoit/")?,
        };
        Some(Source::new(path, &source.text))
    });
    let tool: Vec<_> = tool.collect();
    let names: Vec<_> = tool.iter().map(|source| &*source.path).collect();
    expect_none(&faults_of(&tool, &[("tool", &names.join(" "))], 100));
}

/// How many faults these files have: one, or both files of a cycle, but not those that import them.
#[rustfmt::skip]
const SAMPLES: [(usize, &str); 17] = [
    // From below, or not at all.
    (0, "a.rs use std::{fs, io}; fn f() { fs::read(z); }"),
    (0, "a.rs use crate::b::B; fn f() { b!(\"crate::z\") } // crate::z::Z"),
    (0, "z.rs use super::a::A;"),
    // From above, by every form of path.
    (1, "a.rs use crate::{b::B, z::{self, Z}};"),
    (1, "a.rs use super::z as b;"),
    (1, "a.rs mod inner {\nfn f() -> super::super::z::Z {}\n}"),
    (1, "a.rs fn f() { use crate::z::*; }"),
    (1, "a.rs fn f() { assert!(1 == crate::z::f()) }"),
    (1, "a.rs use crate::X;"),
    // Without a row, and one of the protocol that imports another one than the listed.
    (1, "y.rs "),
    (1, "error.rs use crate::peer::P;"),
    // In a cycle.
    (2, "a.rs use crate::b::B; + b.rs use crate::a::A;"),
    (0, "a.rs use crate::b::B; + b.rs use crate::C; struct B;"),
    // Parent and child.
    (2, "b.rs struct B(c::C); + b/c.rs use super::B;"),
    (0, "b.rs pub use self::c::C; struct B; + b/c.rs use super::B;"),
    (2, "b.rs pub use self::c::C; struct B(C); + b/c.rs use super::B;"),
    // A re-export counts as its origin.
    (2, "a.rs use crate::b::B; + b.rs pub use self::c::B; + b/c.rs use crate::a::A;"),
];

#[test]
fn each_wrong_import_is_found() {
    let rows = [("low", "a.rs b.rs b/ error.rs peer.rs"), ("high", "z.rs")];
    for (faults, text) in SAMPLES {
        let others = [
            "lib.rs pub use crate::b::c::C;",
            "a.rs ",
            "b.rs ",
            "b/c.rs ",
            "peer.rs ",
            "z.rs ",
        ];
        let files = others.into_iter().chain(text.split(" + "));
        let files = files.filter_map(|file| file.split_once(' '));
        // The last text of a file is its text.
        let sources: BTreeMap<_, _> = files
            .map(|(path, text)| (path, Source::new(path, text)))
            .collect();
        let found = faults_of(&sources.into_values().collect::<Vec<_>>(), &rows, 0);
        assert_eq!(found.len(), faults, "{text}: {found:?}");
    }
}
