//! An inaccessible page after a ring: a read beyond the end of the mapping faults.

use std::fs;
use std::path::Path;
use std::ptr;

use super::memory::PAGE;

/// An inaccessible page.
pub(crate) struct Guard(usize);

impl Guard {
    /// Maps it at any free address, usually below other mappings.
    pub(crate) fn new() -> Self {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: a new mapping does not replace another one.
        let page = unsafe { libc::mmap(ptr::null_mut(), PAGE, libc::PROT_NONE, flags, -1, 0) };
        assert_ne!(page, libc::MAP_FAILED, "there is room for a page");
        Self(page.addr())
    }

    pub(crate) fn is_at(&self, address: usize) -> bool {
        self.0 == address
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // SAFETY: this guard owns the page, and there is no pointer into it.
        unsafe { libc::munmap(ptr::with_exposed_provenance_mut(self.0), PAGE) };
    }
}

/// The addresses at which this process has mapped the file.
pub(crate) fn mappings(path: &Path) -> Vec<usize> {
    let maps = fs::read_to_string("/proc/self/maps").expect("this process's mappings");
    let path = path.to_str().expect("a path in UTF-8");
    let of_file = maps.lines().filter(|line| line.ends_with(path));
    of_file
        .map(|line| {
            let (start, _) = line.split_once('-').expect("start-end");
            usize::from_str_radix(start, 16).expect("an address")
        })
        .collect()
}
