//! The mappings of a file.

use std::path::Path;

use procfs::process::{MMapPath, Process};

/// Kilobytes of this process's mappings of `path`: the sum of this field, as in `Rss:`, of
/// `/proc/self/smaps`.
pub(crate) fn mapped(path: &Path, field: &str) -> u64 {
    let maps = Process::myself().and_then(|process| process.smaps());
    let maps = maps.expect("the mappings").into_iter();
    let is_ours =
        |found: &MMapPath| matches!(found, MMapPath::Path(found) if found.ends_with(path));
    let ours = maps.filter(|map| is_ours(&map.pathname));
    let field = field.trim_end_matches(':');
    let bytes = ours.filter_map(|map| map.extension.map.get(field).copied());
    bytes.sum::<u64>() >> 10
}
