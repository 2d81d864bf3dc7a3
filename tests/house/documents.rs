//! What the documentation owes the reader.

use super::source::{Source, sources, sources_of};

/// The files of the ring's ends, with the methods of both shapes.
const OF_THE_ENDS: [&str; 4] = ["producer.rs", "consumer.rs", "slots", "frames"];

/// Functions that only make, read or set a value of their own, and owe no word
/// about time.
const TRIVIAL: [&str; 6] = ["new", "len", "is_empty", "kind", "set_kind", "set_timeout"];

/// A public function, as its file declares it.
struct Function {
    name: String,
    signature: String,
    doc: Vec<String>,
    place: String,
}

impl Function {
    /// Whether it is one link of a chain of options.
    fn is_an_option(&self) -> bool {
        self.signature.contains("(mut self,") && self.signature.contains("-> Self")
    }

    /// The text of a section of its documentation.
    fn section(&self, title: &str) -> Option<String> {
        let mut lines = self.doc.iter().map(|line| line.trim());
        lines.find(|line| *line == format!("# {title}"))?;
        let text: Vec<_> = lines.take_while(|line| !line.starts_with("# ")).collect();
        Some(text.join(" ").trim().to_owned())
    }
}

fn public_functions(beginnings: &[&str]) -> Vec<Function> {
    let sources = sources_of(beginnings);
    let functions: Vec<_> = sources.iter().flat_map(functions_of).collect();
    assert!(functions.len() > 60, "the functions were not found");
    functions
}

fn functions_of(source: &Source) -> Vec<Function> {
    let mut functions = Vec::new();
    let mut doc: Vec<String> = Vec::new();
    for (index, line) in source.lines.iter().enumerate() {
        let code = line.code.trim();
        let declared = code.strip_prefix("pub fn ");
        let declared = declared.or_else(|| code.strip_prefix("pub async fn "));
        match (&line.comment, declared) {
            (Some(comment), _) if code.is_empty() => {
                doc.extend(comment.strip_prefix('/').map(str::to_owned));
            }
            (_, Some(rest)) => {
                let name = rest.split(['(', '<']).next().unwrap_or_default();
                let code = source.lines[index..].iter().map(|line| line.code.as_str());
                let signature = code.collect::<String>();
                let signature = signature.split('{').next().unwrap_or_default();
                functions.push(Function {
                    name: name.to_owned(),
                    signature: signature.to_owned(),
                    doc: std::mem::take(&mut doc),
                    place: source.place(line),
                });
            }
            _ if code.starts_with("#[") => {}
            _ => doc.clear(),
        }
    }
    functions
}

#[test]
fn every_public_function_says_what_it_means_for_real_time() {
    const WORDS: [&str; 5] = ["wait-free", "syscall", "alloc", "sleep", "as ["];
    for function in public_functions(&[""]) {
        if function.is_an_option() || TRIVIAL.contains(&function.name.as_str()) {
            continue;
        }
        let Function { name, place, .. } = &function;
        let text = function.section("Real-time");
        let text = text.unwrap_or_else(|| panic!("{place}: {name} has no Real-time section"));
        let text = text.to_lowercase();
        let says = WORDS.iter().any(|word| text.contains(word));
        assert!(says, "{place}: {name} says nothing of time: {text:?}");
    }
}

#[test]
fn the_list_of_trivial_functions_is_not_out_of_date() {
    let functions = public_functions(&[""]);
    for name in TRIVIAL {
        let exists = functions.iter().any(|function| function.name == name);
        assert!(exists, "there is no function {name} any more");
    }
}

/// Beside those that end in `_timeout`.
const WAITING: [&str; 7] = [
    "push",
    "pop",
    "claim",
    "peek",
    "push_slice",
    "pop_slice",
    "wait_for_peer",
];

#[test]
fn what_never_waits_is_wait_free_and_what_waits_may_sleep() {
    for function in public_functions(&OF_THE_ENDS) {
        let Function {
            name,
            place,
            signature,
            ..
        } = &function;
        if !signature.contains("&mut self") || TRIVIAL.contains(&name.as_str()) {
            continue;
        }
        let text = function.section("Real-time").unwrap_or_default();
        let waits = name.ends_with("_timeout") || WAITING.contains(&name.as_str());
        let expected = if waits { "ay sleep" } else { "ait-free" };
        assert!(text.contains(expected), "{place}: {name} says {text:?}");
    }
}

/// Whoever publishes or releases may have to wake the peer, with a syscall.
#[test]
fn what_moves_a_position_says_that_it_may_wake_the_peer() {
    const MOVES: [&str; 5] = ["try_push", "try_pop", "commit", "release", "drain"];
    for function in public_functions(&OF_THE_ENDS) {
        let Function { name, place, .. } = &function;
        if MOVES.iter().any(|verb| name.starts_with(verb)) {
            let text = function.section("Real-time").unwrap_or_default();
            let says = text.contains("no syscall but the wake");
            assert!(says, "{place}: {name} says {text:?}");
        }
    }
}

/// Enums that a program decides by; src/docs/api.md says why they are complete.
const COMPLETE: [&str; 6] = [
    "ClaimError",
    "PopError",
    "PushError",
    "Role",
    "Selected",
    "ShapeKind",
];

#[test]
fn every_other_public_enum_may_grow() {
    let mut complete = Vec::new();
    for source in sources_of(&[""]) {
        let mut may_grow = false;
        for line in source.code() {
            let code = line.code.trim();
            if let Some(rest) = code.strip_prefix("pub enum ") {
                let name = rest.split([' ', '<']).next().unwrap_or_default();
                complete.extend((!may_grow).then(|| name.to_owned()));
            }
            may_grow = code == "#[non_exhaustive]" || may_grow && code.starts_with("#[");
        }
    }
    complete.sort();
    assert_eq!(complete, COMPLETE);
}

/// On an end's page the methods of records come first, and `Self::pop` is always
/// the first `pop` there: the frames' own is `#method.pop-1`.
#[test]
fn no_link_of_the_frames_leads_to_the_records() {
    let of_records: Vec<_> = sources_of(&["slots"])
        .iter()
        .flat_map(functions_of)
        .map(|function| format!("](Self::{})", function.name))
        .collect();
    for source in sources_of(&["frames"]) {
        let mut of_an_end = false;
        for line in &source.lines {
            match line.code.as_str() {
                "impl Producer<[u8]> {" | "impl Consumer<[u8]> {" => of_an_end = true,
                "}" => of_an_end = false,
                _ => {}
            }
            let comment = line.comment.as_deref().unwrap_or_default();
            let leads_astray = of_records.iter().any(|link| comment.contains(link));
            assert!(
                !(of_an_end && leads_astray),
                "{}: {comment}",
                source.place(line)
            );
        }
    }
}

#[test]
fn the_page_of_the_api_names_every_public_function() {
    let page = include_str!("../../src/docs/api.md");
    for Function { name, place, .. } in public_functions(&[""]) {
        let named = page.contains(&format!("`{name}`"));
        assert!(named, "{place}: src/docs/api.md does not name {name}");
    }
}

#[test]
fn the_tour_has_a_place_for_every_file_and_names_no_other() {
    let tour = include_str!("../../src/docs/tour.md");
    let places: Vec<_> = tour
        .split('`')
        .filter_map(|word| word.strip_prefix("src/"))
        .collect();
    let files: Vec<_> = sources().into_iter().map(|source| source.path).collect();
    // A folder is a place for the file of the same name as well.
    let is_in = |file: &str, place: &str| match place.strip_suffix('/') {
        Some(folder) => file.strip_suffix(".rs") == Some(folder) || file.starts_with(place),
        None => file == place,
    };
    for file in &files {
        let has_a_place = places.iter().any(|place| is_in(file, place));
        assert!(has_a_place, "src/docs/tour.md has no place for src/{file}");
    }
    for place in places {
        let exists = place == "layout.md" || files.iter().any(|file| is_in(file, place));
        assert!(exists, "src/docs/tour.md names src/{place}: there is none");
    }
}
