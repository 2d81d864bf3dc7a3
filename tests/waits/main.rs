//! Messages between threads and processes: every wait ends by a message, a timeout or a death.

#[path = "../common/mod.rs"]
mod common;
mod deadlines;
mod death;
mod idle;
mod sleep;
mod streams;

common::suite::suite! {
    deadlines,
    death,
    idle,
    sleep,
    streams,
}
