//! Programs of the users' languages that check themselves.

use std::process::Command;

use crate::peers::{compile, run};

pub(crate) fn every_call_and_every_misuse_has_an_answer() {
    run(&mut Command::new(compile("tests/calls.c", true)));
}

pub(crate) fn nothing_is_allocated_after_opening() {
    run(&mut Command::new(compile("tests/allocations.cpp", false)));
}
