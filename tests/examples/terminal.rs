//! A pseudo-terminal for one test.

use std::fs::File;
use std::io::Read;
use std::os::fd::{FromRawFd, OwnedFd};
use std::process::Stdio;
use std::ptr::null_mut;
use std::sync::mpsc;
use std::thread;

use super::common::PATIENCE;

/// The controlling side, which receives what the example draws.
pub(crate) struct Terminal {
    chunks: mpsc::Receiver<String>,
    seen: String,
}

impl Terminal {
    /// Opens one: the terminal, for an example's output, and the controlling side.
    pub(crate) fn open() -> (Stdio, Self) {
        let (mut near, mut far) = (-1, -1);
        let (near_pointer, far_pointer) = (&raw mut near, &raw mut far);
        // SAFETY: both pointers are to integers, and the others may be null.
        let opened = unsafe {
            libc::openpty(
                near_pointer,
                far_pointer,
                null_mut(),
                null_mut(),
                null_mut(),
            )
        };
        assert_eq!(opened, 0, "there is a terminal");
        // SAFETY: `openpty` has just opened it, and nothing else owns it.
        let mut near = File::from(unsafe { OwnedFd::from_raw_fd(near) });
        // SAFETY: the same.
        let far = unsafe { OwnedFd::from_raw_fd(far) };
        let (sender, chunks) = mpsc::channel();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            // A read fails when the terminal is closed.
            while let Ok(length) = near.read(&mut buffer) {
                let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
                if sender.send(text).is_err() {
                    break;
                }
            }
        });
        let seen = String::new();
        (Stdio::from(far), Self { chunks, seen })
    }

    /// Waits until the terminal shows this, and then discards its output so far.
    pub(crate) fn shows(&mut self, text: &str) {
        while !self.seen.contains(text) {
            match self.chunks.recv_timeout(PATIENCE) {
                Ok(chunk) => self.seen += &chunk,
                Err(_) => panic!("the terminal shows no {text:?} but {:?}", self.seen),
            }
        }
        self.seen.clear();
    }
}
