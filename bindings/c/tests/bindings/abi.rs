//! The C compiler sees the values, sizes and offsets of `abi.txt`; `src/abi.rs` is the Rust side.

use std::collections::BTreeSet;

use crate::peers::{compiler, file, root, run};

const TABLE: &str = include_str!("../abi.txt");

/// What the header defines: values with their names, and structs.
fn header() -> (BTreeSet<String>, BTreeSet<String>) {
    let text = include_str!("../../include/quoit.h");
    let value = |line: &str| {
        let (name, value) = match line.strip_prefix("#define ") {
            Some(define) => define.split_once(' ')?,
            None => line.trim().strip_suffix(',')?.split_once(" = ")?,
        };
        Some(format!("{name} = {value}"))
    };
    let is_struct = |line: &str| {
        let name = line.strip_prefix("typedef struct ")?.strip_suffix(" {")?;
        Some(name.to_owned())
    };
    let lines = text.lines();
    (
        lines.clone().filter_map(value).collect(),
        lines.filter_map(is_struct).collect(),
    )
}

/// A line of the table about a struct, as the C compiler checks it.
fn assertion(line: &str) -> String {
    let (what, rest) = line.split_once(": ").expect("a struct or a field");
    let (first, second) = rest.split_once(", ").expect("two numbers");
    let [first, second] = [first, second].map(|part| part.split_once(' ').expect("a number").1);
    let holds = match what.split_once('.') {
        Some((of, field)) => format!(
            "offsetof({of}, {field}) == {first} && sizeof((({of} *)0)->{field}) == {second}"
        ),
        None => format!("sizeof({what}) == {first} && _Alignof({what}) == {second}"),
    };
    format!("_Static_assert({holds}, \"{line}\");\n")
}

pub(crate) fn the_header_has_the_values_sizes_and_offsets_of_the_table() {
    let (values, structs) = header();
    let [in_table, of_structs] = ["QUOIT_", "quoit_"]
        .map(|prefix| TABLE.lines().filter(move |line| line.starts_with(prefix)));
    let in_table: BTreeSet<_> = in_table.map(str::to_owned).collect();
    assert_eq!(in_table, values, "tests/abi.txt says when it may change");
    let named = of_structs.clone().filter(|line| !line.contains('.'));
    let named: BTreeSet<_> = named.filter_map(|line| line.split(':').next()).collect();
    let structs: BTreeSet<_> = structs.iter().map(String::as_str).collect();
    assert_eq!(named, structs, "the table has each public struct");
    let text: String = of_structs.map(assertion).collect();
    let source = file("abi.c", &format!("#include <quoit.h>\n{text}"));
    let mut compiler = compiler("cc -std=c11 -fsyntax-only -I");
    run(compiler.arg(root().join("include")).arg(source));
}
