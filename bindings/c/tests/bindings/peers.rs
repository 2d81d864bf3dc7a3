//! The programs of the matrix, one for each language, and the rings that they share.

use std::env::consts::EXE_SUFFIX;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use quoit::{DoorbellKind, Observer, Ring, RingOptions, Role};
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// Against hangs alone.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Language {
    Rust,
    C,
    Cpp,
    Python,
}

/// The interpreter that has the package `quoit`, if there is one.
pub(crate) fn python() -> Option<PathBuf> {
    let path = PathBuf::from(std::env::var_os("QUOIT_PYTHON")?);
    (!path.as_os_str().is_empty()).then_some(path)
}

/// All languages that can be had here, with their programs built.
pub(crate) fn languages() -> Vec<Language> {
    let mut languages = vec![Language::Rust, Language::C, Language::Cpp];
    languages.extend(python().map(|_| Language::Python));
    // Not while a peer waits.
    for language in &languages {
        language.command();
    }
    languages
}

/// The record of the matrix, which `peer.rs` knows as well.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct Record {
    number: u64,
    words: [u64; 4],
}

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Where cargo has put what it built: `deps` is below it.
pub(crate) fn built() -> PathBuf {
    let test = std::env::current_exe().expect("a path");
    test.ancestors().nth(2).expect("a target folder").to_owned()
}

/// A folder of this run, which its end removes.
pub(crate) fn scratch() -> &'static Path {
    static SCRATCH: OnceLock<tempfile::TempDir> = OnceLock::new();
    SCRATCH
        .get_or_init(|| tempfile::tempdir().expect("a folder"))
        .path()
}

/// Writes a file of this run.
pub(crate) fn file(name: &str, text: &str) -> PathBuf {
    let path = scratch().join(name);
    let folder = path.parent().expect("a folder");
    fs::create_dir_all(folder).expect("a folder");
    fs::write(&path, text).expect("a file");
    path
}

/// A compiler with its first arguments.
pub(crate) fn compiler(words: &str) -> Command {
    let mut words = words.split(' ');
    let mut compiler = Command::new(words.next().expect("a compiler"));
    compiler.args(words);
    compiler
}

/// What a compiler of C++ says of a source and the headers of the tree.
pub(crate) fn checked(standard: &str, source: &Path) -> Output {
    let mut compiler = compiler(&format!("c++ -std={standard} -fsyntax-only -I"));
    let output = compiler.arg(root().join("include")).arg(source).output();
    output.expect("the compiler starts")
}

/// Runs a command, and fails with what it has printed.
#[track_caller]
pub(crate) fn run(command: &mut Command) -> String {
    let output = command.output().expect("the command starts");
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(
        output.status.success(),
        "{command:?}: {}\n{text}",
        output.status
    );
    text
}

/// Compiles a program with every warning an error, and with sanitizers; once.
pub(crate) fn compile(source: &str, sanitized: bool) -> PathBuf {
    let path = root().join(source);
    let name = path.file_name().expect("a name").to_string_lossy();
    let program = scratch().join(format!("{name}{}{EXE_SUFFIX}", u8::from(sanitized)));
    if program.exists() {
        return program;
    }
    let is_c = path.extension().is_some_and(|extension| extension == "c");
    let mut compiler = compiler(if is_c {
        "cc -std=c11"
    } else {
        "c++ -std=c++20"
    });
    compiler.args(["-O2", "-g", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]);
    if sanitized {
        compiler.args(["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]);
    }
    compiler.arg("-I").arg(root().join("include"));
    compiler.arg(&path).arg("-o").arg(&program);
    compiler.arg(built().join("libquoit_capi.a"));
    run(compiler.args(["-lpthread", "-ldl", "-lm"]));
    program
}

impl Language {
    fn command(self) -> Command {
        match self {
            Self::Rust => Command::new(built().join("examples/peer")),
            Self::C => Command::new(compile("tests/peers/peer.c", true)),
            Self::Cpp => Command::new(compile("tests/peers/peer.cpp", true)),
            Self::Python => {
                let mut python = Command::new(python().expect("it was asked for"));
                python.arg(root().join("../python/tests/peer.py"));
                python
            }
        }
    }

    /// Starts an endpoint of a ring: `args` are those of `peer.rs` before the name.
    pub(crate) fn start(self, args: [&str; 5], ring: &Shared, count: u64) -> Peer {
        let mut command = self.command();
        command.args(args).arg(&ring.name).arg(count.to_string());
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let what = format!("{self:?} {args:?} of {}", ring.name);
        let child = command.spawn().expect("the peer starts");
        Peer {
            child: Some(child),
            what,
        }
    }
}

/// A process of the matrix, which dies with its handle.
pub(crate) struct Peer {
    child: Option<Child>,
    pub(crate) what: String,
}

impl Peer {
    /// Ends its standard input.
    pub(crate) fn close_input(&mut self) {
        drop(self.child.as_mut().and_then(|child| child.stdin.take()));
    }

    /// Waits for its end; its status, and what it has printed.
    pub(crate) fn end(mut self) -> (ExitStatus, String) {
        let mut child = self.child.take().expect("it runs");
        let begin = Instant::now();
        while child.try_wait().expect("a child").is_none() {
            if begin.elapsed() > PATIENCE {
                let _ = child.kill();
                panic!("{} hangs", self.what);
            }
            thread::sleep(Duration::from_millis(1));
        }
        let output = child.wait_with_output().expect("a child");
        let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
        text += &String::from_utf8_lossy(&output.stderr);
        (output.status, text)
    }

    /// Expects that it has done all that it was to do.
    #[track_caller]
    pub(crate) fn succeeds(self) {
        let what = self.what.clone();
        let (status, text) = self.end();
        assert!(status.success(), "{what}: {status}\n{text}");
    }

    /// Kills it, and expects that it was alive and well.
    #[track_caller]
    pub(crate) fn dies(mut self) {
        use std::os::unix::process::ExitStatusExt;
        let child = self.child.as_mut().expect("it runs");
        child.kill().expect("it is ours");
        let what = self.what.clone();
        let (status, text) = self.end();
        assert_eq!(
            status.signal(),
            Some(libc::SIGKILL),
            "{what}: {status}\n{text}"
        );
    }

    fn take(&mut self) -> Self {
        let (child, what) = (self.child.take(), self.what.clone());
        Self { child, what }
    }

    fn has_ended(&mut self) -> bool {
        let child = self.child.as_mut().expect("it runs");
        child.try_wait().expect("a child").is_some()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A ring of the matrix, which is removed when its handle is dropped.
pub(crate) struct Shared {
    pub(crate) name: String,
    pub(crate) observer: Observer,
}

impl Shared {
    pub(crate) fn create(shape: &str, doorbell: DoorbellKind, capacity: u64) -> Self {
        static RINGS: Mutex<u32> = Mutex::new(0);
        let mut rings = RINGS.lock().expect("no test panics here");
        *rings += 1;
        let number = *rings;
        let name = format!("quoit-bindings-{}-{number}", std::process::id());
        let options = RingOptions::default()
            .schema_tag("matrix/1")
            .doorbell(doorbell);
        if shape == "frames" {
            let options = options.capacity(capacity * 64);
            let _: Ring<[u8]> = options.create(&name).expect("a new ring");
        } else {
            let options = options.capacity(capacity);
            let _: Ring<Record> = options.create(&name).expect("a new ring");
        }
        let observer = Observer::open(&name).expect("the new ring");
        Self { name, observer }
    }

    pub(crate) fn is_alive(&self, role: Role) -> bool {
        self.observer.is_alive(role).expect("the ring can be asked")
    }

    pub(crate) fn sleeps(&self, role: Role) -> bool {
        self.observer.endpoint(role).is_asleep
    }

    /// Waits for what happens soon, unless the peer ends.
    #[track_caller]
    pub(crate) fn until(
        &self,
        peers: &mut [&mut Peer],
        what: &str,
        happens: impl Fn(&Self) -> bool,
    ) {
        let begin = Instant::now();
        while !happens(self) {
            for peer in peers.iter_mut() {
                if peer.has_ended() {
                    let (status, text) = peer.take().end();
                    panic!("{what}: {} has ended: {status}\n{text}", peer.what);
                }
            }
            assert!(begin.elapsed() < PATIENCE, "{what}: it does not happen");
            thread::sleep(Duration::from_millis(1));
        }
    }

    pub(crate) fn path(&self) -> PathBuf {
        Path::new("/dev/shm").join(&self.name)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let _ = fs::remove_file(self.path());
    }
}
