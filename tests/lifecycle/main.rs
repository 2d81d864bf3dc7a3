//! Rings from their creation to their removal: names, roles, replacing and unlinking.

#[path = "../common/mod.rs"]
mod common;
mod creating;
mod files;
mod living;
mod model;
mod names;
mod racing;
mod replacing;
mod roles;
mod stale;
mod walk;

common::suite::suite! {
    creating,
    files,
    living::foreign,
    living::marks,
    living::places,
    living::room,
    names,
    racing,
    replacing,
    roles,
    stale,
    walk,
}
