//! The compiler's messages for programs that do not compile. Each case is a program of a
//! separate crate that depends on quoit.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Deserializer, Value};

/// A name, the body of `main`, and parts of the compiler's message.
#[rustfmt::skip]
const CASES: [(&str, &str, &[&str]); 7] = [
    ("bool_record", "let _ = quoit::RingOptions::new(8).heap::<bool>();",
        &["`bool` cannot be a record of a ring", "use u8"]),
    ("char_end", "let _ = quoit::Producer::<char>::open(\"ticks\");",
        &["`char` cannot be a record of a ring", "u32 for a char"]),
    ("enum_record",
        "#[derive(Clone, Copy)] enum Side { Buy, Sell } \
         let _ = quoit::Consumer::<Side>::open(\"ticks\").map(|_| (Side::Buy, Side::Sell));",
        &["`Side` cannot be a record of a ring", "enums are not records"]),
    ("struct_without_derives",
        "#[derive(Clone, Copy)] #[repr(C)] struct Order { price: u64 } \
         let _ = quoit::Ring::<Order>::open(\"orders\").map(|_| Order { price: 1 }.price);",
        &["Order` is neither", "derives `FromBytes`, `IntoBytes` and `Immutable`"]),
    ("frame_as_bytes",
        "let (_, mut consumer) = quoit::RingOptions::new(64).heap::<[u8]>().unwrap(); \
         let frame = consumer.try_peek().unwrap(); \
         let bytes: &[u8] = &*frame; println!(\"{bytes:?}\");",
        &["type `Frame<'_>` cannot be dereferenced"]),
    ("text_of_a_frame",
        "let (_, mut consumer) = quoit::RingOptions::new(64).heap::<[u8]>().unwrap(); \
         let frame = consumer.try_peek().unwrap(); \
         println!(\"{:?}\", std::str::from_utf8(&frame));",
        &["expected `&[u8]`, found `&Frame<'_>`"]),
    ("reference_without_unsafe",
        "let (_, mut consumer) = quoit::RingOptions::new(8).heap::<u64>().unwrap(); \
         let peek = consumer.try_peek().unwrap(); \
         println!(\"{}\", peek.as_ref());",
        &["call to unsafe function `Peek::<'_, T>::as_ref` is unsafe"]),
];

/// The crate with all programs, and one that compiles.
fn write_crate(directory: &Path) {
    let programs = directory.join("src/bin");
    fs::create_dir_all(&programs).expect("a directory below target");
    let root = env!("CARGO_MANIFEST_DIR");
    let manifest = format!(
        "[package]\nname = \"diagnosed\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\
         [dependencies]\nquoit = {{ path = {root:?} }}\n[workspace]\n"
    );
    fs::write(directory.join("Cargo.toml"), manifest).expect("a file in it");
    // The versions of this build, which are available without a network.
    let locked = Path::new(root).join("Cargo.lock");
    fs::copy(locked, directory.join("Cargo.lock")).expect("a copy");
    let sound = (
        "sound",
        "let _ = quoit::Producer::<u64>::open(\"a\");",
        &[][..],
    );
    for (name, body, _) in CASES.into_iter().chain([sound]) {
        let program = format!("fn main() {{ {body} }}\n");
        fs::write(programs.join(name).with_extension("rs"), program).expect("a program");
    }
}

#[test]
fn the_compilers_message_says_what_to_do() {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("diagnosed");
    write_crate(&directory);
    let arguments = "check --bins --offline --quiet --keep-going --message-format=json";
    let output = Command::new(env!("CARGO"))
        .args(arguments.split(' '))
        .current_dir(&directory)
        .env("CARGO_TARGET_DIR", directory.join("target"))
        .env_remove("RUSTFLAGS")
        .env_remove("RUSTC_WORKSPACE_WRAPPER")
        .output()
        .expect("cargo runs");
    // The compiler's messages about each program.
    let mut said: BTreeMap<String, String> = BTreeMap::new();
    for line in Deserializer::from_slice(&output.stdout).into_iter::<Value>() {
        let line = line.expect("JSON");
        if let (Some(name), message) = (line["target"]["name"].as_str(), &line["message"]) {
            let text = message["rendered"].as_str().unwrap_or_default();
            *said.entry(name.to_owned()).or_default() += text;
        }
    }
    assert_eq!(said["sound"], "", "it compiles");
    for (name, _, expected) in CASES {
        for words in expected {
            let said = &said[name];
            assert!(said.contains(words), "{name}: no {words:?} in\n{said}");
        }
    }
}
