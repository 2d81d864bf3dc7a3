//! Architecture lints: rules for the sources, the targets and the texts
//! that the compiler does not check.

mod atomics;
mod commands;
mod dependencies;
mod documents;
mod functions;
mod host;
mod imports;
mod markup;
mod pages;
mod references;
mod signatures;
mod sources;
mod targets;
mod text;
mod words;
