//! Executions of `tests/memory/hostile/body` with libFuzzer's bytes.
#![no_main]

#[allow(dead_code, reason = "the tests use more")]
#[path = "../memory/hostile/body/mod.rs"]
mod body;
/// The parts that need no harness.
#[path = "../common"]
#[allow(dead_code, unused_imports, reason = "the tests use more")]
mod common {
    pub(crate) mod calls;
    pub(crate) mod ends;
    pub(crate) mod names;
    pub(crate) mod sample;
}

use std::cell::RefCell;

use body::Hostile;

thread_local! {
    static HOSTILE: RefCell<Hostile> = RefCell::default();
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    HOSTILE.with_borrow_mut(|hostile| hostile.run(bytes));
});
