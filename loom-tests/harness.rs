//! The parts of every model: loom without its environment variables, minimum numbers of
//! executions, deaths, and the tables of mutants.

pub(crate) mod death;
pub(crate) mod model;
pub(crate) mod mutants;
pub(crate) mod reached;
pub(crate) mod report;
pub(crate) mod runner;
pub(crate) mod sites;
mod stacks;
pub(crate) mod threads;
mod verdicts;
