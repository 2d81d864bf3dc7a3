//! Architecture lints: rules for the sources, the targets and the texts
//! that the compiler does not check.

mod atomics;
mod commands;
mod documents;
mod forbidden;
mod functions;
mod host;
mod imports;
mod pages;
mod references;
mod text;
mod words;
