//! The targets of this package, according to cargo, and what registries show of it.

use serde_json::Value;

use super::dependencies::packages;
use super::pages::read;

/// This package's targets.
fn targets() -> Vec<Value> {
    let mut packages = packages().into_iter();
    let ours = packages.find(|package| package["name"] == "quoit");
    let targets = ours.expect("this package")["targets"].take();
    targets.as_array().expect("targets").clone()
}

/// `cargo bench` measures everything, and the same tests run with and without the feature `loom`,
/// except for the models.
#[test]
fn no_bench_needs_a_feature_and_only_the_models_need_loom() {
    let [mut benches, mut tests, mut models] = [0; 3];
    for target in targets() {
        let path = target["src_path"].as_str().expect("a path");
        let features = &target["required-features"];
        let needs_loom = features[0] == "loom";
        match target["kind"][0].as_str() {
            Some("custom-build") => panic!("{path} runs before each build"),
            Some("bench") => {
                benches += 1;
                assert!(features.is_null(), "{path} needs {features}");
            }
            Some("test") if path.contains("/loom-tests/") => {
                models += 1;
                assert!(needs_loom, "{path}");
            }
            _ => {
                tests += 1;
                assert!(!needs_loom, "{path}");
            }
        }
    }
    assert!(
        benches > 0 && tests > 10 && models > 0,
        "they were not found"
    );
}

/// `cargo test` refuses the whole command otherwise.
#[test]
fn the_suites_that_a_script_lists_exist() {
    let targets = targets();
    for script in [".ci/coverage", ".ci/mutants"] {
        let text = read(script);
        let list = text.split_once("suites=(a").expect("a list of suites").1;
        let (list, _) = list.split_once(')').expect("its end");
        for suite in format!("a{list}").split_whitespace() {
            let exists = targets.iter().any(|target| target["name"] == suite);
            assert!(exists, "{script}: there is no suite {suite}");
        }
    }
}

/// The examples, each with the feature that it needs, if any.
#[test]
fn the_list_of_examples_has_a_command_for_each() {
    let list = read("examples/README.md");
    let mut examples = targets();
    examples.retain(|target| target["kind"][0] == "example");
    assert!(!examples.is_empty(), "there are no examples");
    for target in examples {
        let name = target["name"].as_str().expect("a name");
        let feature = target["required-features"][0].as_str();
        let feature = feature.map_or(String::new(), |name| format!("--features {name} "));
        let command = format!("| `cargo run --release {feature}--example {name}");
        assert!(list.contains(&command), "no row has {command}");
    }
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
            let is_set = text
                .lines()
                .any(|line| line == field || line.starts_with(&format!("{field} = ")));
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
