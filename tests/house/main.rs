//! Architecture lints: rules for the sources, the dependencies, the targets and the texts
//! that the compiler does not check.

mod dependencies;
mod documents;
mod imports;
mod references;
mod sources;
mod text;
mod words;
