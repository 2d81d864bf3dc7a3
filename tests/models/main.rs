//! A ring is a queue: random operations against a `VecDeque`, a hundred thousand sequences.
//!
//! Records of every size class and alignment, frames of every length, several capacities,
//! and positions just before a wrap. Some rings are on the heap and some in a real segment,
//! where both roles are also released and taken again.

#[path = "../common/mod.rs"]
mod common;
mod frames;
mod records;
mod world;

/// Defines a test for each of these checks.
macro_rules! tests {
    ($($test:ident: $check:expr;)*) => {
        $(#[test]
        fn $test() {
            $check;
        })*
    };
}
pub(crate) use tests;
