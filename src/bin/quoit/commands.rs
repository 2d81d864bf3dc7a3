//! The subcommands, each in a file of its own.

pub(crate) mod bench;
pub(crate) mod doctor;
pub(crate) mod list;
pub(crate) mod metrics;
pub(crate) mod pages;
pub(crate) mod record;
pub(crate) mod recv;
pub(crate) mod replay;
pub(crate) mod rm;
pub(crate) mod send;
pub(crate) mod stat;
pub(crate) mod tail;
pub(crate) mod top;
