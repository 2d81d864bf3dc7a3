//! What may stand where in the sources.

use super::source::{Line, Source, sources, sources_of};

/// The files whose code has one of `words`, as places.
fn places_of(words: &[&str], sources: &[Source]) -> Vec<String> {
    let mut places = Vec::new();
    for source in sources {
        let found = source
            .code()
            .filter(|line| words.iter().any(|word| line.code.contains(word)));
        places.extend(found.map(|line| source.place(line)));
    }
    places
}

fn all_but_sync() -> Vec<Source> {
    let mut sources = sources();
    sources.retain(|source| source.path != "sync.rs");
    sources
}

#[test]
fn no_file_has_more_than_400_lines_of_code() {
    for source in sources() {
        let count = source.code().count();
        assert!(
            count <= 400,
            "src/{} has {count} lines of code",
            source.path
        );
    }
}

#[test]
fn only_sync_names_atomics_fences_and_spin_loops() {
    let words = [
        "sync::atomic",
        "atomic::",
        "hint::spin_loop",
        "intrinsics",
        "asm!",
    ];
    assert_eq!(places_of(&words, &all_but_sync()), [""; 0]);
    let sync = sources_of(&["sync.rs"]);
    assert!(
        !places_of(&words, &sync).is_empty(),
        "sync.rs names none either"
    );
}

#[test]
fn only_sync_names_orderings() {
    let words = [
        "Ordering", "Relaxed", "Acquire", "Release", "AcqRel", "SeqCst",
    ];
    assert_eq!(places_of(&words, &all_but_sync()), [""; 0]);
    let sync = sources_of(&["sync.rs"]);
    assert!(
        !places_of(&words, &sync).is_empty(),
        "sync.rs names none either"
    );
}

#[test]
fn the_protocol_makes_no_syscall_and_follows_no_pointer() {
    let protocol = sources_of(&["cursor.rs", "parker.rs"]);
    let words = [
        "libc",
        "unsafe",
        "*const",
        "*mut",
        "NonNull",
        "std::fs",
        "std::io",
        "std::thread",
    ];
    assert_eq!(places_of(&words, &protocol), [""; 0]);
}

#[test]
fn every_unsafe_has_a_safety_comment_of_its_own() {
    let mut count = 0;
    for source in sources() {
        let mut last = None;
        for (index, line) in source.lines.iter().enumerate() {
            let blocks = line.code.matches("unsafe {").count();
            if blocks == 0 && !line.code.contains("unsafe impl") {
                continue;
            }
            count += 1;
            let place = source.place(line);
            assert!(blocks < 2, "{place} has two in one line");
            let comment = safety_comment(&source.lines[..index]);
            let comment = comment.unwrap_or_else(|| panic!("{place} has no SAFETY comment"));
            assert_ne!(Some(comment), last, "{place} shares its SAFETY comment");
            last = Some(comment);
        }
    }
    assert!(count > 20, "the unsafe blocks were not found");
}

/// The number of the SAFETY comment that stands above the statement after
/// `lines`, if that is what stands there.
fn safety_comment(lines: &[Line]) -> Option<usize> {
    let mut above = lines.iter().rev().peekable();
    // The statement may have begun some lines ago.
    while above.next_if(|line| goes_on(line)).is_some() {}
    while let Some(line) = above.next_if(|line| line.code.trim().is_empty()) {
        let comment = line.comment.as_ref()?;
        if comment.starts_with(" SAFETY: ") {
            return Some(line.number);
        }
    }
    None
}

/// Whether the statement of this line goes on in the next one.
fn goes_on(line: &Line) -> bool {
    let code = line.code.trim_end();
    !code.is_empty() && !code.ends_with(['{', '}', ';', ',', '('])
}

#[test]
fn the_library_does_not_know_the_feature_loom() {
    for source in sources() {
        for word in ["feature = \"loom\"", "cfg(loom"] {
            assert!(
                !source.text.contains(word),
                "src/{} has {word}",
                source.path
            );
        }
    }
}
