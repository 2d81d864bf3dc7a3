//! The dependencies, and the targets of this package, according to cargo.

use std::collections::BTreeSet;
use std::env;
use std::process::Command;

use serde_json::Value;

use super::pages::read;

/// Crates in the default tree, this one included.
const MOST_CRATES: usize = 8;

/// The output of this cargo command, for this package and platform.
fn cargo(arguments: &[&str]) -> Vec<u8> {
    let output = Command::new(env::var("CARGO").as_deref().unwrap_or("cargo"))
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

/// The packages of `cargo metadata`.
fn packages() -> Vec<Value> {
    let format = ["metadata", "--all-features", "--format-version", "1"];
    let scope = ["--filter-platform", &platform()];
    let json = cargo(&[&format[..], &scope].concat());
    let mut metadata: Value = serde_json::from_slice(&json).expect("cargo writes JSON");
    match metadata["packages"].take() {
        Value::Array(packages) => packages,
        other => panic!("no packages: {other}"),
    }
}

/// This package's targets of a kind.
fn targets(kind: &str) -> Vec<Value> {
    let packages = packages();
    let own = packages.iter().find(|package| package["name"] == "quoit");
    let targets = own.and_then(|own| own["targets"].as_array());
    let mut targets = targets.expect("targets").clone();
    targets.retain(|target| {
        let kinds = target["kind"].as_array();
        kinds.is_some_and(|kinds| kinds.contains(&kind.into()))
    });
    targets
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

#[test]
fn benches_need_no_extra_setup() {
    assert_eq!(targets("custom-build"), [Value::Null; 0]);
    let benches = targets("bench");
    assert!(!benches.is_empty(), "there are no benches");
    for target in benches {
        let features = &target["required-features"];
        assert!(features.is_null(), "{} needs {features}", target["name"]);
    }
}

/// The examples, each with the feature that it needs, if any.
#[test]
fn the_list_of_examples_has_a_command_for_each() {
    let list = read("examples/README.md");
    let examples = targets("example");
    assert!(!examples.is_empty(), "there are no examples");
    for target in examples {
        let name = target["name"].as_str().expect("a name");
        let feature = target["required-features"][0].as_str();
        let feature = feature.map_or(String::new(), |name| format!("--features {name} "));
        let command = format!("| `cargo run --release {feature}--example {name}");
        assert!(list.contains(&command), "no row has {command}");
    }
}

/// The same tests run with and without the feature `loom`, except for the models.
#[test]
fn only_the_models_need_the_feature_loom() {
    let mut counts = [0; 2];
    for target in targets("test") {
        let path = target["src_path"].as_str().expect("a path");
        let features = target["required-features"].as_array();
        let needs_loom = features.is_some_and(|features| features.contains(&"loom".into()));
        let is_model = path.contains("/loom-tests/");
        assert_eq!(needs_loom, is_model, "{path}");
        counts[usize::from(is_model)] += 1;
    }
    assert!(counts[0] > 10 && counts[1] > 0, "the tests were not found");
}

/// What registries show of a package, by the file that has it.
const SHOWN: [(&str, &str); 3] = [
    (
        "Cargo.toml",
        "description license readme documentation homepage repository keywords categories",
    ),
    (
        "bindings/python/pyproject.toml",
        "description [project.urls]",
    ),
    ("bridges/nats/Cargo.toml", "description repository"),
];

#[test]
fn what_a_registry_shows_is_set_or_the_checklist_of_a_release_lists_it() {
    let list = read("RELEASING.md");
    for (file, fields) in SHOWN {
        let text = read(file);
        for field in fields.split(' ') {
            let is_set = text.lines().any(|line| {
                let rest = line.strip_prefix(field);
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(" = "))
            });
            let is_listed = list.contains(&format!("   - `{field}` in `{file}`"));
            assert_ne!(
                is_set, is_listed,
                "{field} in {file}: set, listed: {is_set}"
            );
        }
    }
}

/// Step 1 of that list.
#[test]
fn all_packages_have_one_version() {
    let version = format!("version = \"{}\"", env!("CARGO_PKG_VERSION"));
    for file in [
        "Cargo.toml",
        "bindings/c/Cargo.toml",
        "bindings/python/Cargo.toml",
        "bindings/python/pyproject.toml",
        "bridges/nats/Cargo.toml",
    ] {
        let text = read(file);
        let mut lines = text.lines();
        let found = lines.find(|line| line.starts_with("version = "));
        assert_eq!(found, Some(&*version), "{file}");
    }
}
