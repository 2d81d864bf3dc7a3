//! The system's C compiler, with warnings as errors.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{self, Command, Stdio};

/// Compiles C11 code into a program below cargo's `target`, which another process may compile or
/// run at the same time; `None` if the compiler refuses.
pub(super) fn compile(name: &str, code: &str, options: &[&str]) -> Option<PathBuf> {
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("c-{name}"));
    let own = program.with_extension(process::id().to_string());
    let mut compiler = Command::new("cc")
        .args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-pthread"])
        .args(options)
        .args(["-x", "c", "-", "-o"])
        .arg(&own)
        .stdin(Stdio::piped())
        .spawn()
        .expect("the system's C compiler, cc");
    let input = compiler
        .stdin
        .take()
        .expect("a pipe")
        .write_all(code.as_bytes());
    input.expect("it reads the code");
    let compiled = compiler.wait().expect("it ends").success();
    compiled.then(|| {
        fs::rename(own, &program).expect("the program is there");
        program
    })
}

/// Whether the compiler can build and run programs with these options.
pub(super) fn supports(options: &[&str]) -> bool {
    let probe = compile("probe", "int main(void) { return 0; }\n", options);
    probe.is_some_and(|probe| Command::new(probe).status().is_ok_and(|ran| ran.success()))
}

/// The code of a client whose sleeps have no end but a wake: years in place of a tenth of a second.
pub(super) fn patient(code: &str) -> String {
    let forever = code.replace("span = {.tv_nsec", "span = {.tv_sec");
    assert_ne!(forever, code, "it sleeps on a futex");
    format!(
        "#define _GNU_SOURCE\n#include <semaphore.h>\n\
         #define sem_clockwait(bell, clock, end) sem_wait(bell)\n{forever}"
    )
}
