//! The fuzzer, where another thread overwrites the segment during calls.
#![no_main]

mod hostile;

use hostile::{StrayWrites, common};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| hostile::run(bytes, StrayWrites::During));
