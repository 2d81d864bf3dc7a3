//! The only file that touches payload: copies between the segment and private
//! memory.
//!
//! Another process may write to the payload at any time, whatever the protocol
//! says. So no reference to it exists in safe code, and each function here moves
//! each byte once: the compiler can neither read the shared bytes a second time
//! nor take them for unchanged. Small copies are volatile words; long ones call
//! the C library's `memcpy` through a pointer that the compiler does not know.
//! `docs::memory_model` says what that rests on.

use core::arch::asm;
use core::ffi::c_void;
use core::mem::MaybeUninit;

use crate::sync::LINE;

/// Records up to this size are copied by the word.
const WORDS_MAX: usize = 48;

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

/// Copies a record out of the segment.
///
/// # Safety
///
/// `source` is aligned for `T`, this process maps `size_of::<T>()` bytes there,
/// and any bytes are a `T`.
#[inline(always)]
pub(crate) unsafe fn load<T: Copy>(source: *const T) -> T {
    let mut value = MaybeUninit::<T>::uninit();
    // SAFETY: the caller's promise; `value` is private and as large.
    unsafe { copy::<T, true>(value.as_mut_ptr().cast(), source.cast()) };
    // SAFETY: every byte was written, and any bytes are a `T`.
    unsafe { value.assume_init() }
}

/// Copies a record into the segment.
///
/// # Safety
///
/// As [`load`], and the mapping can be written.
#[inline(always)]
pub(crate) unsafe fn store<T: Copy>(target: *mut T, value: &T) {
    // SAFETY: the caller's promise; `value` is private and as large.
    unsafe { copy::<T, false>(target.cast(), (&raw const *value).cast()) };
}

/// Copies the bytes of a `T` between two addresses that are aligned for it, `OUT`
/// of the segment or into it.
///
/// # Safety
///
/// This process maps `size_of::<T>()` bytes at both, and they do not overlap.
#[inline(always)]
unsafe fn copy<T, const OUT: bool>(target: *mut u8, source: *const u8) {
    let size = size_of::<T>();
    #[cfg(target_arch = "x86_64")]
    if size > WORDS_MAX && size <= 4 * LINE {
        // SAFETY: the caller's promise.
        unsafe { copy_halves::<OUT>(target, source, size) };
        return;
    }
    // SAFETY: the caller's promise; a multiple of an alignment is aligned to it.
    unsafe {
        match align_of::<T>() {
            8.. if size <= WORDS_MAX => copy_words::<u64, OUT>(target, source, size),
            4 if size <= WORDS_MAX => copy_words::<u32, OUT>(target, source, size),
            2 if size <= WORDS_MAX / 2 => copy_words::<u16, OUT>(target, source, size),
            1 if size <= WORDS_MAX / 3 => copy_words::<u8, OUT>(target, source, size),
            _ => copy_long(target, source, size),
        }
    }
}

/// Copies `size` bytes as words of type `W`. Only the shared side is volatile, so
/// that a record that is popped stays in registers.
///
/// # Safety
///
/// As [`copy`], and both addresses and `size` are multiples of the word.
#[inline(always)]
unsafe fn copy_words<W: Copy, const OUT: bool>(target: *mut u8, source: *const u8, size: usize) {
    for index in 0..size / size_of::<W>() {
        let from = source.cast::<W>().wrapping_add(index);
        let to = target.cast::<W>().wrapping_add(index);
        // SAFETY: the caller's promise, for each word.
        unsafe {
            if OUT {
                to.write(from.read_volatile());
            } else {
                to.write_volatile(from.read());
            }
        }
    }
}

/// Copies at least 16 bytes, 16 at a time; the last 16 may overlap those before them.
///
/// # Safety
///
/// As [`copy`].
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn copy_halves<const OUT: bool>(target: *mut u8, source: *const u8, size: usize) {
    use core::arch::x86_64::__m128i;
    let mut done = 0;
    while OUT && done + LINE <= size {
        let (a, b, c, d): (__m128i, __m128i, __m128i, __m128i);
        let from = source.wrapping_add(done);
        // SAFETY: the caller's promise, for each line.
        unsafe {
            asm!(
                "movups {a}, [{from}]", "movups {b}, [{from} + 16]",
                "movups {c}, [{from} + 32]", "movups {d}, [{from} + 48]",
                a = out(xmm_reg) a, b = out(xmm_reg) b, c = out(xmm_reg) c, d = out(xmm_reg) d,
                from = in(reg) from, options(nostack, preserves_flags, readonly)
            );
            let to = target.wrapping_add(done);
            to.cast::<[__m128i; 4]>().write_unaligned([a, b, c, d]);
        }
        done += LINE;
    }
    while done < size {
        let offset = done.min(size - 16);
        let from = source.wrapping_add(offset);
        let to = target.wrapping_add(offset);
        let half: __m128i;
        // SAFETY: the caller's promise, for each 16 bytes.
        unsafe {
            if OUT {
                asm!(
                    "movups {}, [{}]", out(xmm_reg) half, in(reg) from,
                    options(nostack, preserves_flags, readonly)
                );
                to.cast::<__m128i>().write_unaligned(half);
            } else {
                half = from.cast::<__m128i>().read_unaligned();
                asm!(
                    "movups [{}], {}", in(reg) to, in(xmm_reg) half,
                    options(nostack, preserves_flags)
                );
            }
        }
        done = offset + 16;
    }
}

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
    unsafe { asm!("/* {0} */", inout(reg) memcpy, options(nomem, nostack, preserves_flags)) };
    // SAFETY: the caller's promise.
    unsafe { memcpy(target.cast(), source.cast(), size) };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn there_and_back<T: Copy + PartialEq + core::fmt::Debug>(value: T, zero: T) {
        let mut place = zero;
        // SAFETY: two values of the same type.
        unsafe { store(&raw mut place, &value) };
        assert_eq!(place, value);
        // SAFETY: as above.
        assert_eq!(unsafe { load(&raw const place) }, value);
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
        (bytes::<1>(), bytes::<15>(), bytes::<17>(), bytes::<49>());
        (
            bytes::<63>(),
            bytes::<255>(),
            bytes::<257>(),
            bytes::<5000>(),
        );
        (words::<6>(), words::<7>(), words::<8>(), words::<32>());
        (words::<33>(), words::<128>());
    }
}
