//! Executions of `tests/memory/hostile/body` with libFuzzer's bytes: a second thread overwrites
//! the segment during calls.
#![no_main]

#[allow(dead_code, reason = "only the other target uses it")]
#[path = "../memory/hostile/body/mod.rs"]
mod body;
/// The parts that need no harness.
#[path = "../common"]
mod common {
    #[allow(dead_code, reason = "the tests use more")]
    pub(crate) mod names;
    #[allow(dead_code, reason = "the tests use more")]
    pub(crate) mod sample;
}

use std::cell::RefCell;

use body::{Hostile, StrayWrites};

thread_local! {
    static HOSTILE: RefCell<Hostile> = RefCell::default();
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    HOSTILE.with_borrow_mut(|hostile| hostile.run(bytes, StrayWrites::During));
});
