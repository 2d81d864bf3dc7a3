//! Pipes, Unix sockets, and TCP and UDP on the loopback interface, each with blocking calls
//! on whole messages.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::pipe::{PipeFlags, pipe_with};
use socket2::Socket;

use super::interleaved::Side;
use super::message::Carrier;

/// An endpoint that reads and writes a stream of bytes.
#[derive(Debug)]
pub(crate) struct Bytes<R, W> {
    reader: R,
    writer: W,
}

impl<R: Read, W: Write> Carrier for Bytes<R, W> {
    #[inline(always)]
    fn send(&mut self, message: &[u8]) {
        self.writer.write_all(message).expect("the message is sent");
    }

    #[inline(always)]
    fn receive(&mut self, message: &mut [u8]) {
        self.reader.read_exact(message).expect("a message arrives");
    }
}

/// An endpoint that sends and receives datagrams.
#[derive(Debug)]
pub(crate) struct Datagrams(Socket);

impl Carrier for Datagrams {
    #[inline(always)]
    fn send(&mut self, message: &[u8]) {
        let sent = self.0.send(message);
        assert_eq!(sent.expect("the message is sent"), message.len());
    }

    #[inline(always)]
    fn receive(&mut self, message: &mut [u8]) {
        let received = self.0.read(message);
        assert_eq!(received.expect("a message arrives"), message.len());
    }
}

/// Gives each process its endpoint, and drops the other one. Call it once.
fn part<L>(ends: [L; 2]) -> impl FnMut(Side) -> L {
    let mut ends = Some(ends);
    move |side| {
        let [own, _] = side.ways(ends.take().expect("asked once"));
        own
    }
}

/// Two pipes, one for each direction.
pub(crate) fn pipes() -> io::Result<impl FnMut(Side) -> Bytes<File, File>> {
    let (to_partner, from_lead) = pipe_with(PipeFlags::CLOEXEC)?;
    let (to_lead, from_partner) = pipe_with(PipeFlags::CLOEXEC)?;
    let ends = [(to_lead, from_lead), (to_partner, from_partner)];
    Ok(part(ends.map(|(reader, writer)| Bytes {
        reader: reader.into(),
        writer: writer.into(),
    })))
}

/// Two named pipes whose names have this prefix. Each open waits for the peer's.
pub(crate) fn fifos(path: &Path) -> io::Result<impl FnMut(Side) -> Bytes<File, File> + use<>> {
    let ways = ["out", "back"].map(|way| path.with_extension(way));
    for way in &ways {
        mknodat(CWD, way, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?;
    }
    let read = |way: &PathBuf| File::open(way).expect("the pipe exists");
    let write = |way: &PathBuf| {
        File::options()
            .write(true)
            .open(way)
            .expect("the pipe exists")
    };
    Ok(move |side: Side| {
        let [outgoing, incoming] = side.ways(ways.each_ref());
        match side {
            Side::Lead => {
                let writer = write(outgoing);
                let reader = read(incoming);
                Bytes { reader, writer }
            }
            Side::Partner => Bytes {
                reader: read(incoming),
                writer: write(outgoing),
            },
        }
    })
}

/// A pair of Unix stream sockets.
pub(crate) fn unix() -> io::Result<impl FnMut(Side) -> Bytes<UnixStream, UnixStream>> {
    let end = |stream: UnixStream| -> io::Result<_> {
        let reader = stream.try_clone()?;
        let writer = stream;
        Ok(Bytes { reader, writer })
    };
    let (lead, partner) = UnixStream::pair()?;
    Ok(part([end(lead)?, end(partner)?]))
}

/// A TCP connection over the loopback interface, without Nagle's delay.
pub(crate) fn tcp() -> io::Result<impl FnMut(Side) -> Bytes<TcpStream, TcpStream>> {
    let end = |stream: TcpStream| -> io::Result<_> {
        stream.set_nodelay(true)?;
        let reader = stream.try_clone()?;
        let writer = stream;
        Ok(Bytes { reader, writer })
    };
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let lead = TcpStream::connect(listener.local_addr()?)?;
    let (partner, _) = listener.accept()?;
    Ok(part([end(lead)?, end(partner)?]))
}

/// Two connected UDP sockets on the loopback interface.
pub(crate) fn udp() -> io::Result<impl FnMut(Side) -> Datagrams> {
    let lead = UdpSocket::bind("127.0.0.1:0")?;
    let partner = UdpSocket::bind("127.0.0.1:0")?;
    lead.connect(partner.local_addr()?)?;
    partner.connect(lead.local_addr()?)?;
    Ok(part([lead, partner].map(|socket| Datagrams(socket.into()))))
}

/// A pair of Unix datagram sockets.
pub(crate) fn unix_datagrams() -> io::Result<impl FnMut(Side) -> Datagrams> {
    let (lead, partner) = UnixDatagram::pair()?;
    Ok(part(
        [lead, partner].map(|socket| Datagrams(OwnedFd::from(socket).into())),
    ))
}
