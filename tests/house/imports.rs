//! Imports point down: from a file to a file of the same row or of a lower one, without
//! cycles.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::TokenStream;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Item, ItemUse, Macro, Path, UseTree, Visibility};

use super::sources::{Source, expect_none, flat, library, sources};

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

/// A module of the crate, in a separate file or not.
#[derive(Default)]
struct Module {
    file: String,
    /// What is not its own item: a submodule, or the path that is imported under that name.
    names: BTreeMap<String, Option<Vec<String>>>,
    /// The paths in its code, and their lines.
    paths: Vec<(Vec<String>, usize)>,
}

/// The modules by their paths, such as `crate::ring::role`.
#[derive(Default)]
struct Modules(BTreeMap<String, Module>);

/// Each file's imports: the files, with a line where each is named.
type Imports<'a> = BTreeMap<&'a str, BTreeMap<&'a str, usize>>;

impl Modules {
    fn of(sources: &[Source]) -> Self {
        let mut modules = Self::default();
        for source in sources {
            let path = source.path.trim_end_matches(".rs").replace('/', "::");
            let path = format!("crate::{path}");
            let path = if path == "crate::lib" { "crate" } else { &path };
            modules.add(path, &source.path, &source.file.items);
        }
        modules
    }

    fn add(&mut self, path: &str, file: &str, items: &[Item]) {
        let mut module = Module {
            file: file.to_owned(),
            ..Module::default()
        };
        for item in items {
            match item {
                Item::Mod(child) => {
                    let name = child.ident.to_string();
                    if let Some((_, items)) = &child.content {
                        self.add(&format!("{path}::{name}"), file, items);
                    }
                    module.names.insert(name, None);
                }
                Item::Use(item) => {
                    let is_private = matches!(item.vis, Visibility::Inherited);
                    for (name, path) in leaves(item) {
                        // A re-export counts at its uses.
                        let own = is_private.then(|| (path.clone(), line_of(item)));
                        module.paths.extend(own);
                        module.names.insert(name, Some(path));
                    }
                }
                _ => module.visit_item(item),
            }
        }
        self.0.insert(path.to_owned(), module);
    }

    /// The file with the item that a path in a module refers to; none for local items and
    /// other crates.
    fn file_of(&self, module: &str, path: &[String]) -> Option<&str> {
        // For example `pub(crate)` in a macro.
        if path.len() == 1 && ["crate", "self", "super"].contains(&&*path[0]) {
            return None;
        }
        let (mut at, mut is_ours) = (module.to_owned(), false);
        for (index, name) in path.iter().enumerate() {
            match (name.as_str(), self.0.get(&at)?.names.get(name)) {
                ("crate", _) => at = name.clone(),
                ("self", _) => {}
                ("super", _) => at.truncate(at.rfind("::")?),
                (_, Some(None)) => at = format!("{at}::{name}"),
                // Otherwise `name` is a crate.
                (_, Some(Some(target))) if target[0] != *name => {
                    return self.file_of(&at, &[target, &path[index + 1..]].concat());
                }
                _ if is_ours => break,
                _ => return None,
            }
            is_ours = true;
        }
        Some(&self.0.get(&at)?.file)
    }

    fn imports(&self) -> Imports<'_> {
        let mut imports = Imports::new();
        // The root lists the modules and uses no imports itself.
        for (name, module) in self.0.iter().filter(|(_, module)| module.file != "lib.rs") {
            let files = imports.entry(module.file.as_str()).or_default();
            for (path, line) in &module.paths {
                let file = self.file_of(name, path);
                if let Some(file) = file.filter(|file| *file != module.file) {
                    files.entry(file).or_insert(*line);
                }
            }
        }
        imports
    }
}

impl Visit<'_> for Module {
    fn visit_path(&mut self, path: &Path) {
        let names = path.segments.iter().map(|part| part.ident.to_string());
        if path.leading_colon.is_none() {
            self.paths.push((names.collect(), line_of(path)));
        }
        visit::visit_path(self, path);
    }

    fn visit_item_use(&mut self, item: &ItemUse) {
        let paths = leaves(item).into_iter().map(|(_, path)| path);
        self.paths.extend(paths.map(|path| (path, line_of(item))));
    }

    fn visit_macro(&mut self, makro: &Macro) {
        self.visit_path(&makro.path);
        self.paths.extend(paths_in(makro.tokens.clone()));
    }

    /// `pub(super)` imports nothing.
    fn visit_visibility(&mut self, _: &Visibility) {}
}

fn line_of(syntax: &impl Spanned) -> usize {
    syntax.span().start().line
}

/// Everything that looks like a path in a macro's arguments.
fn paths_in(tokens: TokenStream) -> Vec<(Vec<String>, usize)> {
    let mut paths: Vec<(Vec<String>, usize)> = Vec::new();
    let mut colons = 0;
    for (token, span) in flat(tokens) {
        let is_a_name = token.starts_with(|first: char| first.is_alphabetic() || first == '_');
        match paths.last_mut() {
            _ if token == ":" => colons += 1,
            Some((path, _)) if is_a_name && colons == 2 => path.push(token),
            _ if is_a_name => paths.push((vec![token], span.start().line)),
            // The next token begins a path.
            _ => colons = 3,
        }
        colons = if is_a_name { 0 } else { colons };
    }
    paths
}

/// The names that an import introduces, with the path of each.
fn leaves(item: &ItemUse) -> Vec<(String, Vec<String>)> {
    fn below(tree: &UseTree, mut path: Vec<String>) -> Vec<(String, Vec<String>)> {
        let (ident, name) = match tree {
            UseTree::Path(tree) => {
                path.push(tree.ident.to_string());
                return below(&tree.tree, path);
            }
            UseTree::Group(group) => {
                let trees = group.items.iter();
                return trees.flat_map(|tree| below(tree, path.clone())).collect();
            }
            UseTree::Glob(_) => return vec![("*".to_owned(), path)],
            UseTree::Name(tree) => (&tree.ident, &tree.ident),
            UseTree::Rename(tree) => (&tree.ident, &tree.rename),
        };
        let name = match path.last() {
            Some(last) if name == "self" => last.clone(),
            _ => name.to_string(),
        };
        path.push(ident.to_string());
        vec![(name, path)]
    }
    match item.leading_colon {
        None => below(&item.tree, Vec::new()),
        Some(_) => Vec::new(),
    }
}

/// Whether a file is one of these.
fn is_one_of(file: &str, places: &str) -> bool {
    let mut places = places.split(' ');
    places.any(|place| file == place || place.ends_with('/') && file.starts_with(place))
}

/// What is wrong with the imports, which are more than `least`.
fn faults_of(sources: &[Source], rows: &[(&str, &str)], least: usize) -> Vec<String> {
    let modules = Modules::of(sources);
    let imports = modules.imports();
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
        for (other, line) in imported {
            let mut add = |what| faults.push(format!("src/{file}:{line} imports {other} {what}"));
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
        let path = source.path.strip_prefix("bin/quoit/")?;
        let path = if path == "main.rs" { "lib.rs" } else { path };
        Some(Source::parse(path, &source.text))
    });
    let tool: Vec<_> = tool.collect();
    let names: Vec<_> = tool.iter().map(|source| &*source.path).collect();
    expect_none(&faults_of(&tool, &[("tool", &names.join(" "))], 100));
}

#[test]
fn each_wrong_import_is_found() {
    const ROWS: [(&str, &str); 2] = [("low", "a.rs b.rs b/ error.rs peer.rs"), ("high", "z.rs")];
    const ROOT: &str = "mod a; mod b; mod z; mod error; mod peer; pub use crate::b::c::C;";
    let house = |files: &[(&str, &str)]| {
        let files = [&[("lib.rs", ROOT)], files].concat();
        let sources = files.iter().map(|(path, text)| Source::parse(path, text));
        faults_of(&sources.collect::<Vec<_>>(), &ROWS, 0).len()
    };
    for (text, faults) in [
        // From below, or not at all.
        ("use std::{fs, io}; fn f() { fs::read(z); }", 0),
        (
            "use crate::b::B; /// [`crate::z::Z`]\nfn f() { b!(\"crate::z\") }",
            0,
        ),
        // From above, by every form of path.
        ("use crate::{b::B, z::{self, Z}};", 1),
        ("use super::z as b;", 1),
        ("mod inner { fn f() -> super::super::z::Z {} }", 1),
        ("fn f() { use crate::z::*; }", 1),
        ("fn f() { assert!(1 == crate::z::f()) }", 1),
        ("use crate::X;", 1),
    ] {
        let files = [
            ("a.rs", text),
            ("b.rs", "mod c;"),
            ("b/c.rs", ""),
            ("z.rs", ""),
        ];
        assert_eq!(house(&files), faults, "{text}");
    }
    for (file, text, faults) in [
        ("z.rs", "use super::a::A;", 0),
        // Without a row, and one of the protocol that imports another one than the listed.
        ("y.rs", "", 1),
        ("error.rs", "use crate::peer::P;", 1),
    ] {
        assert_eq!(
            house(&[(file, text), ("a.rs", ""), ("peer.rs", "")]),
            faults
        );
    }
    for (b, c, faults) in [
        // In a cycle of two, both files are reported, but not the files that import them.
        ("mod c; use crate::a::A;", "", 2),
        ("mod c; use crate::C; struct B;", "", 0),
        // Parent and child.
        ("mod c; struct B(c::C);", "use super::B;", 2),
        ("mod c; pub use self::c::C; struct B;", "use super::B;", 0),
        (
            "mod c; pub use self::c::C; struct B(C);",
            "use super::B;",
            2,
        ),
        // A re-export counts as its origin.
        ("mod c; pub use self::c::B;", "use crate::a::A;", 2),
    ] {
        let found = house(&[("a.rs", "use crate::b::B;"), ("b.rs", b), ("b/c.rs", c)]);
        assert_eq!(found, faults, "{b} {c}");
    }
}
