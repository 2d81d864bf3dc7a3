//! `src/layout.md`: its C code, and its test vector.

use std::fs;

use quoit::{Fences, RingOptions};

use crate::common::names::RingName;

crate::common::suite::tests! {
    the_test_vector_is_what_quoit_writes,
}

const TEXT: &str = include_str!("../../src/layout.md");

/// The fenced blocks that begin with this line, concatenated.
fn blocks(begin: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut lines = TEXT.lines();
    while lines.by_ref().any(|line| line == begin) {
        let block = lines.by_ref().take_while(|line| *line != "```");
        blocks.push(block.map(|line| format!("{line}\n")).collect());
    }
    blocks
}

/// All C code of the page, as one file.
pub(super) fn c() -> String {
    let blocks = blocks("```c");
    assert_eq!(blocks.len(), 3, "positions, sleeping, roles");
    blocks.concat()
}

/// The bytes of the test vector: `None` is any byte. Bytes that it does not show are 0.
fn vector(length: usize) -> Vec<Option<u8>> {
    let dumps = blocks("```text");
    let mut dumps = dumps.iter().filter(|block| block.starts_with("00000000  "));
    let dump = dumps.next().expect("a dump");
    assert_eq!(dumps.next(), None, "one dump");
    let mut bytes = vec![Some(0); length];
    for line in dump.lines() {
        let mut words = line.split_whitespace();
        let offset = words.next().expect("an offset");
        let offset = usize::from_str_radix(offset, 16).expect("an offset");
        for (ahead, byte) in words.by_ref().take(16).enumerate() {
            let hex = |byte| u8::from_str_radix(byte, 16).expect("a byte");
            bytes[offset + ahead] = (byte != "..").then(|| hex(byte));
        }
        assert_ne!(words.next(), None, "each line says what it shows");
    }
    bytes
}

fn the_test_vector_is_what_quoit_writes() {
    let name = RingName::new("vector");
    let options = RingOptions::new(64).first_position(40);
    let ring = options.fences(Fences::Symmetric).create::<[u8]>(&name);
    let mut producer = ring.expect("a ring").producer().expect("the role is free");
    producer.try_push_kind(1, b"hello").expect("room");
    producer.try_push_kind(2, b"wrapped!").expect("room");
    let found = fs::read(name.file()).expect("the segment");
    let expected = vector(found.len());
    let masked = expected.iter().filter(|byte| byte.is_none()).count();
    assert_eq!(masked, 8 + 8 + 4 + 8, "incarnation, created, pid, since");
    for (offset, (found, expected)) in found.iter().zip(expected).enumerate() {
        if let Some(expected) = expected {
            assert_eq!(*found, expected, "the byte at {offset:#x}");
        }
    }
}
