//! A pool of stacks. Loom maps a stack for each thread of each execution and unmaps it
//! afterwards. That took half of a model's time, in the kernel.
//!
//! These two functions replace libc's in this binary. They keep the mappings that are
//! marked as stacks, and pass everything else to the kernel. The pool is thread-local: loom
//! runs all threads of a model on one thread.

use std::cell::RefCell;
use std::ffi::{c_int, c_void};

use libc::{MAP_FAILED, MAP_STACK, SYS_mmap, SYS_munmap, off_t, size_t};

struct Stack {
    address: *mut c_void,
    length: size_t,
    is_free: bool,
}

thread_local! {
    static STACKS: RefCell<Vec<Stack>> = const { RefCell::new(Vec::new()) };
}

#[unsafe(no_mangle)]
extern "C" fn mmap(
    address: *mut c_void,
    length: size_t,
    protection: c_int,
    flags: c_int,
    file: c_int,
    offset: off_t,
) -> *mut c_void {
    // SAFETY: the caller's arguments, unchanged.
    let map = || unsafe {
        libc::syscall(SYS_mmap, address, length, protection, flags, file, offset) as *mut c_void
    };
    if flags & MAP_STACK == 0 {
        return map();
    }
    STACKS.with_borrow_mut(|stacks| {
        let fits = |stack: &&mut Stack| stack.is_free && stack.length == length;
        if let Some(stack) = stacks.iter_mut().find(fits) {
            stack.is_free = false;
            return stack.address;
        }
        let address = map();
        if address != MAP_FAILED {
            stacks.push(Stack {
                address,
                length,
                is_free: false,
            });
        }
        address
    })
}

#[unsafe(no_mangle)]
extern "C" fn munmap(address: *mut c_void, length: size_t) -> c_int {
    let kept = STACKS.try_with(|stacks| {
        let mut stacks = stacks.borrow_mut();
        let stack = stacks.iter_mut().find(|stack| stack.address == address)?;
        stack.is_free = true;
        Some(())
    });
    match kept {
        Ok(Some(())) => 0,
        // SAFETY: the caller's arguments, unchanged.
        _ => unsafe { libc::syscall(SYS_munmap, address, length) as c_int },
    }
}
