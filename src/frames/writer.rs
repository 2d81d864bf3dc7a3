//! Writing frames: where they go, and the claims that fill them in place.

use core::array;
use core::fmt;
use core::slice;

use crate::cursor::{RIDE_WORDS, WriteCursor};
use crate::deadline::Deadline;
use crate::endpoint::Endpoint;
use crate::endpoint::inline_copy::SHORT_FRAME;
use crate::error::ClaimError;
use crate::layout::{FRAME_HEADER, PADDING, frame_header, frame_size, max_frame_len};
use crate::payload;

/// The most bytes of a frame whose stores ask for their lines early enough.
const LONG_FRAME: usize = 256;

/// Writes the frames of a ring.
pub(crate) struct FrameWriter {
    pub(crate) end: Endpoint<WriteCursor>,
}

/// Where a frame goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    /// Bytes of padding before the frame: none, or the rest of the ring.
    padding: u64,
    /// Offset of the frame's header in the data.
    offset: usize,
    /// Bytes of payload.
    pub(super) len: usize,
    /// Bytes that padding and frame take.
    units: u64,
}

impl FrameWriter {
    pub(crate) fn new(end: Endpoint<WriteCursor>) -> Self {
        Self { end }
    }

    /// See [`FrameProducer::max_frame_len`](crate::FrameProducer::max_frame_len).
    #[inline(always)]
    pub(crate) fn max_frame_len(&self) -> usize {
        max_frame_len(self.end.cursor.capacity()) as usize
    }

    /// The place of a frame after `ahead` bytes which are written and not
    /// yet published, whether or not there is room.
    #[inline(always)]
    fn place(&self, ahead: u64, len: usize) -> Result<Place, ClaimError> {
        let max = self.max_frame_len();
        if len > max {
            return Err(ClaimError::TooLong { max });
        }
        let size = frame_size(len as u64);
        let offset = self.end.cursor.index(ahead as usize);
        let rest = self.end.cursor.capacity() - offset as u64;
        let (padding, offset) = if size <= rest { (0, offset) } else { (rest, 0) };
        Ok(Place {
            padding,
            offset,
            len,
            units: padding + size,
        })
    }

    /// Bytes of room that a frame of `len` bytes needs here; 0 if it can never fit.
    pub(crate) fn bytes_needed(&self, len: usize) -> u64 {
        self.place(0, len).map_or(0, |place| place.units)
    }

    /// A place with room.
    #[inline(always)]
    pub(crate) fn reserve(&mut self, ahead: u64, len: usize) -> Result<Place, ClaimError> {
        let place = self.place(ahead, len)?;
        self.end.room(ahead + place.units)?;
        self.prepare(ahead, place);
        Ok(place)
    }

    /// A place with room, after a wait.
    #[inline]
    pub(crate) fn wait_for(
        &mut self,
        ahead: u64,
        len: usize,
        deadline: Deadline,
    ) -> Result<Place, ClaimError> {
        let place = self.place(ahead, len)?;
        let units = ahead + place.units;
        if units > self.end.cursor.capacity() {
            let max = self.max_frame_len();
            return Err(ClaimError::TooLong { max });
        }
        self.end.wait(units, deadline)?;
        self.prepare(ahead, place);
        Ok(place)
    }

    /// Takes the lines of a long frame before the copy. The stores of a short one need no help.
    #[inline(always)]
    fn prepare(&mut self, ahead: u64, place: Place) {
        // Open units have been taken before.
        if place.len > LONG_FRAME && ahead == 0 && !self.end.cursor.has_open(place.units) {
            self.end.prepare_long(place.units);
        }
    }

    /// Writes a frame and publishes it; a short one inline as well. Abandoned in a forked
    /// child.
    #[inline(always)]
    pub(crate) fn fill(
        &mut self,
        place: Place,
        kind: u32,
        payload: &[u8],
    ) -> Result<(), ClaimError> {
        if self.publish_filled(place, kind, payload) {
            Ok(())
        } else {
            Err(ClaimError::Abandoned)
        }
    }

    #[inline(always)]
    fn publish_filled(&mut self, place: Place, kind: u32, payload: &[u8]) -> bool {
        if payload.len() > SHORT_FRAME {
            self.write_at(place, 0, payload);
            let units = self.seal(place, kind, payload.len());
            return self.end.publish(units) && self.end.prepare(units);
        }
        // A number of words that the compiler knows, whatever the length: no loop.
        match frame_size(payload.len() as u64) / 8 {
            1 => self.publish_short::<1>(place, kind, payload),
            2 => self.publish_short::<2>(place, kind, payload),
            3 => self.publish_short::<3>(place, kind, payload),
            4 => self.publish_short::<4>(place, kind, payload),
            5 => self.publish_short::<5>(place, kind, payload),
            _ => self.publish_short::<RIDE_WORDS>(place, kind, payload),
        }
    }

    #[inline(always)]
    fn publish_short<const WORDS: usize>(
        &mut self,
        place: Place,
        kind: u32,
        payload: &[u8],
    ) -> bool {
        let words = short_frame::<WORDS>(kind, payload);
        self.pad(place);
        for (ahead, word) in words.into_iter().enumerate() {
            self.store_word(place.offset + ahead * 8, word);
        }
        if self.end.role.peer_hint() {
            self.end.publish_inline(place.units, words.into_iter())
        } else {
            self.end.publish(place.units)
        }
    }

    /// Copies bytes into the payload of a place.
    #[inline(always)]
    pub(super) fn write_at(&self, place: Place, offset: usize, bytes: &[u8]) {
        let fits = place
            .len
            .checked_sub(offset)
            .is_some_and(|rest| bytes.len() <= rest);
        assert!(
            fits,
            "{} bytes written at {offset}, {} claimed",
            bytes.len(),
            place.len
        );
        let offset = place.offset + FRAME_HEADER as usize + offset;
        if bytes.len() > SHORT_FRAME || offset & 7 != 0 {
            return self.copy_long(offset, bytes);
        }
        // `finish` reads these words back at once. It would wait for wider stores.
        let words = bytes.chunks_exact(8);
        let rest = words.remainder();
        for (ahead, word) in words.enumerate() {
            let word = u64::from_le_bytes(word.try_into().expect("eight bytes"));
            self.store_word(offset + ahead * 8, word);
        }
        if !rest.is_empty() {
            self.copy_long(offset + bytes.len() - rest.len(), rest);
        }
    }

    /// Copies bytes to an offset of the data, within a place.
    #[inline(always)]
    fn copy_long(&self, offset: usize, bytes: &[u8]) {
        let (target, peer_waits) = (self.end.at(offset), || self.end.role.peer_hint());
        // SAFETY: a place lies within the data, which are mapped.
        unsafe { payload::store_bytes(target, bytes.as_ptr(), bytes.len(), peer_waits) };
    }

    /// The payload of a place.
    ///
    /// # Safety
    ///
    /// No process writes these bytes while the reference exists.
    pub(super) unsafe fn bytes_mut(&mut self, place: Place) -> &mut [u8] {
        let start = self.end.at(place.offset + FRAME_HEADER as usize);
        // SAFETY: a place lies within the data, which are mapped, and any bytes will do;
        // the caller promises the rest.
        unsafe { slice::from_raw_parts_mut(start, place.len) }
    }

    /// Writes the headers of a place, and zeros to the end of the last word; returns
    /// the bytes that it takes.
    #[inline(always)]
    pub(super) fn seal(&self, place: Place, kind: u32, len: usize) -> u64 {
        let size = frame_size(len as u64);
        self.pad(place);
        let used = len & 7;
        if used != 0 {
            let last = place.offset + size as usize - 8;
            let word = self.load_word(last) & !(u64::MAX << (used * 8));
            self.store_word(last, word);
        }
        self.store_word(place.offset, frame_header(len as u32, kind));
        place.padding + size
    }

    /// Ends the lap, if the frame is at the ring's beginning.
    #[inline(always)]
    fn pad(&self, place: Place) {
        if place.padding > 0 {
            let offset = (self.end.cursor.capacity() - place.padding) as usize;
            self.store_word(offset, frame_header(PADDING, 0));
        }
    }

    #[inline(always)]
    fn store_word(&self, offset: usize, word: u64) {
        // SAFETY: a place lies within the data, which are mapped, and its words are
        // aligned.
        unsafe { payload::store_word(self.end.at(offset), word) };
    }

    #[inline(always)]
    fn load_word(&self, offset: usize) -> u64 {
        // SAFETY: as in `store_word`.
        unsafe { payload::load_word(self.end.at(offset)) }
    }

    /// Writes the headers of a place that is filled, and publishes it; a short frame
    /// inline as well. `false` in a forked child.
    #[inline(always)]
    fn finish(&mut self, place: Place, kind: u32, len: usize) -> bool {
        let units = self.seal(place, kind, len);
        if len > SHORT_FRAME {
            return self.end.publish(units) && self.end.prepare(units);
        }
        if self.end.role.peer_hint() {
            let mut words = [0; RIDE_WORDS];
            let words = &mut words[..frame_size(len as u64) as usize / 8];
            for (ahead, word) in words.iter_mut().enumerate() {
                *word = self.load_word(place.offset + ahead * 8);
            }
            self.end.publish_inline(units, words.iter().copied())
        } else {
            self.end.publish(units)
        }
    }
}

/// The words of a short frame, each put together in a register. A word that is loaded
/// with its neighbour from where the two have just been stored, in the ring or in private
/// memory, would wait until both stores have reached the cache.
#[inline(always)]
fn short_frame<const WORDS: usize>(kind: u32, payload: &[u8]) -> [u64; WORDS] {
    let header = frame_header(payload.len() as u32, kind);
    array::from_fn(|index| match index.checked_sub(1) {
        None => header,
        Some(index) => word_at(payload, index * 8),
    })
}

/// Up to eight bytes from `offset` on, then zeros.
#[inline(always)]
fn word_at(bytes: &[u8], offset: usize) -> u64 {
    let rest = &bytes[offset..];
    if let Some(&whole) = rest.first_chunk() {
        return u64::from_le_bytes(whole);
    }
    // No loop over the bytes, which would become a call of `memcpy`.
    let fours = rest.chunks_exact(4);
    let twos = fours.remainder().chunks_exact(2);
    let mut word = match twos.remainder() {
        [last] => u64::from(*last),
        _ => 0,
    };
    for two in twos {
        let two = u16::from_le_bytes(two.try_into().expect("two bytes"));
        word = word << 16 | u64::from(two);
    }
    for four in fours {
        let four = u32::from_le_bytes(four.try_into().expect("four bytes"));
        word = word << 32 | u64::from(four);
    }
    word
}

/// Room for a frame, to be filled in place: what [`FrameProducer::claim`](crate::FrameProducer::claim) and its like
/// return.
///
/// Contains the ring's old bytes until you write it. [`commit`](Self::commit)
/// publishes it, [`commit_first`](Self::commit_first) a shorter frame; dropping it
/// publishes nothing. It does not dereference: the peer can write to the memory as well.
#[derive(Debug)]
#[must_use = "a dropped claim publishes nothing; commit it"]
pub struct FrameClaim<'a> {
    frames: &'a mut FrameWriter,
    place: Place,
    kind: u32,
}

impl<'a> FrameClaim<'a> {
    pub(crate) fn new(frames: &'a mut FrameWriter, place: Place) -> Self {
        Self {
            frames,
            place,
            kind: 0,
        }
    }

    /// Bytes that were claimed.
    #[expect(
        clippy::len_without_is_empty,
        reason = "an empty claim is one like any other"
    )]
    pub fn len(&self) -> usize {
        self.place.len
    }

    /// Sets the frame's kind; 0 unless it is set.
    pub fn set_kind(&mut self, kind: u32) {
        self.kind = kind;
    }

    /// Copies `bytes` into the payload, from `offset` on.
    ///
    /// # Panics
    ///
    /// If they reach beyond what was claimed.
    ///
    /// # Real-time
    ///
    /// Wait-free (linear in the bytes), no syscall, no allocation.
    #[inline]
    pub fn write_at(&mut self, offset: usize, bytes: &[u8]) {
        self.frames.write_at(self.place, offset, bytes);
    }

    /// Copies the whole payload.
    ///
    /// # Panics
    ///
    /// If `bytes` and the claim differ in length.
    ///
    /// # Real-time
    ///
    /// Wait-free (linear in the bytes), no syscall, no allocation.
    #[inline]
    pub fn copy_from_slice(&mut self, bytes: &[u8]) {
        check_len(bytes.len(), self.place.len);
        self.write_at(0, bytes);
    }

    /// Where the payload is, for code that writes through a pointer.
    /// [`len`](Self::len) bytes are mapped there while the claim exists.
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    #[inline]
    pub fn as_mut_ptr(&mut self) -> *mut u8 {
        self.frames
            .end
            .at(self.place.offset + FRAME_HEADER as usize)
    }

    /// The payload in place, without a copy.
    ///
    /// # Safety
    ///
    /// No process writes these bytes while the reference exists; a peer that keeps the protocol
    /// does not.
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    #[inline]
    pub unsafe fn as_mut_bytes(&mut self) -> &mut [u8] {
        // SAFETY: the caller's promise.
        unsafe { self.frames.bytes_mut(self.place) }
    }

    /// Publishes the frame. In a child of `fork` it does not, and the producer's next call
    /// returns [`ClaimError::Abandoned`].
    ///
    /// # Real-time
    ///
    /// Wait-free, no allocation, no syscall but the wake of a consumer that sleeps.
    #[inline]
    pub fn commit(self) {
        let _ = self.publish(); // as documented
    }

    /// [`commit`](Self::commit); Abandoned in a forked child.
    #[inline(always)]
    pub(crate) fn publish(self) -> Result<(), ClaimError> {
        let Self {
            frames,
            place,
            kind,
        } = self;
        if frames.finish(place, kind, place.len) {
            Ok(())
        } else {
            Err(ClaimError::Abandoned)
        }
    }

    /// Publishes a frame of the first `len` bytes.
    ///
    /// # Panics
    ///
    /// If `len` is more than was claimed.
    ///
    /// # Real-time
    ///
    /// Wait-free, no allocation, no syscall but the wake of a consumer that sleeps.
    #[inline]
    pub fn commit_first(self, len: usize) {
        let claimed = self.place.len;
        assert!(len <= claimed, "{len} bytes committed, {claimed} claimed");
        self.frames.finish(self.place, self.kind, len);
    }

    /// Abandoned in a forked child.
    pub(crate) fn commit_parts(mut self, kind: u32, parts: &[&[u8]]) -> Result<(), ClaimError> {
        let mut offset = 0;
        for part in parts {
            self.write_at(offset, part);
            offset += part.len();
        }
        self.kind = kind;
        self.publish()
    }
}

pub(super) fn check_len(given: usize, claimed: usize) {
    assert!(given == claimed, "{given} bytes copied, {claimed} claimed");
}

impl fmt::Debug for FrameWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrameWriter").finish_non_exhaustive()
    }
}
