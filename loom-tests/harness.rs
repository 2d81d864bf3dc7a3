//! What every model needs, whichever protocol file it checks: loom without its
//! environment variables, floors, deaths, and the tables that show that the
//! models can fail.

pub(crate) mod death;
pub(crate) mod model;
pub(crate) mod mutants;
pub(crate) mod reached;
pub(crate) mod report;
pub(crate) mod runner;
pub(crate) mod sites;
mod stacks;
mod verdicts;
