//! Pipes, Unix sockets, and TCP and UDP on the loopback interface, each with blocking calls
//! on whole messages.

use std::ffi::CString;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::Path;

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
        self.reader.read_exact(message).expect("a message comes");
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
        assert_eq!(received.expect("a message comes"), message.len());
    }
}

/// Gives each process its endpoint, and drops the other one. Call it once.
fn part<L>(lead: L, partner: L) -> impl FnMut(Side) -> L {
    let mut ends = Some((lead, partner));
    move |side| {
        let (lead, partner) = ends.take().expect("asked once");
        match side {
            Side::Lead => lead,
            Side::Partner => partner,
        }
    }
}

/// Two pipes, one for each direction.
pub(crate) fn pipes() -> io::Result<impl FnMut(Side) -> Bytes<File, File>> {
    let (to_partner, from_lead) = pipe()?;
    let (to_lead, from_partner) = pipe()?;
    let lead = Bytes {
        reader: to_lead,
        writer: from_lead,
    };
    let partner = Bytes {
        reader: to_partner,
        writer: from_partner,
    };
    Ok(part(lead, partner))
}

/// The reading and the writing side of a pipe.
fn pipe() -> io::Result<(File, File)> {
    let mut ends = [0; 2];
    // SAFETY: there is room for two descriptors.
    if unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is new and has no other owner.
    let reader = unsafe { File::from_raw_fd(ends[0]) };
    // SAFETY: the same holds for this one.
    let writer = unsafe { File::from_raw_fd(ends[1]) };
    Ok((reader, writer))
}

/// Two named pipes whose names have this prefix. Each open waits for the peer's.
pub(crate) fn fifos(path: &Path) -> io::Result<impl FnMut(Side) -> Bytes<File, File> + use<>> {
    let [out, back] = ["out", "back"].map(|way| path.with_extension(way));
    for way in [&out, &back] {
        let way = CString::new(way.as_os_str().as_bytes())?;
        // SAFETY: the path outlives the call.
        if unsafe { libc::mkfifo(way.as_ptr(), 0o600) } != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    let open = |way: &Path, writes: bool| {
        let mut options = OpenOptions::new();
        let file = options.read(!writes).write(writes).open(way);
        file.expect("the pipe exists")
    };
    Ok(move |side| match side {
        Side::Lead => {
            let writer = open(&out, true);
            let reader = open(&back, false);
            Bytes { reader, writer }
        }
        Side::Partner => {
            let reader = open(&out, false);
            let writer = open(&back, true);
            Bytes { reader, writer }
        }
    })
}

/// A pair of Unix stream sockets.
pub(crate) fn unix() -> io::Result<impl FnMut(Side) -> Bytes<UnixStream, UnixStream>> {
    let (lead, partner) = UnixStream::pair()?;
    let end = |stream: UnixStream| -> io::Result<_> {
        Ok(Bytes {
            reader: stream.try_clone()?,
            writer: stream,
        })
    };
    Ok(part(end(lead)?, end(partner)?))
}

/// A TCP connection over the loopback interface, without Nagle's delay.
pub(crate) fn tcp() -> io::Result<impl FnMut(Side) -> Bytes<TcpStream, TcpStream>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let lead = TcpStream::connect(listener.local_addr()?)?;
    let (partner, _) = listener.accept()?;
    let end = |stream: TcpStream| -> io::Result<_> {
        stream.set_nodelay(true)?;
        Ok(Bytes {
            reader: stream.try_clone()?,
            writer: stream,
        })
    };
    Ok(part(end(lead)?, end(partner)?))
}

/// Two connected UDP sockets on the loopback interface.
pub(crate) fn udp() -> io::Result<impl FnMut(Side) -> Datagrams> {
    let lead = UdpSocket::bind("127.0.0.1:0")?;
    let partner = UdpSocket::bind("127.0.0.1:0")?;
    lead.connect(partner.local_addr()?)?;
    partner.connect(lead.local_addr()?)?;
    Ok(part(Datagrams(lead.into()), Datagrams(partner.into())))
}

/// A pair of Unix datagram sockets.
pub(crate) fn unix_datagrams() -> io::Result<impl FnMut(Side) -> Datagrams> {
    let (lead, partner) = UnixDatagram::pair()?;
    Ok(part(
        Datagrams(OwnedFd::from(lead).into()),
        Datagrams(OwnedFd::from(partner).into()),
    ))
}
