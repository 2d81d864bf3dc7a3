//! The mappings of a file.

use std::fs;
use std::path::Path;

/// Kilobytes of this process's mappings of `path`: the sum of the lines of
/// `/proc/self/smaps` that begin with `field`.
pub(crate) fn mapped(path: &Path, field: &str) -> u64 {
    let smaps = fs::read_to_string("/proc/self/smaps").expect("the mappings");
    let path = path.to_str().expect("a path in UTF-8");
    let mut ours = false;
    let mut sum = 0;
    for line in smaps.lines() {
        let mut words = line.split_whitespace();
        if words.next().is_some_and(|word| !word.ends_with(':')) {
            ours = line.ends_with(path);
        } else if ours && line.starts_with(field) {
            let number = words.next().expect("a number");
            sum += number.parse::<u64>().expect("a number");
        }
    }
    sum
}
