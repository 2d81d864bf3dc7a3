//! Every atomic access of the library is judged by a model, or the table says why none has it.

use syn::Item;

use super::functions::last_name;
use super::sources::{Source, expect_none, library};

/// The tests that compile these files judge each ordering in them.
const AXIOMS: &str = include_str!("../../loom-tests/axioms.rs");
/// Steps of other files, rewritten.
const SCENARIOS: &str = concat!(
    include_str!("../../loom-tests/axioms/scenarios/opening.rs"),
    include_str!("../../loom-tests/axioms/scenarios/leaving.rs"),
    include_str!("../../loom-tests/axioms/scenarios/sleeping.rs"),
    include_str!("../../loom-tests/axioms/scenarios/process.rs"),
);

/// What no other test compiles: the file, the scenario that has these accesses, and the accesses.
/// Each is a function, the word, the operation and its edge.
#[rustfmt::skip]
const TABLE: &[(&str, &str, &[&str])] = &[
    ("sync.rs", "place_listed",
        &["add: 0 compare_exchange FORK", "add: 0 compare_exchange FORK", "add: 0 load FORK",
        "iter: 0 load FORK"]),
    ("sync.rs", "epoch_and_counters", &["increment: self load_own", "increment: self store PLAIN"]),
    ("segment/fork.rs", "opened_and_forked",
        &["before: FORKS add FORK", "forks: FORKS load FORK", "in_child: state load FORK",
        "in_parent: FORKS add FORK", "mark: state store FORK", "new: state store FORK"]),
    ("segment/fork.rs", "entry_taken_again",
        &["disinherit: base load PLAIN", "disinherit: file load PLAIN",
        "disinherit: length load PLAIN", "disinherit: lock load PLAIN", "drop: state store FORK",
        "new: base store PLAIN", "new: file store PLAIN", "new: length store PLAIN",
        "new: lock store PLAIN", "take: state replace FORK"]),
    ("segment/fork.rs", "none: a child's only thread, in its own memory",
        &["disinherit: superseded store PLAIN", "disinherit: word store PLAIN",
        "in_child: FORKS load FORK", "in_child: FORKS store FORK", "in_child: state store FORK",
        "is_inherited: state load PLAIN"]),
    ("segment/fork.rs", "none: to install the handlers twice changes nothing",
        &["install: INSTALLED load FORK", "install: INSTALLED store FORK"]),
    ("ring/role.rs", "superseded_and_taken", &["take: superseded load PLAIN"]),
    ("ring/role.rs", "epoch_and_counters",
        &["count_dropped: dropped load_own", "count_dropped: dropped store PLAIN",
        "count_rescue: rescues increment", "count_sleep: parks increment",
        "open_epoch: pid store PLAIN", "open_epoch: registered store PLAIN",
        "open_epoch: since store PLAIN"]),
    ("ring/role.rs", "none: a hint, or a number that is only shown",
        &["count_rescue: pid load PLAIN", "grant: registered load PLAIN"]),
    ("ring/lifetime.rs", "superseded_and_taken",
        &["finish_unlink: mark load PLAIN", "finish_unlink: mark load PLAIN",
        "finish_unlink: mark store PLAIN", "supersede: superseded store PLAIN",
        "unlink_segment_if_read: head load PLAIN", "unlink_segment_if_read: tail load PLAIN"]),
    ("ring/lifetime.rs", "none: a hint, and the kernel says which process holds a role",
        &["in_use: pid load PLAIN", "is_stale: state load PLAIN"]),
    ("ring.rs", "format_and_open", &["incarnation: incarnation load PLAIN"]),
    ("ring.rs", "none: a mark that the handler has stored in the child's own copy",
        &["unlink_if_read: superseded load PLAIN"]),
    ("ring/options/inside.rs", "none: one thread, by two addresses of one word",
        &["create_in_existing: incarnation load PLAIN",
        "create_in_existing: incarnation_alias store PLAIN",
        "create_in_existing: incarnation_alias store PLAIN"]),
    ("adapters/shared_memory.rs", "none: a mark, compared with itself", &["open: seen load PLAIN"]),
    ("adapters/reactor.rs", "reactor_lists_its_table",
        &["change: word replace LOCKED", "run: word swap LOCKED"]),
    ("adapters/reactor.rs", "park_in_the_reactor", &["check: word load WORD"]),
    ("doorbell.rs", "epoch_and_counters", &["wake: wakes increment"]),
    ("doorbell/semaphore.rs", "none: a mark, compared with itself",
        &["is_intact: words load PLAIN"]),
    ("endpoint.rs", "none: advice that may arrive late",
        &["len: head load PLAIN", "len: tail load PLAIN"]),
    ("observer.rs", "format_and_open",
        &["read_info: capacity load PLAIN", "read_info: created load PLAIN",
        "read_info: doorbell load PLAIN", "read_info: incarnation load PLAIN",
        "read_info: schema load PLAIN", "read_info: shape load PLAIN",
        "read_info: slot_align load PLAIN", "read_info: slot_size load PLAIN"]),
    ("observer.rs", "none: to be shown, and may be late",
        &["endpoint: dropped load PLAIN", "endpoint: parks load PLAIN", "endpoint: pid load PLAIN",
        "endpoint: rescues load PLAIN", "endpoint: since load PLAIN", "endpoint: wakes load PLAIN",
        "endpoint: word load PLAIN", "holder: pid load PLAIN",
        "is_mapped_elsewhere: word load PLAIN", "is_mapped_elsewhere: word load PLAIN",
        "is_marked: superseded load PLAIN"]),
];

/// The edges that `sync.rs` declares.
fn edges(sync: &Source) -> Vec<String> {
    let edges = sync.file.items.iter().filter_map(|item| {
        let Item::Const(edge) = item else { return None };
        last_name(&edge.ty)
            .filter(|ty| *ty == "Ordering")
            .map(|_| edge.ident.to_string())
    });
    edges.collect()
}

/// Each access: the function, the word, the operation and its edge.
fn accesses(source: &Source, edges: &[String]) -> Vec<String> {
    let tokens: Vec<&str> = source.tokens.iter().map(|(token, _)| &**token).collect();
    let mut found = Vec::new();
    // A constant of another file may have an edge's name.
    let mut names: Vec<&str> = Vec::new();
    if source.path == "sync.rs" {
        names.extend(edges.iter().map(String::as_str));
    }
    let mut import: Option<usize> = None;
    let mut function = "";
    // The opening brackets around a token.
    let mut open = Vec::new();
    for (index, &token) in tokens.iter().enumerate() {
        let is_edge = edges.iter().any(|edge| edge == token);
        let is_of_sync = tokens[..index].ends_with(&["sync", ":", ":"]);
        match token {
            "use" => import = Some(index),
            ";" => import = None,
            "fn" => function = tokens[index + 1],
            "(" | "[" | "{" => open.push(index),
            ")" | "]" | "}" => drop(open.pop()),
            edge if is_edge && import.is_some() => {
                let of_sync = import.filter(|&start| tokens[start..index].contains(&"sync"));
                names.extend(of_sync.map(|_| edge));
            }
            edge if is_edge && (names.contains(&edge) || is_of_sync) => {
                // At the top is the edge's own declaration.
                if let Some(call) = open.last().filter(|&&bracket| tokens[bracket] == "(") {
                    found.push(format!("{function}: {} {edge}", called(&tokens[..*call])));
                }
            }
            // These name no edge.
            "load_own" | "increment" | "light_fence" if tokens[index - 1] != "fn" => {
                found.push(format!("{function}: {}", called(&tokens[..=index])));
            }
            _ => {}
        }
    }
    found
}

/// The word and the operation of a call, of which these are the tokens; `word[i]` is `word`.
fn called(tokens: &[&str]) -> String {
    let (&operation, before) = tokens.split_last().expect("an operation");
    let Some((&".", before)) = before.split_last() else {
        return operation.to_owned();
    };
    let mut depth = 0;
    let mut words = before.iter().rev().filter(|&&token| {
        match token {
            ")" | "]" => depth += 1,
            "(" | "[" => depth -= 1,
            _ => return depth == 0,
        }
        false
    });
    format!("{} {operation}", words.next().expect("a word"))
}

#[test]
fn every_atomic_access_is_in_a_model() {
    let sources = library();
    let sync = sources.iter().find(|source| source.path == "sync.rs");
    let edges = edges(sync.expect("sync.rs"));
    assert!(edges.len() > 10, "the edges were not found");
    // The axioms compile the others, and judge each of their orderings.
    let by_hand = |source: &&Source| !AXIOMS.contains(&format!("file: \"src/{}\"", source.path));
    let mut found = Vec::new();
    for source in sources.iter().filter(by_hand) {
        let accesses = accesses(source, &edges).into_iter();
        found.extend(accesses.map(|access| format!("{} {access}", source.path)));
    }
    let mut faults = Vec::new();
    for (file, model, accesses) in TABLE {
        let is_there = SCENARIOS.contains(&format!("name: \"{model}\""));
        if !is_there && !model.starts_with("none: ") {
            faults.push(format!("loom-tests/axioms has no scenario {model}"));
        }
        for access in *accesses {
            let access = format!("{file} {access}");
            match found.iter().position(|other| *other == access) {
                Some(place) => drop(found.remove(place)),
                None => faults.push(format!("src/{access}: is no longer there")),
            }
        }
    }
    let others = found.iter();
    faults.extend(others.map(|access| format!("src/{access}: which model has it?")));
    expect_none(&faults);
}

/// In forms that the library does not have.
#[test]
fn an_access_is_found_with_the_path_of_its_edge_and_with_an_index() {
    let code = "use crate::sync::PLAIN; \
        fn f() { crate::sync::fence(crate::sync::WAKE); a[b].store(c[d], PLAIN); }";
    let edges = ["PLAIN", "WAKE"].map(str::to_owned);
    let found = accesses(&Source::parse("a.rs", code), &edges);
    assert_eq!(found, ["f: fence WAKE", "f: a store PLAIN"]);
}
