//! The mechanisms of the system: pipes, sockets, semaphores and signals, each
//! with blocking calls on whole messages.

use std::fs::File;
use std::io::{self, Read, Write};
use std::mem::{MaybeUninit, zeroed};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::ptr;

use rustix::pipe::{PipeFlags, pipe_with};
use socket2::{Domain, Socket, Type};

use super::link::{End, Link, Open, Side, numbered};
use super::memory;

/// Endpoints that read and write bytes.
fn bytes<const SIZE: usize, R: Read + 'static, W: Write + 'static>(
    ends: Open<(R, W)>,
) -> Open<impl Link> {
    ends.map(|(mut reader, mut writer)| {
        numbered::<SIZE>(
            move |message| writer.write_all(message).expect("the message is sent"),
            move |message| reader.read_exact(message).expect("a message arrives"),
        )
    })
}

/// Two pipes, one for each direction.
pub(crate) fn pipes<const SIZE: usize>() -> io::Result<Open<impl Link>> {
    let (to_partner, from_lead) = pipe_with(PipeFlags::CLOEXEC)?;
    let (to_lead, from_partner) = pipe_with(PipeFlags::CLOEXEC)?;
    let ends = [(to_lead, from_lead), (to_partner, from_partner)];
    let ends = ends.map(|(reader, writer)| (File::from(reader), File::from(writer)));
    Ok(bytes::<SIZE, _, _>(Open::part(ends)))
}

/// A pair of connected sockets. A datagram is a whole message.
fn sockets<const SIZE: usize>((lead, partner): (Socket, Socket)) -> io::Result<Open<impl Link>> {
    let ends = [(lead.try_clone()?, lead), (partner.try_clone()?, partner)];
    Ok(bytes::<SIZE, _, _>(Open::part(ends)))
}

/// Unix sockets for streams or datagrams.
pub(crate) fn unix<const SIZE: usize>(kind: Type) -> io::Result<Open<impl Link>> {
    sockets::<SIZE>(Socket::pair(Domain::UNIX, kind, None)?)
}

/// A TCP connection over the loopback interface, without Nagle's delay.
pub(crate) fn tcp<const SIZE: usize>() -> io::Result<Open<impl Link>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let lead = TcpStream::connect(listener.local_addr()?)?;
    let (partner, _) = listener.accept()?;
    lead.set_nodelay(true)?;
    partner.set_nodelay(true)?;
    sockets::<SIZE>((lead.into(), partner.into()))
}

/// Two connected UDP sockets on the loopback interface.
pub(crate) fn udp<const SIZE: usize>() -> io::Result<Open<impl Link>> {
    let lead = UdpSocket::bind("127.0.0.1:0")?;
    let partner = UdpSocket::bind("127.0.0.1:0")?;
    lead.connect(partner.local_addr()?)?;
    partner.connect(lead.local_addr()?)?;
    sockets::<SIZE>((lead.into(), partner.into()))
}

/// Offsets of the semaphores and the message in a slot, each in a separate stripe.
const EMPTY: usize = 0;
const FULL: usize = 128;
const MESSAGE: usize = 256;

/// Shared memory and POSIX semaphores, as in textbooks: a file with one slot in each direction,
/// with one semaphore for empty and one for full.
pub(crate) fn slots<const SIZE: usize>(path: &Path) -> io::Result<Open<impl Link + use<SIZE>>> {
    let slot = MESSAGE + SIZE.next_multiple_of(128);
    let mut ways = memory::wire(path, 2 * slot, [0, slot])?;
    for way in ways.side(Side::Lead) {
        for (offset, count) in [(EMPTY, 1), (FULL, 0)] {
            // SAFETY: there is room for a semaphore, and no other process has the file.
            if unsafe { libc::sem_init(way.at(offset).cast(), 1, count) } != 0 {
                return Err(io::Error::last_os_error());
            }
        }
    }
    Ok(ways.map(|[out, back]| {
        numbered::<SIZE>(
            move |message| {
                wait(out.at(EMPTY));
                let slot = out.at(MESSAGE);
                // SAFETY: the slot has the message's length. It is empty, so this process owns it.
                unsafe { slot.copy_from_nonoverlapping(message.as_ptr(), message.len()) };
                post(out.at(FULL));
            },
            move |message| {
                wait(back.at(FULL));
                let slot = back.at(MESSAGE);
                // SAFETY: the slot has the message's length. It is full, so this process owns it.
                unsafe { slot.copy_to_nonoverlapping(message.as_mut_ptr(), message.len()) };
                post(back.at(EMPTY));
            },
        )
    }))
}

fn wait(semaphore: *mut u8) {
    // SAFETY: the semaphore was initialized before the fork.
    while unsafe { libc::sem_wait(semaphore.cast()) } != 0 {
        let error = io::Error::last_os_error();
        assert_eq!(error.kind(), io::ErrorKind::Interrupted, "{error}");
    }
}

fn post(semaphore: *mut u8) {
    // SAFETY: as in `wait`.
    let error = unsafe { libc::sem_post(semaphore.cast()) };
    assert_eq!(error, 0, "the semaphore counts to one");
}

/// Real-time signals with a value, for which the receiver waits. They are blocked, in this process
/// and its later child: no handler runs.
pub(crate) fn signals() -> io::Result<Open<impl Link>> {
    // SAFETY: a zeroed set is empty.
    let mut awaited: libc::sigset_t = unsafe { zeroed() };
    // SAFETY: the set outlives the call, which cannot fail.
    unsafe { libc::sigaddset(&raw mut awaited, libc::SIGRTMIN()) };
    // SAFETY: the set outlives the call, which cannot fail.
    unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const awaited, ptr::null_mut()) };
    let (lead, partner) = UnixStream::pair()?;
    Ok(Open::part([lead, partner]).map(move |mut stream| {
        let peer = exchange_pids(&mut stream).expect("the peer sends its pid");
        End(
            move |message| {
                let sival_ptr = ptr::without_provenance_mut(message as usize);
                let value = libc::sigval { sival_ptr };
                // SAFETY: the value is only a number to the peer, which does not dereference it.
                let error = unsafe { libc::sigqueue(peer, libc::SIGRTMIN(), value) };
                assert_eq!(error, 0, "the signal is queued");
            },
            move || {
                let mut info = MaybeUninit::<libc::siginfo_t>::uninit();
                // SAFETY: the set and the answer outlive the call.
                while unsafe { libc::sigwaitinfo(&raw const awaited, info.as_mut_ptr()) } < 0 {
                    let error = io::Error::last_os_error();
                    assert_eq!(error.kind(), io::ErrorKind::Interrupted, "{error}");
                }
                // SAFETY: the call has initialized it.
                let info = unsafe { info.assume_init() };
                // SAFETY: a queued signal has a value.
                unsafe { info.si_value() }.sival_ptr.addr() as u64
            },
        )
    }))
}

fn exchange_pids(stream: &mut UnixStream) -> io::Result<libc::pid_t> {
    stream.write_all(&std::process::id().to_ne_bytes())?;
    let mut peer = [0; size_of::<libc::pid_t>()];
    stream.read_exact(&mut peer)?;
    Ok(libc::pid_t::from_ne_bytes(peer))
}
