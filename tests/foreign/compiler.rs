//! The system's C compiler, with warnings as errors.

use std::path::Path;
use std::process::Command;

/// Compiles one C11 file into a program.
pub(super) fn compile(source: &Path, program: &Path, options: &[&str]) {
    let compiled = Command::new("cc")
        .args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-pthread"])
        .args(options)
        .arg(source)
        .arg("-o")
        .arg(program)
        .status()
        .expect("the system's C compiler, cc");
    assert!(compiled.success(), "{} is compiled", source.display());
}

/// Whether the compiler can build and run programs with these options.
pub(super) fn supports(options: &[&str]) -> bool {
    let directory = super::common::names::file_directory();
    let source = directory.path().join("probe.c");
    std::fs::write(&source, "int main(void) { return 0; }\n").expect("a source file");
    let program = directory.path().join("probe");
    let compiled = Command::new("cc")
        .args(options)
        .arg(&source)
        .arg("-o")
        .arg(&program)
        .output();
    let compiled = compiled.expect("the system's C compiler, cc");
    compiled.status.success()
        && Command::new(&program)
            .status()
            .is_ok_and(|ran| ran.success())
}
