//! Executions of `tests/hostile/body` with libFuzzer's bytes: another thread overwrites the
//! segment between two calls.
#![no_main]

#[allow(dead_code, reason = "only the other target uses it")]
#[path = "../hostile/body/mod.rs"]
mod body;
#[path = "../common/mod.rs"]
mod common;

use std::cell::RefCell;

use body::{Hostile, StrayWrites};

thread_local! {
    static HOSTILE: RefCell<Hostile> = RefCell::default();
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    HOSTILE.with_borrow_mut(|hostile| hostile.run(bytes, StrayWrites::Between));
});
