//! Endpoints of a transport of numbers in both directions, and how each side opens its own.

use std::sync::{Arc, Mutex};

/// Which of the two processes or threads this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Lead,
    Partner,
}

impl Side {
    /// What this side sends with and receives with, of what the lead does.
    pub(crate) fn ways<T>(self, [out, back]: [T; 2]) -> [T; 2] {
        match self {
            Self::Lead => [out, back],
            Self::Partner => [back, out],
        }
    }
}

/// One side's endpoint.
pub(crate) trait Link: 'static {
    fn send(&mut self, message: u64);
    fn receive(&mut self) -> u64;
}

/// One side's endpoint of a transport that takes several numbers at once.
pub(crate) trait BatchLink: 'static {
    /// Sends some of them, the first ones; returns how many.
    fn send(&mut self, messages: &[u64]) -> usize;
    /// Takes one or more numbers; returns how many.
    fn receive(&mut self, messages: &mut [u64]) -> usize;
}

/// An endpoint of two functions: one sends, one receives.
pub(crate) struct End<S, R>(pub(crate) S, pub(crate) R);

impl<S: FnMut(u64) + 'static, R: FnMut() -> u64 + 'static> Link for End<S, R> {
    #[inline(always)]
    fn send(&mut self, message: u64) {
        (self.0)(message);
    }

    #[inline(always)]
    fn receive(&mut self) -> u64 {
        (self.1)()
    }
}

/// An endpoint of two functions that fail while there is no room, and no messages.
pub(crate) struct Polled<S, R>(pub(crate) S, pub(crate) R);

impl<S, R> BatchLink for Polled<S, R>
where
    S: FnMut(&[u64]) -> Option<usize> + 'static,
    R: FnMut(&mut [u64]) -> Option<usize> + 'static,
{
    #[inline(always)]
    fn send(&mut self, messages: &[u64]) -> usize {
        retry(|| (self.0)(messages))
    }

    #[inline(always)]
    fn receive(&mut self, messages: &mut [u64]) -> usize {
        retry(|| (self.1)(messages))
    }
}

/// Tries, and gives the processor a hint after each failure.
#[inline(always)]
pub(crate) fn retry<T>(mut attempt: impl FnMut() -> Option<T>) -> T {
    loop {
        if let Some(done) = attempt() {
            return done;
        }
        std::hint::spin_loop();
    }
}

/// An endpoint of two functions for messages of `SIZE` bytes: one sends a message, one fills a
/// buffer of its length. The number is at the beginning and at the end of each message, and both
/// are compared.
pub(crate) fn numbered<const SIZE: usize>(
    mut send: impl FnMut(&[u8]) + 'static,
    mut receive: impl FnMut(&mut [u8]) + 'static,
) -> impl Link {
    let (mut outgoing, mut incoming) = (Line([0; SIZE]), Line([0; SIZE]));
    End(
        #[inline(always)]
        move |number| {
            let Line(message) = &mut outgoing;
            stamp(message, number);
            send(message);
        },
        #[inline(always)]
        move || {
            let Line(message) = &mut incoming;
            receive(message);
            number(message)
        },
    )
}

/// A message that begins with a cache line: the time of a copy depends on the alignment.
#[repr(align(64))]
struct Line<const SIZE: usize>([u8; SIZE]);

/// Writes the number to the beginning and the end of a message.
#[inline(always)]
pub(crate) fn stamp(message: &mut [u8], number: u64) {
    let number = number.to_le_bytes();
    message[..8].copy_from_slice(&number);
    let tail = message.len() - 8;
    message[tail..].copy_from_slice(&number);
}

/// The number of a message, which must be whole.
#[inline(always)]
pub(crate) fn number(message: &[u8]) -> u64 {
    let (head, tail) = (message.first_chunk(), message.last_chunk());
    assert_eq!(head, tail, "a message arrives whole");
    u64::from_le_bytes(*head.expect("a number fits into every message"))
}

/// How each side opens its endpoint: in its own process or thread.
pub(crate) struct Open<L> {
    open: Box<dyn FnMut(Side) -> L>,
    /// Whether the endpoint is opened again for each slice.
    pub(crate) is_reopened: bool,
}

impl<L: 'static> Open<L> {
    pub(crate) fn new(open: impl FnMut(Side) -> L + 'static) -> Self {
        let (open, is_reopened) = (Box::new(open), false);
        Self { open, is_reopened }
    }

    /// Gives each process its endpoint, and drops the other one: so the end of a process is noticed.
    pub(crate) fn part(ends: [L; 2]) -> Self {
        let mut ends = Some(ends);
        let open = move |side: Side| side.ways(ends.take().expect("each process opens once"));
        Open::new(open).map(|[own, _]| own)
    }

    pub(crate) fn map<M>(mut self, turn: impl Fn(L) -> M + 'static) -> Open<M> {
        Open {
            open: Box::new(move |side| turn((self.open)(side))),
            is_reopened: self.is_reopened,
        }
    }

    /// Opens again for each slice, so that several variants can share the same memory. With a
    /// segment for each variant, the ratios of whole runs differed by six percent.
    pub(crate) fn reopened(mut self) -> Self {
        self.is_reopened = true;
        self
    }

    pub(crate) fn side(&mut self, side: Side) -> L {
        (self.open)(side)
    }
}

/// Both endpoints, created together; each side takes one. For two threads, and for processes that
/// fork afterwards.
#[derive(Debug)]
pub(crate) struct Ends<L>(Arc<Mutex<[Option<L>; 2]>>);

impl Ends<()> {
    /// Of a ring in each direction, whose functions fail while there is no room, and no message.
    pub(crate) fn polled<S: 'static, R: 'static>(
        rings: [(S, R); 2],
        send: impl Fn(&mut S, u64) -> Option<()> + Copy + 'static,
        receive: impl Fn(&mut R) -> Option<u64> + Copy + 'static,
    ) -> Ends<impl Link> {
        Ends::of(rings, |mut sender, mut receiver| {
            End(
                #[inline(always)]
                move |message| retry(|| send(&mut sender, message)),
                #[inline(always)]
                move || retry(|| receive(&mut receiver)),
            )
        })
    }
}

impl<L: 'static> Ends<L> {
    /// Of a ring in each direction.
    pub(crate) fn of<S, R>([there, back]: [(S, R); 2], end: impl Fn(S, R) -> L) -> Self {
        let ends = [end(there.0, back.1), end(back.0, there.1)];
        Self(Arc::new(Mutex::new(ends.map(Some))))
    }

    pub(crate) fn open(&self) -> Open<L> {
        let ends = self.0.clone();
        Open::new(move |side| {
            let mut ends = ends.lock().expect("a lock that no thread panics with");
            ends[side as usize].take().expect("each side opens once")
        })
    }
}
