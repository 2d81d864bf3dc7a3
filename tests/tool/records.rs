//! `tail --format`: records by the layout of their fields.

use std::cell::Cell;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseResult, TestRunner};
use serde_json::Map;

use crate::fields::Fields;
use crate::tool::*;

/// A type as it is written, a value of it as JSON, and in memory.
type Sample = (String, Value, Vec<u8>);

/// Numbers of these types, in both orders, as `value` has them.
macro_rules! numbers {
    ($value:expr; $($type:ident)*) => {
        prop_oneof![$(
            (any::<$type>(), any::<bool>()).prop_map(|(number, big)| {
                let (order, bytes) = match big {
                    true => ("be", number.to_be_bytes()),
                    false => ("", number.to_le_bytes()),
                };
                let name = format!("{}{order}", stringify!($type));
                (name, ($value)(number), bytes.to_vec())
            })
        ),*]
    };
}

/// As text; of a float that is no number, its name.
fn float(number: impl ToString) -> Value {
    let text = number.to_string();
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => json!(number),
        _ => json!(text),
    }
}

fn sample() -> impl Strategy<Value = Sample> {
    let text = ("[a-z\u{e9}\n\"\0]{0,6}[a-z]", 0..3_usize).prop_map(|(text, zeros)| {
        let mut bytes = text.clone().into_bytes();
        bytes.resize(text.len() + zeros, 0);
        (format!("[ text; {}]", bytes.len()), json!(text), bytes)
    });
    let hex = vec(any::<u8>(), 1..9).prop_map(|bytes| {
        let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        (format!("[hex;{} ]", bytes.len()), json!(digits), bytes)
    });
    let alone = prop_oneof![
        8 => numbers!(|number| json!(number); u8 u16 u32 u64 i8 i16 i32 i64),
        2 => numbers!(|number: i128| json!(number.to_string()); i128),
        2 => numbers!(|number: u128| json!(number.to_string()); u128),
        2 => numbers!(float; f32 f64),
        1 => text,
        1 => hex,
    ];
    // Three deep.
    alone.prop_recursive(2, 16, 4, |element| {
        (element, 1..4_usize).prop_map(|((written, value, bytes), count)| {
            let written = format!("[{written} ;{count}]");
            (written, json!(vec![value; count]), bytes.repeat(count))
        })
    })
}

/// Tries this with many values.
fn try_many<S: Strategy>(values: S, test: impl Fn(S::Value) -> TestCaseResult) {
    let mut config = Config::with_cases(4000);
    config.failure_persistence = None;
    let outcome = TestRunner::new(config).run(&values, test);
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
}

pub(crate) fn a_record_is_shown_as_its_fields_were_written() {
    // With a name, without one, and passed over.
    let fields = vec((sample(), 0..3, "[ \n\t]{0,2}"), 1..8);
    try_many(fields, |fields| {
        let (mut layout, mut record) = (String::new(), Vec::new());
        let (mut expected, mut words) = (Map::new(), Vec::new());
        for (place, ((written, value, bytes), named, space)) in fields.into_iter().enumerate() {
            let x = format!("x_{place}");
            let (name, before, shown) = match named {
                0 => (x.clone(), format!("{x}{space}:"), format!("{x}=")),
                1 => (place.to_string(), String::new(), String::new()),
                _ => (String::new(), "_:".to_owned(), String::new()),
            };
            layout += &format!("{space}{before}{written}{space},");
            record.extend(bytes);
            if !name.is_empty() {
                let is_whole = value.is_i64() || value.is_u64();
                words.extend(is_whole.then(|| format!(" {shown}{value} ")));
                expected.insert(name, value);
            }
        }
        // A comma at the end may stand or not.
        for layout in [&*layout, layout.trim_end_matches(',')] {
            let fields = Fields::parse(layout).map_err(TestCaseError::fail)?;
            prop_assert_eq!(fields.size(), record.len());
            prop_assert_eq!(&fields.json(&record), &Value::Object(expected.clone()));
            let line = format!(" {} ", fields.words(&record));
            prop_assert!(words.iter().all(|word| line.contains(word)), "{}", line);
        }
        Ok(())
    });
}

pub(crate) fn whatever_is_no_layout_is_refused_with_a_place() {
    let texts = prop_oneof![
        "[ux_ 1268be:;,\\[\\]\n\té]{0,24}",
        "(a: )?\\[{0,9}u8(; [0-9]{1,20}\\]?){0,9}(, )?[a-z]*"
    ];
    let refused = Cell::new(0);
    try_many(texts, |text| {
        let Err(why) = Fields::parse(&text) else {
            return Ok(());
        };
        refused.set(refused.get() + 1);
        let lines: Vec<_> = why.split('\n').collect();
        prop_assert_eq!(lines.len(), 3, "{}", why);
        let marks = lines[2].trim_start().len();
        let place = lines[2].len() - marks;
        let width = lines[1].chars().count();
        prop_assert!(lines[2].trim_start().chars().all(|mark| mark == '^') && marks > 0);
        prop_assert!(2 <= place && place + marks <= width + 1, "{}", why);
        Ok(())
    });
    assert!(refused.get() > 1000, "too few were wrong");
    let deep = format!("{}u8{}", "[".repeat(50_000), "; 1]".repeat(10_000));
    has(
        &Fields::parse(&deep).map(drop).expect_err("too deep"),
        "8 deep at most",
    );
}
