//! `build.sh` installs what a project outside of the tree finds.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::peers::{compiler, file, root, run, scratch};

/// Installs once, and moves what was installed: it must not know where it was.
pub(crate) fn prefix() -> &'static Path {
    static PREFIX: OnceLock<PathBuf> = OnceLock::new();
    PREFIX.get_or_init(|| {
        let (first, moved) = (scratch().join("first"), scratch().join("moved"));
        // documented: bindings/c/build.sh --prefix /usr/local
        // Both as packagers give them: the libdir with the prefix, the target anywhere.
        run(Command::new(root().join("build.sh"))
            .arg("--prefix")
            .arg(&first)
            .arg(format!("--libdir={}/lib", first.display()))
            .env("CARGO_BUILD_TARGET_DIR", root().join("target/installed")));
        fs::rename(first, &moved).expect("it is moved");
        moved
    })
}

/// Builds a program of what was installed, with every warning an error.
pub(crate) fn build(words: &str, source: &Path) -> PathBuf {
    let program = source.with_extension("run");
    let mut compile = compiler(&format!("{words} -Wall -Wextra -Werror -I"));
    compile.arg(prefix().join("include")).arg(source);
    compile.arg("-L").arg(prefix().join("lib")).arg("-lquoit");
    run(compile.arg("-o").arg(&program));
    program
}

/// A program that finds the installed library.
pub(crate) fn installed(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env("LD_LIBRARY_PATH", prefix().join("lib"));
    command
}

/// CMake on the project in this folder, to be built below it.
pub(crate) fn cmake(folder: &Path) -> Command {
    let mut cmake = Command::new("cmake");
    cmake.arg(format!("-DCMAKE_PREFIX_PATH={}", prefix().display()));
    cmake.args(["-B", "build"]).current_dir(folder);
    cmake
}

/// Ten lines.
const PROJECT: &str = "\
cmake_minimum_required(VERSION 3.16)
project(outside C CXX)
set(CMAKE_CXX_STANDARD 20)
find_package(quoit 0.1 REQUIRED)
foreach(kind shared static)
  add_executable(c-${kind} main.c)
  target_link_libraries(c-${kind} quoit::${kind})
  add_executable(cpp-${kind} main.cpp)
  target_link_libraries(cpp-${kind} quoit::${kind})
endforeach()
";

/// What a first program is, in both languages.
const IN_C: &str = "\
#include <quoit.h>
int main(void) {
    quoit_options *options = quoit_options_new();
    quoit_ring *ring;
    quoit_producer *producer;
    quoit_consumer *consumer;
    int sent = 42, received = 0;
    if (quoit_options_records(options, sizeof sent, sizeof sent, \"i32\") != QUOIT_OK) return 1;
    if (quoit_options_capacity(options, 8) != QUOIT_OK) return 2;
    if (quoit_create_anonymous(options, &ring) != QUOIT_OK) return 3;
    if (quoit_ring_producer(ring, &producer) != QUOIT_OK) return 4;
    if (quoit_ring_consumer(ring, &consumer) != QUOIT_OK) return 5;
    if (quoit_try_push(producer, &sent, sizeof sent) != QUOIT_OK) return 6;
    if (quoit_try_pop(consumer, &received, sizeof received) != QUOIT_OK) return 7;
    quoit_producer_free(producer);
    quoit_consumer_free(consumer);
    quoit_ring_free(ring);
    quoit_options_free(options);
    return received == sent ? 0 : 8;
}
";
const IN_CPP: &str = "\
#include <quoit.hpp>
int main() {
    auto ring = quoit::ring<int>::create_anonymous(quoit::options().capacity(8)).value();
    auto producer = quoit::producer<int>::of(ring).value();
    auto consumer = quoit::consumer<int>::of(ring).value();
    int received = 0;
    producer.try_push(42).or_throw();
    consumer.try_pop(received).or_throw();
    return received == 42 ? 0 : 1;
}
";

pub(crate) fn a_project_outside_finds_links_and_runs() {
    let folder = scratch().join("outside");
    file("outside/CMakeLists.txt", PROJECT);
    file("outside/main.c", IN_C);
    file("outside/main.cpp", IN_CPP);
    let build = folder.join("build");
    run(&mut cmake(&folder));
    run(Command::new("cmake").arg("--build").arg(&build));
    for language in ["c", "cpp"] {
        for kind in ["shared", "static"] {
            let program = build.join(format!("{language}-{kind}"));
            run(&mut Command::new(&program));
            let needed = run(Command::new("readelf").arg("-d").arg(&program));
            let is_shared = needed.contains("[libquoit.so.0.1]");
            assert_eq!(is_shared, kind == "shared", "{language}: {needed}");
        }
    }
}

/// A thread of the library may still run when a program unloads it.
pub(crate) fn the_shared_library_stays_mapped() {
    let library = prefix().join("lib/libquoit.so");
    let flags = run(Command::new("readelf").arg("-d").arg(library));
    assert!(flags.contains("NODELETE"), "{flags}");
}

pub(crate) fn a_version_that_is_not_there_is_not_found() {
    let project = PROJECT
        .replace("quoit 0.1", "quoit 0.2")
        .replace("C CXX", "C");
    let project = project.split("foreach").next().expect("a beginning");
    file("version/CMakeLists.txt", project);
    let output = cmake(&scratch().join("version")).output();
    let output = output.expect("cmake runs");
    let text = String::from_utf8_lossy(&output.stderr);
    let has_version = text.contains(env!("CARGO_PKG_VERSION"));
    assert!(!output.status.success() && has_version, "{text}");
}

// documented: cc app.c $(pkg-config --cflags --libs quoit)
pub(crate) fn pkg_config_finds_it() {
    let (source, program) = (file("pkg.c", IN_C), scratch().join("pkg"));
    // Of two libraries the linker takes the shared one, unless a flag says otherwise.
    for (how, library) in [("--libs", "-lquoit"), ("--static", "-l:libquoit.a")] {
        let mut pkg_config = Command::new("pkg-config");
        pkg_config.env("PKG_CONFIG_PATH", prefix().join("lib/pkgconfig"));
        let flags = run(pkg_config.args(["--cflags", "--libs", how, "quoit"]));
        let flags = flags.replace("-lquoit", library);
        let mut compiler = Command::new("cc");
        compiler.arg(&source).arg("-o").arg(&program);
        run(compiler.args(flags.split_whitespace()));
        run(&mut installed(&program));
    }
}
