//! Imports point one way: from a row of the house to the same row or one below.

use std::collections::BTreeMap;

use super::source::{Source, sources};

/// The rows from the ground up, with the crate's modules in each.
const ROWS: [(&str, &[&str]); 7] = [
    ("contract", &["sync", "error", "layout"]),
    ("protocol", &["cursor", "parker"]),
    ("platform", &["segment", "doorbell", "ladder", "polls"]),
    ("header", &["header"]),
    // A ring hands out its ends, and an end takes its role from a ring.
    ("endpoints", &["ring", "producer", "consumer", "observer"]),
    ("payload shapes", &["slots", "frames"]),
    ("adapters", &["adapters"]),
];

/// Each module's row.
fn rows() -> BTreeMap<&'static str, usize> {
    let rows = ROWS.iter().enumerate();
    rows.flat_map(|(row, (_, modules))| modules.iter().map(move |&module| (module, row)))
        .collect()
}

/// The library's files, without the map of it (`lib.rs`) and the tool.
fn files() -> Vec<Source> {
    let mut sources = sources();
    sources.retain(|source| source.path != "lib.rs" && !source.path.starts_with("bin/"));
    sources
}

/// The modules of the crate that the code names, by `crate::` anywhere, or by
/// `super::` in a file that is itself such a module.
fn named(source: &Source) -> Vec<(String, String)> {
    let at_the_top = !source.path.contains('/');
    let mut found = Vec::new();
    for line in source.code() {
        for (prefix, counts) in [("crate::", true), ("super::", at_the_top)] {
            for (at, _) in line.code.match_indices(prefix) {
                let name = line.code[at + prefix.len()..]
                    .split(|letter: char| !letter.is_alphanumeric() && letter != '_');
                let name = name.into_iter().next().unwrap_or_default();
                if counts {
                    found.push((name.to_owned(), source.place(line)));
                }
            }
        }
    }
    found
}

#[test]
fn every_module_lives_in_a_row() {
    let rows = rows();
    for source in files() {
        assert!(
            rows.contains_key(source.module()),
            "src/{} lives in no row: say in tests/house/imports.rs in which",
            source.path
        );
    }
}

#[test]
fn no_module_imports_from_a_row_above() {
    let rows = rows();
    let mut count = 0;
    for source in files() {
        let own = rows[source.module()];
        for (name, place) in named(&source) {
            let Some(&row) = rows.get(name.as_str()) else {
                panic!("{place} imports {name}, which lives in no row");
            };
            assert!(
                row <= own,
                "{place} imports {name}, of the {}, into the {}",
                ROWS[row].0,
                ROWS[own].0
            );
            count += 1;
        }
    }
    assert!(count > 30, "the imports were not found");
}

#[test]
fn the_contract_is_a_chain_and_the_protocol_does_not_know_its_neighbour() {
    let knows = [
        ("sync", &[][..]),
        ("error", &["sync", "error"]),
        ("layout", &["sync", "error"]),
        ("cursor", &["sync", "error", "layout"]),
        ("parker", &["sync", "error", "layout"]),
    ];
    for (module, may_know) in knows {
        for source in files().iter().filter(|source| source.module() == module) {
            for (name, place) in named(source) {
                assert!(may_know.contains(&name.as_str()), "{place} imports {name}");
            }
        }
    }
}
