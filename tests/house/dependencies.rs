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
    let words = lines.lines().map(|line| line.split(' ').take(2));
    let tree: BTreeSet<_> = words
        .map(|words| words.collect::<Vec<_>>().join(" "))
        .collect();
    assert!(tree.len() > 1, "the dependencies were not found");
    tree
}

/// The output of `cargo metadata`.
struct Metadata(Value);

impl Metadata {
    fn read() -> Self {
        let format = ["metadata", "--all-features", "--format-version", "1"];
        let scope = ["--filter-platform", &platform()];
        let json = cargo(&[&format[..], &scope].concat());
        Self(serde_json::from_slice(&json).expect("cargo writes JSON"))
    }

    /// The package with this name in the tree, `name v1.2.3`.
    fn package(&self, wanted: &str) -> &Value {
        let packages = self.0["packages"].as_array().expect("packages");
        let text = |value: &Value| value.as_str().map(str::to_owned).unwrap_or_default();
        let name =
            |package: &Value| format!("{} v{}", text(&package["name"]), text(&package["version"]));
        let package = packages.iter().find(|package| name(package) == wanted);
        package.unwrap_or_else(|| panic!("cargo has no package {wanted}"))
    }

    /// This package.
    fn own(&self) -> &Value {
        self.package(concat!("quoit v", env!("CARGO_PKG_VERSION")))
    }

    /// This package's targets of a kind.
    fn targets(&self, kind: &str) -> Vec<&Value> {
        let targets = self.own()["targets"].as_array();
        let targets = targets.expect("targets").iter();
        let of_kind = |target: &&Value| {
            target["kind"]
                .as_array()
                .is_some_and(|kinds| kinds.contains(&kind.into()))
        };
        targets.filter(of_kind).collect()
    }
}

/// A version as comparable numbers.
fn version(package: &Value) -> Vec<u64> {
    let name = &package["name"];
    let Some(version) = package["rust_version"].as_str() else {
        panic!("{name} has no rust-version");
    };
    let numbers = version.split('.').map(str::parse);
    let mut numbers: Vec<u64> = numbers.collect::<Result<_, _>>().expect("numbers");
    numbers.resize(3, 0);
    numbers
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
    let metadata = Metadata::read();
    let packages = metadata.0["packages"].as_array().expect("packages");
    assert!(packages.len() > MOST_CRATES, "the crates were not found");
    for package in packages {
        let (name, licence) = (&package["name"], package["license"].as_str());
        assert!(
            licence.is_some_and(is_permissive),
            "{name} has the licence {licence:?}"
        );
    }
}

#[test]
fn no_crate_of_the_default_tree_needs_a_newer_rust_than_this_one() {
    let metadata = Metadata::read();
    let ours = version(metadata.own());
    for name in default_tree() {
        let package = metadata.package(&name);
        assert!(
            version(package) <= ours,
            "{name} needs Rust {}",
            package["rust_version"]
        );
    }
}

#[test]
fn benches_need_no_extra_setup() {
    let metadata = Metadata::read();
    assert_eq!(metadata.targets("custom-build"), [&Value::Null; 0]);
    let benches = metadata.targets("bench");
    assert!(!benches.is_empty(), "there are no benches");
    for target in benches {
        let features = &target["required-features"];
        assert!(features.is_null(), "{} needs {features}", target["name"]);
    }
}

/// The examples, each with the feature that it needs, if any.
#[test]
fn the_list_of_examples_has_a_command_for_each() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/README.md");
    let list = std::fs::read_to_string(path).expect("the list");
    let metadata = Metadata::read();
    let examples = metadata.targets("example");
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
    let metadata = Metadata::read();
    let (mut models, mut others) = (0, 0);
    for target in metadata.targets("test") {
        let path = target["src_path"].as_str().expect("a path");
        let features = target["required-features"].as_array();
        let needs_loom = features.is_some_and(|features| features.contains(&"loom".into()));
        let is_model = path.contains("/loom-tests/");
        assert_eq!(needs_loom, is_model, "{path}");
        *if is_model { &mut models } else { &mut others } += 1;
    }
    assert!(models > 0 && others > 10, "the tests were not found");
}

/// What registries show of a package, and the file that has it.
const SHOWN: [(&str, &str); 12] = [
    ("description", "Cargo.toml"),
    ("license", "Cargo.toml"),
    ("readme", "Cargo.toml"),
    ("documentation", "Cargo.toml"),
    ("homepage", "Cargo.toml"),
    ("repository", "Cargo.toml"),
    ("keywords", "Cargo.toml"),
    ("categories", "Cargo.toml"),
    ("description", "bindings/python/pyproject.toml"),
    ("[project.urls]", "bindings/python/pyproject.toml"),
    ("description", "bridges/nats/Cargo.toml"),
    ("repository", "bridges/nats/Cargo.toml"),
];

#[test]
fn what_a_registry_shows_is_set_or_the_checklist_of_a_release_lists_it() {
    let list = read("RELEASING.md");
    for (field, file) in SHOWN {
        let text = read(file);
        let mut lines = text.lines();
        let is_set = lines.any(|line| {
            line == field
                || line
                    .strip_prefix(field)
                    .is_some_and(|rest| rest.starts_with(" = "))
        });
        let is_listed = list.contains(&format!("   - `{field}` in `{file}`"));
        assert_ne!(
            is_set, is_listed,
            "{field} in {file}: set, listed: {is_set}"
        );
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
