//! The targets of this package, according to cargo, and what registries show of it.

use std::process::Command;

use serde_json::Value;

use super::pages::read;

/// This package's targets of a kind.
fn targets(kind: &str) -> Vec<Value> {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--no-deps",
            "--format-version",
            "1",
            "--manifest-path",
            manifest,
        ])
        .output()
        .expect("cargo runs");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo writes JSON");
    let targets = metadata["packages"][0]["targets"].as_array();
    let mut targets = targets.expect("targets").clone();
    targets.retain(|target| target["kind"][0] == kind);
    targets
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
