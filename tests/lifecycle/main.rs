//! Rings from their creation to their removal: names, roles, replacing and unlinking.

#[path = "../common/mod.rs"]
mod common;
mod files;
mod marks;
mod model;
mod names;
mod places;
mod racing;
mod roles;
mod room;
mod walk;

common::suite::suite! {
    files,
    marks,
    names,
    places,
    racing,
    roles,
    room,
    walk,
}
