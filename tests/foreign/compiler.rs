//! The system's C compiler, with warnings as errors.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{self, Command};

/// Compiles one C11 file into a program, which another process may compile or run meanwhile.
pub(super) fn compile(source: &Path, program: &Path, options: &[&str]) {
    let own = program.with_extension(process::id().to_string());
    let compiled = Command::new("cc")
        .args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-pthread"])
        .args(options)
        .arg(source)
        .arg("-o")
        .arg(&own)
        .status()
        .expect("the system's C compiler, cc");
    assert!(compiled.success(), "{} is compiled", source.display());
    fs::rename(own, program).expect("the program is there");
}

/// A directory below cargo's `target`, which outlives the run: each program is compiled
/// once per run.
pub(super) fn directory(name: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("foreign-{name}"));
    fs::create_dir_all(&directory).expect("a directory");
    directory
}

/// Whether the compiler can build and run programs with these options.
pub(super) fn supports(options: &[&str]) -> bool {
    let directory = tempfile::tempdir().expect("a directory");
    let [source, program] = ["probe.c", "probe"].map(|name| directory.path().join(name));
    fs::write(&source, "int main(void) { return 0; }\n").expect("a source file");
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
