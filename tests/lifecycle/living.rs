//! A ring in use is kept: no process removes it because of an outdated check, takes it for
//! superseded because of its own root directory, or changes a file of another program. A
//! superseded ring blocks no other one.

pub(crate) mod foreign;
pub(crate) mod marks;
pub(crate) mod places;
pub(crate) mod room;
