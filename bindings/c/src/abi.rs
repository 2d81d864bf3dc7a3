//! The public structs, as `tests/abi.txt` has them. A program has their sizes and offsets compiled
//! in, so that another value is another `QUOIT_ABI`.

use std::mem::offset_of;

use crate::consumer::quoit_consumer;
use crate::observer::{quoit_endpoint_state, quoit_info, quoit_sample};
use crate::producer::quoit_producer;
use crate::select::quoit_interest;

/// The size of a field.
fn field_size<S, F>(_: fn(&S) -> &F) -> usize {
    size_of::<F>()
}

/// A line for each struct and for each field. A field that is left out does not compile.
macro_rules! lines {
    ($($of:ident { $($field:ident),* })*) => {{
        let mut lines = Vec::new();
        $(
            let (name, size) = (stringify!($of), size_of::<$of>());
            lines.push(format!("{name}: size {size}, alignment {}", align_of::<$of>()));
            $(lines.push(format!(
                "{name}.{}: offset {}, size {}",
                stringify!($field),
                offset_of!($of, $field),
                field_size(|of: &$of| &of.$field),
            ));)*
            let _ = |$of { $($field: _),* }: $of| ();
        )*
        lines
    }};
}

#[test]
fn the_public_structs_are_those_of_the_table() {
    let lines = lines! {
        quoit_producer {
            tail, end, open, mask, data, line, peer, slot_size, per_group, per_line, max_frame, claimed, pending, calm,
            hint, inline_words, is_stream
        }
        quoit_consumer {
            head, tail, open, mask, data, line, peer, slot_size, per_group, per_line, inline_mark, inline_words, calm,
            is_stream
        }
        quoit_interest { producer, consumer, wanted }
        quoit_info { capacity, slot_size, slot_align, schema, incarnation, length }
        quoit_endpoint_state {
            epoch, since, parks, wakes, rescues, dropped, pid, is_alive, is_closed, is_asleep
        }
        quoit_sample { tail, head, len, producer, consumer }
    };
    let table = include_str!("../tests/abi.txt").lines();
    let table: Vec<_> = table.filter(|line| line.starts_with("quoit_")).collect();
    assert_eq!(table, lines, "tests/abi.txt says when it may change");
}
