//! The only file that touches payload: copies between the segment and private
//! memory.
//!
//! Another process may write to the payload at any time, even against the protocol. So no reference
//! to it exists in safe code, and each function here moves each byte once: the compiler can neither
//! read the shared bytes a second time nor assume that they are unchanged. Small copies are
//! volatile words, those in between `asm!` where there is an instruction for it; long ones call the
//! C library's `memcpy` through a pointer that the compiler does not know. `docs::memory_model` says
//! the assumptions.

use core::arch::asm;
use core::ffi::c_void;
use core::mem::MaybeUninit;

use crate::sync::LINE;

/// Records up to this size are copied by the word.
const WORDS_MAX: usize = 48;
/// Records of these sizes are copied by the half line, where there is an instruction
/// for it.
const MIN_HALVES: usize = 16;
const MAX_HALVES: usize = 4 * LINE;
/// Bytes up to which the loads of a store can be forwarded to it.
const MAX_FORWARDED: usize = 4096;
const HALVES: bool = cfg!(target_arch = "x86_64");

/// Asks for the cache line at `address`, which will be read soon. A hint: it
/// reads nothing, orders nothing, and faults nowhere.
#[inline(always)]
pub(crate) fn prefetch(address: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a hint, whatever the address.
    unsafe {
        asm!("prefetcht0 [{}]", in(reg) address, options(nostack, preserves_flags, readonly))
    };
    #[cfg(target_arch = "aarch64")]
    // SAFETY: a hint, whatever the address.
    unsafe {
        asm!("prfm pldl1keep, [{}]", in(reg) address, options(nostack, preserves_flags, readonly))
    };
}

/// Takes the cache line at `address` from the peer's processor, and changes nothing in
/// it. A prefetch for writing does not do that for a line that is still in a cache of
/// this processor, but only to be read; a store does.
///
/// # Safety
///
/// This process maps the byte there, the mapping can be written, and no other process
/// that keeps the protocol writes the byte.
#[inline(always)]
pub(crate) unsafe fn take_line(address: *mut u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the caller's promise; the byte keeps its value.
    unsafe {
        asm!("or byte ptr [{}], 0", in(reg) address, options(nostack))
    };
    #[cfg(target_arch = "aarch64")]
    // SAFETY: the caller's promise; the byte keeps its value.
    unsafe {
        asm!(
            "prfm pstl1keep, [{from}]", "ldrb {byte:w}, [{from}]", "strb {byte:w}, [{from}]",
            from = in(reg) address, byte = out(reg) _, options(nostack, preserves_flags)
        );
    };
}

/// Loads a word of the segment, once.
///
/// # Safety
///
/// `address` is aligned to eight bytes, and this process maps eight bytes there.
#[inline(always)]
pub(crate) unsafe fn load_word(address: *const u8) -> u64 {
    // SAFETY: the caller's promise.
    unsafe { address.cast::<u64>().read_volatile() }
}

/// Stores a word of the segment, once.
///
/// # Safety
///
/// As [`load_word`], and the mapping can be written.
#[inline(always)]
pub(crate) unsafe fn store_word(address: *mut u8, word: u64) {
    // SAFETY: the caller's promise.
    unsafe { address.cast::<u64>().write_volatile(word) };
}

/// Copies bytes from its second address to its first. Which of the two is shared is
/// part of its name.
///
/// Each such function is safe to call if this process maps as many bytes at both
/// addresses, they do not overlap, and both are aligned to the function's word.
type CopyBytes = unsafe fn(*mut u8, *const u8, usize);

/// Copies a record out of the segment.
///
/// # Safety
///
/// `source` is aligned for `T`, this process maps `size_of::<T>()` bytes there,
/// and any bytes are a `T`.
#[inline(always)]
pub(crate) unsafe fn load<T>(source: *const T) -> T {
    let mut value = MaybeUninit::<T>::uninit();
    let copy: CopyBytes = const {
        match (align_of::<T>(), size_of::<T>()) {
            (8.., ..=WORDS_MAX) => load_words::<u64>,
            (_, MIN_HALVES..=MAX_HALVES) if HALVES => load_halves,
            (4, ..=WORDS_MAX) => load_words::<u32>,
            (2, ..MIN_HALVES) => load_words::<u16>,
            (1, ..MIN_HALVES) => load_words::<u8>,
            _ => copy_long,
        }
    };
    // SAFETY: the caller's promise; `value` is private and as large.
    unsafe { copy(value.as_mut_ptr().cast(), source.cast(), size_of::<T>()) };
    // SAFETY: every byte was written, and any bytes are a `T`.
    unsafe { value.assume_init() }
}

/// Copies a record into the segment. `peer_waits` as for [`store_bytes`].
///
/// # Safety
///
/// `target` is aligned for `T`, and this process maps `size_of::<T>()` bytes there,
/// which can be written.
#[inline(always)]
pub(crate) unsafe fn store<T>(target: *mut T, value: &T, peer_waits: impl FnOnce() -> bool) {
    let by_words: Option<CopyBytes> = const {
        match (align_of::<T>(), size_of::<T>()) {
            (8.., ..=WORDS_MAX) => Some(store_words::<u64>),
            (_, MIN_HALVES..) if HALVES => None,
            (4, ..=WORDS_MAX) => Some(store_words::<u32>),
            (2, ..MIN_HALVES) => Some(store_words::<u16>),
            (1, ..MIN_HALVES) => Some(store_words::<u8>),
            _ => None,
        }
    };
    let (target, source) = (target.cast(), (&raw const *value).cast());
    match by_words {
        // SAFETY: the caller's promise; `value` is private and as large.
        Some(copy) => unsafe { copy(target, source, size_of::<T>()) },
        // SAFETY: as above.
        None => unsafe { store_bytes(target, source, size_of::<T>(), peer_waits) },
    }
}

/// Loads words of type `W`: a record that is popped stays in registers.
#[inline(always)]
unsafe fn load_words<W>(target: *mut u8, source: *const u8, size: usize) {
    for index in 0..size / size_of::<W>() {
        let source = source.cast::<W>().wrapping_add(index);
        // SAFETY: see `CopyBytes`.
        let word = unsafe { source.read_volatile() };
        // SAFETY: see `CopyBytes`; the word was just loaded.
        unsafe { target.cast::<W>().wrapping_add(index).write(word) };
    }
}

/// Stores words of type `W`.
#[inline(always)]
unsafe fn store_words<W>(target: *mut u8, source: *const u8, size: usize) {
    for index in 0..size / size_of::<W>() {
        // SAFETY: see `CopyBytes`.
        let word = unsafe { source.cast::<W>().wrapping_add(index).read() };
        let target = target.cast::<W>().wrapping_add(index);
        // SAFETY: see `CopyBytes`; the word was just read.
        unsafe { target.write_volatile(word) };
    }
}

/// Loads 16 bytes at a time, with no alignment; the last 16 may overlap those before.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn load_halves(target: *mut u8, source: *const u8, size: usize) {
    use core::arch::x86_64::__m128i;
    let mut done = 0;
    while done + LINE <= size {
        let (a, b, c, d): (__m128i, __m128i, __m128i, __m128i);
        // SAFETY: see `CopyBytes`.
        unsafe {
            asm!(
                "movups {a}, [{from}]", "movups {b}, [{from} + 16]",
                "movups {c}, [{from} + 32]", "movups {d}, [{from} + 48]",
                a = out(xmm_reg) a, b = out(xmm_reg) b, c = out(xmm_reg) c, d = out(xmm_reg) d,
                from = in(reg) source.wrapping_add(done),
                options(nostack, preserves_flags, readonly)
            );
        }
        let target = target.wrapping_add(done).cast::<[__m128i; 4]>();
        // SAFETY: see `CopyBytes`; the line was just loaded.
        unsafe { target.write_unaligned([a, b, c, d]) };
        done += LINE;
    }
    while done < size {
        let offset = done.min(size - 16);
        let half: __m128i;
        // SAFETY: see `CopyBytes`.
        unsafe {
            asm!(
                "movups {}, [{}]", out(xmm_reg) half, in(reg) source.wrapping_add(offset),
                options(nostack, preserves_flags, readonly)
            );
        }
        let target = target.wrapping_add(offset).cast::<__m128i>();
        // SAFETY: see `CopyBytes`; these bytes were just loaded.
        unsafe { target.write_unaligned(half) };
        done = offset + 16;
    }
}

/// Stores bytes that the program has perhaps only just written.
///
/// In a stream, older stores are still pending: those to the lines of the message
/// before, which come from the peer. A wide load of bytes that such a late store covers
/// would wait for all of them. So these bytes are loaded by eight. `peer_waits` says that
/// the consumer waits for each message. Then no store is late, and long messages are copied
/// with wide loads, which are fewer.
///
/// # Safety
///
/// As [`copy_long`].
#[inline(always)]
pub(crate) unsafe fn store_bytes(
    target: *mut u8,
    source: *const u8,
    size: usize,
    peer_waits: impl FnOnce() -> bool,
) {
    let is_forwarded = (MIN_HALVES..=MAX_FORWARDED).contains(&size);
    if is_forwarded && (size <= MAX_HALVES || !peer_waits()) {
        // SAFETY: the caller's promise.
        unsafe { store_halves(target, source, size) };
    } else {
        #[cfg(test)]
        WIDE.set(WIDE.get() + 1);
        // SAFETY: as above.
        unsafe { copy_long(target, source, size) };
    }
}

#[cfg(test)]
thread_local! {
    /// The stores of this thread with wide loads.
    pub(crate) static WIDE: core::cell::Cell<u64> = const { core::cell::Cell::new(0) };
}

/// Stores 16 bytes at a time, with no alignment; the last 16 may overlap those before. Each
/// load takes eight bytes, which the processor can forward from a store that has not reached
/// the cache yet.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn store_halves(target: *mut u8, source: *const u8, size: usize) {
    let mut done = 0;
    while done + LINE <= size {
        // SAFETY: see `CopyBytes`.
        unsafe {
            asm!(
                "movq {a}, [{from}]", "movhps {a}, [{from} + 8]",
                "movq {b}, [{from} + 16]", "movhps {b}, [{from} + 24]",
                "movq {c}, [{from} + 32]", "movhps {c}, [{from} + 40]",
                "movq {d}, [{from} + 48]", "movhps {d}, [{from} + 56]",
                "movups [{to}], {a}", "movups [{to} + 16], {b}",
                "movups [{to} + 32], {c}", "movups [{to} + 48], {d}",
                a = out(xmm_reg) _, b = out(xmm_reg) _, c = out(xmm_reg) _, d = out(xmm_reg) _,
                from = in(reg) source.wrapping_add(done), to = in(reg) target.wrapping_add(done),
                options(nostack, preserves_flags)
            );
        }
        done += LINE;
    }
    while done < size {
        let offset = done.min(size - 16);
        // SAFETY: see `CopyBytes`.
        unsafe {
            asm!(
                "movq {half}, [{from}]", "movhps {half}, [{from} + 8]", "movups [{to}], {half}",
                half = out(xmm_reg) _, from = in(reg) source.wrapping_add(offset),
                to = in(reg) target.wrapping_add(offset), options(nostack, preserves_flags)
            );
        }
        done = offset + 16;
    }
}

#[cfg(not(target_arch = "x86_64"))]
use self::{copy_long as load_halves, copy_long as store_halves};

/// Copies any number of bytes.
///
/// # Safety
///
/// This process maps `size` bytes at both addresses, and they do not overlap.
#[inline(always)]
pub(crate) unsafe fn copy_long(target: *mut u8, source: *const u8, size: usize) {
    type Memcpy = unsafe extern "C" fn(*mut c_void, *const c_void, usize) -> *mut c_void;
    let mut memcpy: Memcpy = libc::memcpy;
    // SAFETY: nothing happens; the compiler forgets which function it is.
    unsafe { asm!("/* {0} */", inout(reg) memcpy, options(nostack, preserves_flags, readonly)) };
    // SAFETY: the caller's promise.
    unsafe { memcpy(target.cast(), source.cast(), size) };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn there_and_back<T: Copy + PartialEq + core::fmt::Debug>(value: T, zero: T) {
        let mut place;
        for peer_waits in [false, true] {
            place = zero;
            // SAFETY: two values of the same type.
            unsafe { store(&raw mut place, &value, || peer_waits) };
            assert_eq!(place, value);
            // SAFETY: as above.
            assert_eq!(unsafe { load(&raw const place) }, value);
        }
    }

    #[test]
    fn any_number_of_bytes_is_stored_and_no_other_byte() {
        let source: Vec<u8> = (0..=MAX_FORWARDED + 65).map(|at| at as u8 | 1).collect();
        for size in (0..300).chain(MAX_FORWARDED - 65..=MAX_FORWARDED + 65) {
            for (at, peer_waits) in [(0, false), (3, false), (8, false), (3, true)] {
                let mut target = vec![0; at + size + 16];
                // SAFETY: both are as long, and apart.
                unsafe {
                    store_bytes(target[at..].as_mut_ptr(), source.as_ptr(), size, || {
                        peer_waits
                    })
                };
                assert_eq!(target[at..at + size], source[..size]);
                let beside = target[..at].iter().chain(&target[at + size..]);
                assert!(beside.into_iter().all(|&byte| byte == 0), "{size} at {at}");
            }
        }
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn only_long_messages_that_are_waited_for_are_stored_with_wide_loads() {
        let source = [1; MAX_FORWARDED + 1];
        for (size, in_a_stream, waited_for) in [
            (MIN_HALVES - 1, true, true),
            (MIN_HALVES, false, false),
            (MAX_HALVES, false, false),
            (MAX_HALVES + 1, false, true),
            (MAX_FORWARDED, false, true),
            (MAX_FORWARDED + 1, true, true),
        ] {
            for (peer_waits, expected) in [(false, in_a_stream), (true, waited_for)] {
                let before = WIDE.get();
                let mut target = [0; MAX_FORWARDED + 1];
                // SAFETY: both are as long, and apart.
                unsafe { store_bytes(target.as_mut_ptr(), source.as_ptr(), size, || peer_waits) };
                assert_eq!(WIDE.get() > before, expected, "{size} {peer_waits}");
            }
        }
    }

    #[test]
    fn every_way_of_copying_moves_every_byte() {
        fn bytes<const N: usize>() {
            let value = core::array::from_fn(|at| at as u8 ^ 0x5a);
            there_and_back::<[u8; N]>(value, [0; N]);
        }
        fn words<const N: usize>() {
            there_and_back::<[u64; N]>(core::array::from_fn(|at| !(at as u64) << 3), [0; N]);
        }
        there_and_back(0x0123_4567_89ab_cdef_u64, 0);
        there_and_back([1_u16, 2, 3, 0xffff], [0; 4]);
        there_and_back([1_u32, 2, u32::MAX], [0; 3]);
        there_and_back(u128::MAX - 7, 0);
        bytes::<1>();
        bytes::<15>();
        bytes::<17>();
        bytes::<49>();
        bytes::<63>();
        bytes::<255>();
        bytes::<257>();
        bytes::<5000>();
        words::<6>();
        words::<7>();
        words::<8>();
        words::<32>();
        words::<33>();
        words::<128>();
    }
}
