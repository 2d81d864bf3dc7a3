//! The subcommands.

pub(crate) mod bench;
pub(crate) mod doctor;
pub(crate) mod list;
pub(crate) mod metrics;
pub(crate) mod pages;
pub(crate) mod pipes;
pub(crate) mod recordings;
pub(crate) mod rm;
pub(crate) mod stat;
pub(crate) mod tail;
pub(crate) mod top;
