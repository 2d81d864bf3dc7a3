//! The C ABI of quoit. `include/quoit.h` is made of these files, `include/quoit_inline.h`
//! has the fast path, and README.md says which fields that may touch.
#![allow(non_camel_case_types, reason = "the names are those of the C header")]
#![allow(
    clippy::missing_safety_doc,
    reason = "the C header has one contract for all: its pointers are null or valid"
)]

#[cfg(test)]
mod abi;
mod consumer;
mod handle;
mod observer;
mod options;
mod producer;
mod ring;
mod select;
mod status;
