//! Rings without a name, sent from process to process over a Unix socket.

pub(crate) mod deaths;
pub(crate) mod forks;
pub(crate) mod memory;
pub(crate) mod refusals;
pub(crate) mod travels;
pub(crate) mod wire;

use std::os::unix::net::{UnixListener, UnixStream};

use crate::common::PATIENCE;
use crate::common::child::{Child, say};
use crate::common::names::file_directory;

/// A child, and the socket to it.
fn start(part: &str) -> (Child, UnixStream) {
    let directory = file_directory();
    let path = directory.path().join("socket");
    let listener = UnixListener::bind(&path).expect("a socket");
    let child = Child::start(part, &[path.to_str().expect("a path in UTF-8")]);
    child.expect("connected");
    let (socket, _) = listener.accept().expect("the child connects");
    (child, patient(socket))
}

/// In a child: the socket to the test.
fn socket(arguments: &[String]) -> UnixStream {
    let socket = UnixStream::connect(&arguments[0]).expect("the test accepts");
    say("connected");
    patient(socket)
}

/// A pair within this process.
fn pair() -> (UnixStream, UnixStream) {
    let (ours, theirs) = UnixStream::pair().expect("two sockets");
    (patient(ours), patient(theirs))
}

/// A socket with a timeout.
fn patient(socket: UnixStream) -> UnixStream {
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    socket
}
