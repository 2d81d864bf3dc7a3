//! What the library does with the kernel: descriptors, forks, limits, signals, system calls.

mod calls;
#[path = "../common/mod.rs"]
mod common;
mod descriptors;
mod fork;
mod handoff;
mod limits;
mod no_syscalls;
mod signals;

common::suite::suite! {
    descriptors,
    fork,
    handoff::memory,
    handoff::refusals,
    limits::groups,
    limits::huge_pages,
    limits::refusals,
    no_syscalls,
    signals,
}
