//! `quoit.h` is what cbindgen makes of the sources.

use std::fs;
use std::path::Path;

/// In the order of the header.
const SOURCES: [&str; 7] = [
    "status", "options", "ring", "producer", "consumer", "select", "observer",
];

/// `BLESS=1 cargo test` writes it.
pub(crate) fn the_header_is_that_of_the_sources() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = cbindgen::Config::from_file(root.join("cbindgen.toml")).expect("a configuration");
    let mut builder = cbindgen::Builder::new().with_config(config);
    for source in SOURCES {
        builder = builder.with_src(root.join(format!("src/{source}.rs")));
    }
    let mut made = Vec::new();
    builder.generate().expect("a header").write(&mut made);
    let made = String::from_utf8(made).expect("text");
    let path = root.join("include/quoit.h");
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, &made).expect("the header is written");
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == made,
        "include/quoit.h is out of date: BLESS=1 cargo test writes it"
    );
}
