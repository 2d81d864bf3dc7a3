//! The rules of the house: what the sources, the dependencies and the targets
//! promise beyond what the compiler checks.

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
