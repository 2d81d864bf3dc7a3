//! Every atomic access of the library is judged by a model, or the table says why none has it.

use super::text::{Source, expect_none, hits, library, regex};

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
/// Each is a function, the operation with its edge, and the words.
#[rustfmt::skip]
const TABLE: &[(&str, &str, &[&str])] = &[
    ("sync.rs", "place_listed",
        &["add: compare_exchange FORK: 0 0", "add: load FORK: 0", "iter: load FORK: 0"]),
    ("sync.rs", "epoch_and_counters", &["increment: load_own: self", "increment: store PLAIN: self"]),
    ("segment/fork.rs", "opened_and_forked",
        &["before: add FORK: FORKS", "forks: load FORK: FORKS", "in_child: load FORK: state",
        "in_parent: add FORK: FORKS", "mark: store FORK: state", "new: store FORK: state"]),
    ("segment/fork.rs", "entry_taken_again",
        &["disinherit: load PLAIN: base file length lock", "drop: store FORK: state",
        "new: store PLAIN: base file length lock", "take: replace FORK: state"]),
    ("segment/fork.rs", "none: a child's only thread, in its own memory",
        &["disinherit: store PLAIN: superseded word", "in_child: load FORK: FORKS",
        "in_child: store FORK: FORKS state", "is_inherited: load PLAIN: state"]),
    ("segment/fork.rs", "none: to install the handlers twice changes nothing",
        &["install: load FORK: INSTALLED", "install: store FORK: INSTALLED"]),
    ("ring/role.rs", "superseded_and_taken", &["take: load PLAIN: superseded"]),
    ("ring/role.rs", "epoch_and_counters",
        &["count_dropped: load_own: dropped", "count_dropped: store PLAIN: dropped",
        "count_rescue: increment: rescues", "count_sleep: increment: parks",
        "open_epoch: store PLAIN: pid registered since"]),
    ("ring/role.rs", "none: a hint, or a number that is only shown",
        &["count_rescue: load PLAIN: pid", "grant: load PLAIN: registered"]),
    ("ring/lifetime.rs", "superseded_and_taken",
        &["finish_unlink: load PLAIN: mark mark", "finish_unlink: store PLAIN: mark",
        "supersede: store PLAIN: superseded", "unlink_segment_if_read: load PLAIN: head tail"]),
    ("ring/lifetime.rs", "none: only a process with all locks stores it, as this one",
        &["lock_all: load PLAIN: superseded"]),
    ("ring/lifetime.rs", "none: a hint, and the kernel says which process holds a role",
        &["in_use: load PLAIN: pid", "is_stale: load PLAIN: state"]),
    ("ring.rs", "format_and_open", &["incarnation: load PLAIN: incarnation"]),
    ("ring.rs", "none: a mark that the handler has stored in the child's own copy",
        &["mapped_again_if_marked: load PLAIN: superseded"]),
    ("ring/options/inside.rs", "none: one thread, by two addresses of one word",
        &["create_in_existing: load PLAIN: incarnation incarnation_alias",
        "create_in_existing: store PLAIN: incarnation_alias incarnation_alias"]),
    ("adapters/shared_memory.rs", "none: a mark, compared with itself", &["open: load PLAIN: seen"]),
    ("adapters/reactor.rs", "reactor_lists_its_table",
        &["change: replace LOCKED: word", "run: swap LOCKED: word"]),
    ("adapters/reactor/wait.rs", "park_in_the_reactor", &["check: load WORD: word"]),
    ("doorbell.rs", "epoch_and_counters", &["wake: increment: wakes"]),
    ("doorbell/semaphore.rs", "none: a mark, compared with itself",
        &["is_intact: load PLAIN: words"]),
    ("endpoint.rs", "none: advice that may arrive late", &["len: load PLAIN: head tail"]),
    ("observer.rs", "format_and_open",
        &["read_info: load PLAIN: capacity created doorbell incarnation schema shape slot_align slot_size"]),
    ("observer.rs", "none: to be shown, and may be late",
        &["endpoint: load PLAIN: dropped parks pid rescues since wakes word",
        "holder: load PLAIN: pid", "is_mapped_elsewhere: load PLAIN: word word",
        "is_marked: load PLAIN: superseded"]),
];

/// The edges that `sync.rs` declares.
fn edges(sync: &str) -> Vec<String> {
    let declared = hits(r"const (\w+): Ordering", sync).into_iter();
    declared.map(|edge| edge[1].to_owned()).collect()
}

/// Each access: the function, the operation with its edge, and the word.
fn accesses(source: &Source, edges: &[String]) -> Vec<String> {
    let imports = hits(r"use [^;]*\bsync\b[^;]*;", &source.code);
    // A constant of another file may have an edge's name.
    let is_ours = |edge: &str, before: &str| {
        let edge = regex(&format!(r"\b{edge}\b"));
        let mut imports = imports.iter();
        source.path == "sync.rs"
            || before.ends_with("sync::")
            || imports.any(|import| edge.is_match(&import[0]))
    };
    // The last three name no edge.
    let names = format!(r"\b({}|load_own|increment|light_fence)\b", edges.join("|"));
    // An index of the word, or its arguments, may follow it.
    let call = regex(r"(?:(\w+)(?:\[[^\[\]]*\]|\([^()]*\))*\s*\.\s*)?(\w+)\s*$");
    let found = hits(&names, &source.code).into_iter().filter_map(|name| {
        let name = name.get(1)?;
        let before = &source.code[..name.start()];
        let edge = edges.iter().find(|edge| *edge == name.as_str());
        let end = match edge {
            Some(edge) if is_ours(edge, before) => open_parenthesis(before)?,
            Some(_) => return None,
            None => name.end(),
        };
        let call = call.captures(&source.code[..end])?;
        let word = call.get(1).map_or("-", |word| word.as_str());
        let (function, _) = before.rsplit_once("fn ")?.1.split_once(['(', '<'])?;
        let edge = edge.map_or(String::new(), |edge| format!(" {edge}"));
        Some(format!("{function}: {}{edge}: {word}", &call[2]))
    });
    found.collect()
}

/// Where the arguments begin that the end of this code is in. In none are an edge's declaration and
/// its imports.
fn open_parenthesis(code: &str) -> Option<usize> {
    let mut depth = 0;
    let (place, bracket) = code.char_indices().rev().find(|(_, letter)| {
        depth += i32::from(")]}".contains(*letter)) - i32::from("([{".contains(*letter));
        depth < 0
    })?;
    (bracket == '(').then_some(place)
}

#[test]
fn every_atomic_access_is_in_a_model() {
    let sources = library();
    let sync = sources.iter().find(|source| source.path == "sync.rs");
    let edges = edges(&sync.expect("sync.rs").code);
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
            let (call, words) = access.rsplit_once(": ").expect("a call and its words");
            for word in words.split(' ') {
                let access = format!("{file} {call}: {word}");
                match found.iter().position(|other| *other == access) {
                    Some(place) => drop(found.remove(place)),
                    None => faults.push(format!("src/{access}: is no longer there")),
                }
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
    let found = accesses(&Source::new("a.rs", code), &edges);
    assert_eq!(found, ["f: fence WAKE: -", "f: store PLAIN: a"]);
}
