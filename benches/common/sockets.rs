//! What a program would use without a ring: pipe, Unix stream, TCP and UDP on
//! the loopback, each with blocking calls on whole messages.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::FromRawFd;
use std::os::unix::net::UnixStream;

use super::contest::Side;
use super::link::Link;

/// An end that reads and writes a stream of bytes.
#[derive(Debug)]
pub(crate) struct Bytes<R, W> {
    reader: R,
    writer: W,
}

impl<R: Read, W: Write> Link for Bytes<R, W> {
    #[inline(always)]
    fn send(&mut self, message: u64) {
        let bytes = message.to_le_bytes();
        self.writer.write_all(&bytes).expect("the message is sent");
    }

    #[inline(always)]
    fn receive(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.reader.read_exact(&mut bytes).expect("a message comes");
        u64::from_le_bytes(bytes)
    }
}

/// An end that sends and receives datagrams.
#[derive(Debug)]
pub(crate) struct Datagrams(UdpSocket);

impl Link for Datagrams {
    #[inline(always)]
    fn send(&mut self, message: u64) {
        let sent = self.0.send(&message.to_le_bytes());
        assert_eq!(sent.expect("the message is sent"), 8);
    }

    #[inline(always)]
    fn receive(&mut self) -> u64 {
        let mut bytes = [0; 8];
        let received = self.0.recv(&mut bytes);
        assert_eq!(received.expect("a message comes"), 8);
        u64::from_le_bytes(bytes)
    }
}

/// Gives each process its end, and drops the other. Not to be asked twice.
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

/// Two pipes, one for each way.
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

/// The end to read from, and the end to write to.
fn pipe() -> io::Result<(File, File)> {
    let mut ends = [0; 2];
    // SAFETY: there is room for two descriptors.
    if unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is new and nobody else's.
    let reader = unsafe { File::from_raw_fd(ends[0]) };
    // SAFETY: and so is this one.
    let writer = unsafe { File::from_raw_fd(ends[1]) };
    Ok((reader, writer))
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

/// A TCP connection over the loopback, without Nagle's delay.
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

/// Two connected UDP sockets on the loopback.
pub(crate) fn udp() -> io::Result<impl FnMut(Side) -> Datagrams> {
    let lead = UdpSocket::bind("127.0.0.1:0")?;
    let partner = UdpSocket::bind("127.0.0.1:0")?;
    lead.connect(partner.local_addr()?)?;
    partner.connect(lead.local_addr()?)?;
    Ok(part(Datagrams(lead), Datagrams(partner)))
}
