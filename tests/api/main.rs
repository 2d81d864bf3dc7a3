//! What a program sees of the library: errors, messages of the compiler, types of records.

mod answers;
#[path = "../common/mod.rs"]
mod common;
mod diagnostics;
mod errors;
mod inline_copy;
mod large_records;
mod report;
