//! Architecture lints: rules for the sources, the dependencies, the targets and the texts
//! that the compiler does not check.

mod commands;
mod dependencies;
mod documents;
mod imports;
mod pages;
mod references;
mod signatures;
mod sources;
mod text;
mod words;
