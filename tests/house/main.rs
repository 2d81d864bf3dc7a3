//! The rules of the house: what the sources, the dependencies and the targets
//! promise beyond what the compiler checks.

mod atomics;
mod dependencies;
mod documents;
mod imports;
mod references;
mod sources;
mod text;
mod words;
