//! ipc-channel: serialised messages over Unix sockets, limited only by the socket's buffer.
//! Blocking `send` and `recv`: it has no calls that wait in user space.

use std::io;

use ipc_channel::ipc::{self, IpcReceiver, IpcSender};

use crate::common::link::Link;
use crate::pair::Pair;

pub(crate) struct End {
    sender: IpcSender<u64>,
    receiver: IpcReceiver<u64>,
}

pub(crate) fn pair() -> io::Result<Pair<End>> {
    let (there, far) = ipc::channel()?;
    let (back, near) = ipc::channel()?;
    let end = |sender, receiver| End { sender, receiver };
    Ok(Pair::new(end(there, near), end(back, far)))
}

impl Link for End {
    fn send(&mut self, message: u64) {
        self.sender.send(message).expect("the partner is attached");
    }

    fn receive(&mut self) -> u64 {
        self.receiver.recv().expect("the partner is attached")
    }
}
