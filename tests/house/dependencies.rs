//! The dependencies, according to cargo: also where the gate has no cargo-deny, and no older Rust.

use std::collections::BTreeSet;
use std::env;
use std::process::Command;

use serde_json::Value;

/// Crates in the default tree, this one included.
const MOST_CRATES: usize = 8;

/// Licences that let you ship a program that contains this crate.
const PERMISSIVE: [&str; 4] = ["Apache-2.0", "MIT", "Unicode-3.0", "Zlib"];

/// The output of this cargo command, for this package and platform.
fn cargo(arguments: &str) -> String {
    let platform = format!("{}-unknown-linux-gnu", env::consts::ARCH);
    let output = Command::new(env!("CARGO"))
        .args(arguments.replace("PLATFORM", &platform).split(' '))
        .args(["--locked", "--offline", "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .output()
        .expect("cargo runs");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaint}");
    String::from_utf8(output.stdout).expect("text in UTF-8")
}

/// Whether these licences satisfy an SPDX expression without nested parentheses.
fn is_permissive(expression: &str) -> bool {
    expression.split(" AND ").all(|part| {
        let part = part.trim_matches(['(', ')']);
        let mut choices = part.split(" OR ").flat_map(|choice| choice.split('/'));
        choices.any(|licence| PERMISSIVE.contains(&licence.trim()))
    })
}

/// As `[1, 85, 0]`.
fn numbers(version: &str) -> Vec<u64> {
    let numbers = version
        .split('.')
        .map(|number| number.parse().expect(version));
    let mut numbers: Vec<_> = numbers.collect();
    numbers.resize(3, 0);
    numbers
}

#[test]
fn the_dependencies_are_few_permissive_and_no_newer_than_this_crate() {
    // The metadata has the dev-dependencies as well.
    let tree = cargo("tree --prefix none --format {p} --edges no-dev --target PLATFORM");
    // A path may follow.
    let tree: BTreeSet<_> = tree
        .lines()
        .filter_map(|line| line.split(" (").next())
        .collect();
    assert!((2..=MOST_CRATES).contains(&tree.len()), "{tree:#?}");
    let json = cargo("metadata --all-features --format-version 1 --filter-platform PLATFORM");
    let metadata: Value = serde_json::from_str(&json).expect("cargo writes JSON");
    let mut count = 0;
    for package in metadata["packages"].as_array().expect("packages") {
        let text = |field: &str| package[field].as_str().unwrap_or_default();
        let name = format!("{} v{}", text("name"), text("version"));
        let licence = text("license");
        assert!(is_permissive(licence), "{name} has the licence {licence:?}");
        if tree.contains(&*name) {
            count += 1;
            let needed = text("rust_version");
            let is_old = numbers(needed) <= numbers(env!("CARGO_PKG_RUST_VERSION"));
            assert!(is_old, "{name} needs Rust {needed}");
        }
    }
    assert_eq!(count, tree.len(), "{tree:#?}");
    assert!(!is_permissive("GPL-3.0-only"));
    assert!(!is_permissive("(MIT OR Apache-2.0) AND GPL-2.0-only"));
}
