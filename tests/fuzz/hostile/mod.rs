//! Executions of `tests/memory/hostile/body` with libFuzzer's bytes.

#[allow(dead_code, reason = "each target uses its own part of this")]
#[path = "../../memory/hostile/body/mod.rs"]
mod body;
/// The parts that need no harness.
#[path = "../../common"]
#[allow(dead_code, unused_imports, reason = "the tests use more")]
pub(crate) mod common {
    pub(crate) mod calls;
    pub(crate) mod ends;
    pub(crate) mod names;
    pub(crate) mod sample;
}

use std::cell::RefCell;

use body::Hostile;
pub(crate) use body::StrayWrites;

thread_local! {
    static HOSTILE: RefCell<Hostile> = RefCell::default();
}

pub(crate) fn run(bytes: &[u8], stray_writes: StrayWrites) {
    HOSTILE.with_borrow_mut(|hostile| hostile.run(bytes, stray_writes));
}
