//! The dependencies, according to cargo: also where the gate has no cargo-deny, and no older Rust.

use std::collections::BTreeSet;
use std::env;
use std::process::Command;

use serde_json::Value;

/// Crates in the default tree, this one included.
const MOST_CRATES: usize = 8;

/// The output of this cargo command, for this package and platform.
fn cargo(arguments: &[&str]) -> Vec<u8> {
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .args(["--locked", "--offline", "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .output()
        .expect("cargo runs");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaint}");
    output.stdout
}

fn platform() -> String {
    format!("{}-unknown-linux-gnu", env::consts::ARCH)
}

/// This crate and its default dependencies, as `name v1.2.3`. Not from the metadata, which
/// also has the dev-dependencies.
fn default_tree() -> BTreeSet<String> {
    let format = ["tree", "--prefix", "none", "--format", "{p}"];
    let scope = ["--edges", "no-dev", "--target", &platform()];
    let lines = String::from_utf8(cargo(&[&format[..], &scope].concat()));
    let lines = lines.expect("text in UTF-8");
    // A path may follow.
    let tree = lines.lines().map(|line| line.split(" (").next());
    let tree: BTreeSet<_> = tree.flatten().map(str::to_owned).collect();
    assert!(tree.len() > 1, "the dependencies were not found");
    tree
}

/// The packages of `cargo metadata`: this one, and all dependencies.
pub(crate) fn packages() -> Vec<Value> {
    let format = ["metadata", "--all-features", "--format-version", "1"];
    let scope = ["--filter-platform", &platform()];
    let json = cargo(&[&format[..], &scope].concat());
    let metadata: Value = serde_json::from_slice(&json).expect("cargo writes JSON");
    metadata["packages"].as_array().expect("packages").clone()
}

#[test]
fn the_default_tree_is_small() {
    let tree = default_tree();
    assert!(tree.len() <= MOST_CRATES, "{tree:#?}");
}

/// Licences that let you ship a program that contains this crate.
const PERMISSIVE: [&str; 4] = ["Apache-2.0", "MIT", "Unicode-3.0", "Zlib"];

/// Whether these licences satisfy an SPDX expression without nested parentheses.
fn is_permissive(expression: &str) -> bool {
    expression.split(" AND ").all(|part| {
        let part = part.trim_matches(['(', ')']);
        let mut choices = part.split(" OR ").flat_map(|choice| choice.split('/'));
        choices.any(|licence| PERMISSIVE.contains(&licence.trim()))
    })
}

#[test]
fn every_crate_has_a_permissive_licence() {
    assert!(!is_permissive("GPL-3.0-only"));
    assert!(!is_permissive("(MIT OR Apache-2.0) AND GPL-2.0-only"));
    let packages = packages();
    assert!(packages.len() > MOST_CRATES, "the crates were not found");
    for package in packages {
        let licence = package["license"].as_str();
        let is_fine = licence.is_some_and(is_permissive);
        assert!(is_fine, "{} has the licence {licence:?}", package["name"]);
    }
}

#[test]
fn no_crate_of_the_default_tree_needs_a_newer_rust_than_this_one() {
    let packages = packages();
    let version_of = |wanted: &str| {
        let (name, version) = wanted.split_once(" v").expect("a name and a version");
        let is_it = |package: &&Value| package["name"] == name && package["version"] == version;
        let package = packages.iter().find(is_it).expect(wanted);
        let version = package["rust_version"].as_str().expect(wanted);
        let numbers = version
            .split('.')
            .map(|number| number.parse::<u64>().expect(version));
        let mut numbers: Vec<_> = numbers.collect();
        numbers.resize(3, 0);
        numbers
    };
    let ours = version_of(concat!("quoit v", env!("CARGO_PKG_VERSION")));
    for name in default_tree() {
        let needed = version_of(&name);
        assert!(needed <= ours, "{name} needs Rust {needed:?}");
    }
}
