//! `tail --format`: records by the layout of their fields.

use std::cell::Cell;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::Map;
use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::fields::Fields;
use crate::tool::*;

/// A type as it is written, a value of it as JSON, and in memory.
type Sample = (String, Value, Vec<u8>);

/// Numbers of these types, in both orders, alone and in arrays, as `value` has them.
macro_rules! numbers {
    ($value:expr; $($type:ident)*) => {
        prop_oneof![$(
            (vec(any::<$type>(), 1..4), any::<bool>(), any::<bool>()).prop_map(|(all, big, alone)| {
                let all = &all[..if alone { 1 } else { all.len() }];
                let bytes = |&number: &$type| match big {
                    true => number.to_be_bytes(),
                    false => number.to_le_bytes(),
                };
                let bytes = all.iter().flat_map(bytes).collect();
                let values: Vec<Value> = all.iter().map($value).collect();
                let name = format!("{}{}", stringify!($type), if big { "be" } else { "" });
                match alone {
                    true => (name, values[0].clone(), bytes),
                    false => (format!("[{name} ;{}]", all.len()), json!(values), bytes),
                }
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
    prop_oneof![
        8 => numbers!(|number| json!(number); u8 u16 u32 u64 i8 i16 i32 i64),
        2 => numbers!(|number| json!(number.to_string()); u128 i128),
        2 => numbers!(float; f32 f64),
        1 => text,
        1 => hex,
    ]
}

fn runner(cases: u32) -> TestRunner {
    TestRunner::new(Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    })
}

pub(crate) fn a_record_is_shown_as_its_fields_were_written() {
    // With a name, without one, and passed over.
    let fields = vec((sample(), 0..3, "[ \n\t]{0,2}"), 1..8);
    let outcome = runner(4000).run(&fields, |fields| {
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
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
}

pub(crate) fn whatever_is_no_layout_is_refused_with_a_place() {
    let texts = prop_oneof![
        "[ux_ 1268be:;,\\[\\]\n\té]{0,24}",
        "(a: )?\\[{0,9}u8(; [0-9]{1,20}\\]?){0,9}(, )?[a-z]*"
    ];
    let refused = Cell::new(0);
    let outcome = runner(4000).run(&texts, |text| {
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
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
    assert!(refused.get() > 1000, "too few were wrong");
}

/// A layout, where it is wrong, and what is said.
const WRONG: [(&str, &str, &str); 18] = [
    ("", "", "a type is u8 to u128, i8 to i128, f32, f64"),
    ("at: u64, price: f65", "f65", "text, hex, or [TYPE; COUNT]"),
    ("at: u24", "u24", "a type is"),
    ("at: textbe", "textbe", "a type is"),
    ("at: ube", "ube", "a type is"),
    ("u64,, u64", ",", "a type is"),
    ("at: , u64", ",", "a type is"),
    ("at:\n u64,\n \u{e9}: u64", "\u{e9}", "a type is"),
    ("at:\u{2003}u64,\u{2003}to: b8", "b8", "a type is"),
    ("at u64", "at", "a type is"),
    ("u64 u64", "u64", "a comma, or the end"),
    ("1st: u64", "1st", "a name begins with a letter or _"),
    ("at: u64, _: u8, at: u32", "at", "of this name already"),
    ("[u8]", "]", "; and a count follow"),
    ("[u8; x]", "x", "from 1 on"),
    ("[u8; 0]", "0", "from 1 on"),
    ("[u8; 3", "", "ends with ]"),
    ("[[u64; 4294967296]; 4294967296]", "4294967296", "too large"),
];

pub(crate) fn a_wrong_layout_is_pointed_at() {
    let name = RingName::new("wrong-layout");
    let tail = |layout: &str| run(&["tail", &name, "--format", layout], b"");
    for (layout, wrong, why) in WRONG {
        let ended = tail(layout);
        let lines: Vec<_> = ended.errors.split('\n').collect();
        let marks = lines.iter().position(|line| line.trim().starts_with('^'));
        let marks = marks.unwrap_or_else(|| panic!("{layout}: {}", ended.errors));
        let place = lines[marks].find('^').expect("a mark");
        let marked = lines[marks - 1].chars().skip(place);
        let marked: String = marked.take(lines[marks].len() - place).collect();
        assert_eq!(marked, wrong, "{}", ended.errors);
        ended.with(2, why);
    }
    let deep = format!("{}u8{}", "[".repeat(50_000), "; 1]".repeat(10_000));
    tail(&deep).with(2, "8 deep at most");
    // The second is marked, not the first.
    tail("u64 u64").with(2, "\n  u64 u64\n      ^^^\n");
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct Trade {
    at: u64,
    price: f64,
    change: i32,
    port: [u8; 2],
    unused: [u8; 2],
    name: [u8; 8],
    matrix: [[u16; 2]; 2],
    key: [u8; 3],
    rest: u8,
    ratio: f32,
}

const TRADE: &str = "at: u64, price: f64, change: i32, port: u16be, _: [u8; 2], name: [text; 8],
    matrix: [[u16; 2]; 2], key: [hex; 3], u8, ratio: f32,";

pub(crate) fn records_are_shown_by_their_layout_and_stay() {
    let name = RingName::new("trades");
    let mut producer = Producer::<Trade>::create(&name, 64).expect("a ring");
    let why = "the layout has 8 bytes, and a record of this ring 48";
    refuses(&["tail", &name, "--format", "u64"], 2, why);
    let mut trade = Trade {
        at: u64::MAX,
        price: 101.1,
        change: -7,
        port: [0x1f, 0x90],
        unused: [9; 2],
        name: *b"A\"\x1b\xff\0B\0\0",
        matrix: [[1, 2], [3, 4]],
        key: [0, 0xab, 0x10],
        rest: 200,
        ratio: 0.1,
    };
    producer.push(trade).expect("room");
    trade.price = f64::NAN;
    trade.name = [0; 8];
    producer.push(trade).expect("room");
    let format = ["tail", &name, "--format", TRADE];
    let last = "matrix=[[1, 2], [3, 4]] key=00ab10 200 ratio=0.1\n";
    let expected = format!(
        "position 0: at={0} price=101.1 change=-7 port=8080 \
         name=\"A\\\"\\u{{1b}}\\xff\\0B\" {last}\
         position 1: at={0} price=NaN change=-7 port=8080 name=\"\" {last}",
        u64::MAX
    );
    for _ in 0..2 {
        assert_eq!(says(&format), expected);
    }
    let shown = says_json(&[&format[..], &["--json", "--count", "1", "--oldest"]].concat());
    let expected = json!({"ring": &*name, "position": 0, "kind": 0, "fields": {
        "at": u64::MAX, "price": 101.1, "change": -7, "port": 8080, "8": 200, "key": "00ab10",
        "name": "A\"\x1b\u{fffd}\0B", "matrix": [[1, 2], [3, 4]], "ratio": 0.1,
    }});
    assert_eq!(shown, expected);
}

pub(crate) fn frames_that_fit_are_shown_by_their_layout() {
    let (name, mut producer) = frames("frames-layout", 1024);
    let numbers = [17, -5].map(i64::to_le_bytes);
    producer.try_push_kind(7, &numbers[0]).expect("room");
    producer
        .try_push_kind(8, b"three\x00at\xffnight")
        .expect("room");
    let tail = ["tail", &name, "--format", "i64"];
    let bytes = "74 68 72 65 65 00 61 74 ff 6e 69 67 68 74        three.at.night\n";
    let other = "position 16, kind 8, 14 bytes";
    let expected =
        format!("position 0, kind 7: 17\n{other}, not 8 as the layout\n       0  {bytes}");
    assert_eq!(says(&tail), expected);
    // Without a layout; they stay.
    let expected = format!("{other}\n       0  {bytes}");
    assert_eq!(says(&["tail", &name, "-n", "1"]), expected);
    is(&stat(&name), &json!({"fill": 40}));
    let lines = says(&[&tail[..], &["--json"]].concat());
    let expected = [
        json!({"ring": &*name, "position": 0, "kind": 7, "fields": {"0": 17}}),
        json!({"ring": &*name, "position": 16, "kind": 8, "bytes": "7468726565006174ff6e69676874"}),
    ];
    assert_eq!(lines.lines().map(json).collect::<Vec<_>>(), expected);

    let mut tail = start(&[&tail[..], &["--follow"]].concat());
    tail.reads_until("night\n");
    producer.try_push_kind(9, &numbers[1]).expect("room");
    // What was shown before is not shown again.
    lacks(&tail.reads_until("position 40, kind 9: -5\n"), "night");
    tail.ends_by(libc::SIGTERM);
}

pub(crate) fn the_documents_have_the_language_of_the_help() {
    let page = include_str!("../../src/docs/tool.md");
    let help = says(&["tail", "--help"]);
    let (_, language) = help.split_once("Layouts:\n").expect("the language");
    let lines: Vec<_> = language.lines().collect();
    assert!(lines.len() > 8 && lines[0].starts_with("  LAYOUT "));
    assert!(page.contains(&format!("```text\nLayouts:\n{}\n```", lines.join("\n"))));
    for line in lines {
        // The man page has a margin.
        assert!(line.len() <= 72, "{line}");
    }
}
