//! The examples run, each with its other half.

use std::fs;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::peers::{built, compile, python, root, run};

/// A name of this run, which leaves with it.
struct Name(String);

impl Name {
    fn new(what: &str) -> Self {
        Self(format!("quoit-bindings-{what}-{}", std::process::id()))
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        let _ = fs::remove_file(Path::new("/dev/shm").join(&self.0));
    }
}

fn start(program: &Path, args: &[&str]) -> Child {
    begin(Command::new(program).args(args))
}

/// An example in Python, if there is one to run it.
fn start_python(example: &str, name: &Name) -> Option<Child> {
    let example = root().join("../python/examples").join(example);
    let mut command = Command::new(python()?);
    // Bytecode would be written into the source tree.
    Some(begin(command.arg("-B").arg(example).arg(&name.0)))
}

fn begin(command: &mut Command) -> Child {
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command.spawn().expect("the example starts")
}

/// What it has printed when it has ended well.
#[track_caller]
fn ends(child: Child) -> String {
    let output = child.wait_with_output().expect("it ends");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}: {text}", output.status);
    text.into_owned()
}

#[track_caller]
fn prints(child: Child, expected: &str) {
    assert_eq!(ends(child), expected);
}

pub(crate) fn the_examples_run() {
    // Not while the other half waits.
    let market = compile("examples/market_data.cpp", true);
    let audio = compile("examples/audio.cpp", true);
    let event_loop = compile("examples/event_loop.c", true);

    let name = Name::new("market");
    let reader = start(&market, &[&name.0]);
    // documented: cargo run --release --example market_data -- NAME 1000000
    run(Command::new(built().join("examples/market_data")).args([&name.0, "20000"]));
    prints(reader, "20000 ticks, turnover 2.69988e+08\n");
    let name = Name::new("market-python");
    if let Some(reader) = start_python("market_data.py", &name) {
        run(Command::new(built().join("examples/market_data")).args([&name.0, "20000"]));
        prints(reader, "20000 ticks, turnover 2.69988e+08\n");
    }

    let name = Name::new("audio");
    let reader = start(&built().join("examples/audio"), &[&name.0]);
    run(Command::new(audio).args([&name.0, "500"]));
    prints(reader, "500 blocks\n");

    let name = Name::new("loop");
    let mut ring = quoit::FrameProducer::create(&name.0, 1 << 16).expect("a new ring");
    let reader = start(&event_loop, &[&name.0]);
    ring.wait_for_peer().expect("it comes");
    ring.push(b"hello").expect("room");
    ring.push(b"and again").expect("room");
    drop(ring);
    prints(reader, "hello\nand again\n");
    // The next waits for another producer.
    let mut reader = start(&event_loop, &[&name.0]);
    let mut stdin = reader.stdin.take().expect("a pipe");
    stdin.write_all(b"typed\n").expect("it reads");
    drop(stdin);
    prints(reader, "typed\n");
}

/// It neither spins nor hangs.
pub(crate) fn an_example_ends_with_the_other_half() {
    let name = Name::new("audio-ends");
    let audio = compile("examples/audio.cpp", true);
    let options = quoit::RingOptions::new(16).schema_tag("audio/1");
    let ring = options.create::<[f32; 128]>(&name.0).expect("a new ring");
    let mut reader = ring.consumer().expect("its consumer");
    let mut writer = Command::new("timeout");
    let writer = begin(writer.arg("60").arg(audio).args([&name.0, "1000000000"]));
    reader.wait_for_peer().expect("it comes");
    drop(reader);
    let status = writer.wait_with_output().expect("it ends").status;
    assert_eq!(status.code(), Some(1));

    let name = Name::new("loop-corrupt");
    let event_loop = compile("examples/event_loop.c", true);
    drop(quoit::FrameProducer::create(&name.0, 1 << 16).expect("a new ring"));
    let path = Path::new("/dev/shm").join(&name.0);
    let file = fs::File::options().write(true).open(path);
    let file = file.expect("the ring");
    for (offset, value) in [(16384, 1000_u64), (4096, 32)] {
        let written = file.write_all_at(&value.to_le_bytes(), offset);
        written.expect("the ring is written to");
    }
    let status = start(&event_loop, &[&name.0]).wait_with_output();
    assert_eq!(status.expect("it ends").status.code(), Some(1));
}

pub(crate) fn an_example_without_its_arguments_says_which() {
    let mut commands = vec![];
    for name in ["market_data", "audio", "camera"] {
        commands.push(Command::new(built().join("examples").join(name)));
        commands.push(Command::new(compile(&format!("examples/{name}.cpp"), true)));
    }
    commands.push(Command::new(compile("examples/event_loop.c", true)));
    for name in ["market_data.py", "camera.py"] {
        commands.extend(python().map(|python| {
            let mut command = Command::new(python);
            command
                .arg("-B")
                .arg(root().join("../python/examples").join(name));
            command
        }));
    }
    for mut command in commands {
        let output = command.output().expect("the example starts");
        let text = String::from_utf8_lossy(&output.stderr);
        let says_how = text.contains("usage: ") && text.contains(" NAME");
        assert!(
            output.status.code().is_some_and(|code| code != 0) && says_how,
            "{command:?}: {}: {text}",
            output.status
        );
    }
}

/// Starts a viewer, if there is one to run it.
type Start<'a> = &'a dyn Fn(&Name) -> Option<Child>;

/// Each viewer sees whole pictures, the last one among them, and none twice.
pub(crate) fn a_camera_is_seen_in_each_language() {
    const PICTURES: u64 = 20;
    let viewer = compile("examples/camera.cpp", true);
    let in_cpp = |name: &Name| Some(start(&viewer, &[&name.0]));
    let in_python = |name: &Name| start_python("camera.py", name);
    let viewers: [(&str, Start<'_>); 2] = [("camera-cpp", &in_cpp), ("camera-python", &in_python)];
    for (what, start) in viewers {
        let name = Name::new(what);
        let Some(viewer) = start(&name) else { continue };
        run(Command::new(built().join("examples/camera")).args([&name.0, "20"]));
        let text = ends(viewer);
        let numbers: Vec<u64> = text
            .split(|letter: char| !letter.is_ascii_digit())
            .filter_map(|word| word.parse().ok())
            .collect();
        let (seen, skipped) = (numbers[0], numbers[1]);
        assert!(seen > 0 && seen + skipped <= PICTURES, "{what}: {text}");
        assert!(text.contains(" pictures, "), "{what}: {text}");
        let left = Path::new("/dev/shm").join(&name.0);
        assert!(!left.exists(), "{what} has left its ring");
    }
}
