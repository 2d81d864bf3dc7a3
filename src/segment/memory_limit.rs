//! The limits on memory that the OOM killer enforces: those of the memory
//! control groups of this process, versions 1 and 2, and the machine's own memory.
//!
//! A page of shared memory counts in the group of the process that accesses it first, and in every
//! group above. A group at its limit first takes back what it can: it drops the cache of files, and
//! it swaps. Only then does the kernel kill. So this counts as free:
//!
//! ```text
//! limit - usage + cache of files + swap that the group may still use
//! ```
//!
//! less a part in 64, for the tables that the kernel makes for the pages. Shared memory is in no
//! cache of files, although it counts as one in `memory.stat`'s `file`. A limit that cannot be read
//! is ignored: a false alarm would be worse than none.
//!
//! This file uses nothing of the crate. The tool compiles it too, for `quoit doctor`.

use std::fs;
use std::path::{Component, Path, PathBuf};

/// A limit, and what is left of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MemoryLimit {
    /// The file that sets it; for the machine's memory `/proc/meminfo`.
    pub(crate) file: PathBuf,
    /// In bytes.
    pub(crate) limit: u64,
    /// Bytes that a new ring may take.
    pub(crate) free: u64,
    /// Bytes that may be free as well: the kernel counts memory in use at once, and its purpose
    /// within 2 s.
    pub(crate) unsure: u64,
}

impl MemoryLimit {
    /// The limits of this process, as far as they can be read below `proc`, which is
    /// `/proc`.
    pub(crate) fn all(proc: &Path) -> Vec<Self> {
        let read = |name| fs::read_to_string(proc.join(name)).unwrap_or_default();
        let meminfo = read("meminfo");
        let swap = kilobytes(&meminfo, "SwapFree:").unwrap_or(0);
        let groups = groups(&read("thread-self/cgroup"), &read("thread-self/mountinfo"));
        let mut limits: Vec<_> = groups
            .iter()
            .filter_map(|(files, group)| {
                files.limit(group, swap, |name| {
                    fs::read_to_string(group.join(name)).ok()
                })
            })
            .collect();
        limits.extend(machine(&meminfo, swap).map(|(limit, free)| Self {
            file: proc.join("meminfo"),
            limit,
            free,
            unsure: 0,
        }));
        limits
    }

    /// Whether a control group sets it.
    pub(crate) fn is_of_a_group(&self) -> bool {
        !self.file.ends_with("meminfo")
    }
}

/// The names of the files in a version of control groups.
#[derive(Debug, PartialEq, Eq)]
struct Files {
    limit: &'static str,
    usage: &'static str,
    /// In `memory.stat`, with all groups below: what is dropped before a kill.
    cache: &'static [&'static str],
    /// The same for all memory, whatever its use.
    all: &'static [&'static str],
    swap_limit: &'static str,
    swap_usage: &'static str,
    /// Whether the limit of swap counts memory as well.
    swap_has_memory: bool,
}

const VERSION_1: Files = Files {
    limit: "memory.limit_in_bytes",
    usage: "memory.usage_in_bytes",
    cache: &["total_inactive_file ", "total_active_file "],
    all: &["total_cache ", "total_rss "],
    swap_limit: "memory.memsw.limit_in_bytes",
    swap_usage: "memory.memsw.usage_in_bytes",
    swap_has_memory: true,
};

const VERSION_2: Files = Files {
    limit: "memory.max",
    usage: "memory.current",
    cache: &["inactive_file ", "active_file ", "slab_reclaimable "],
    all: &["anon ", "file ", "kernel "],
    swap_limit: "memory.swap.max",
    swap_usage: "memory.swap.current",
    swap_has_memory: false,
};

/// How version 1 writes "no limit": the largest page number, in bytes.
const UNLIMITED: u64 = i64::MAX as u64 / 2;

impl Files {
    /// The limit of a group, with its files from `read`; `swap` is free on the machine.
    fn limit(
        &self,
        group: &Path,
        swap: u64,
        read: impl Fn(&str) -> Option<String>,
    ) -> Option<MemoryLimit> {
        // Version 2 writes "max".
        let number = |name| read(name)?.trim().parse::<u64>().ok();
        let limit = number(self.limit).filter(|&limit| limit < UNLIMITED)?;
        let usage = number(self.usage)?;
        let stat = read("memory.stat").unwrap_or_default();
        let sum = |keys: &[&str]| {
            let values = keys.iter().filter_map(|key| value(&stat, key));
            values.fold(0, u64::saturating_add)
        };
        let cache = sum(self.cache);
        let left = |limit: u64, usage: u64| limit.saturating_sub(usage.saturating_sub(cache));
        let memory = left(limit, usage);
        let swap = match (number(self.swap_limit), number(self.swap_usage)) {
            (Some(limit), Some(usage)) if self.swap_has_memory => {
                swap.min(left(limit, usage).saturating_sub(memory))
            }
            (Some(limit), Some(usage)) => swap.min(limit.saturating_sub(usage)),
            _ => swap,
        };
        Some(MemoryLimit {
            file: group.join(self.limit),
            limit,
            free: without_tables(memory.saturating_add(swap)),
            unsure: usage.saturating_sub(sum(self.all)),
        })
    }
}

/// The machine's memory, and how much of it a ring may take.
fn machine(meminfo: &str, swap: u64) -> Option<(u64, u64)> {
    let total = kilobytes(meminfo, "MemTotal:")?;
    let available = kilobytes(meminfo, "MemAvailable:")?;
    Some((total, without_tables(available.saturating_add(swap))))
}

fn without_tables(free: u64) -> u64 {
    free - free / 64
}

/// The number that follows `key` at the beginning of a line.
fn value(text: &str, key: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(key))?;
    rest.split_ascii_whitespace().next()?.parse().ok()
}

fn kilobytes(meminfo: &str, key: &str) -> Option<u64> {
    value(meminfo, key)?.checked_mul(1024)
}

/// The directories of the memory control groups of a process, its own ones first: what
/// `cgroup` and `mountinfo` of `/proc/thread-self` say.
fn groups(cgroup: &str, mountinfo: &str) -> Vec<(&'static Files, PathBuf)> {
    let mut groups = Vec::new();
    for line in cgroup.lines() {
        // cgroups(7): number:controllers:path, and no controllers in version 2.
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else {
            continue;
        };
        let files = match controllers {
            "" => &VERSION_2,
            _ if controllers.split(',').any(|name| name == "memory") => &VERSION_1,
            _ => continue,
        };
        let mounts = mountinfo.lines().filter_map(|line| mount(line, files));
        // A group outside the mount, or above this process's root of groups, is not seen.
        let mut seen = mounts.filter_map(|(root, point)| -> Option<(PathBuf, PathBuf)> {
            let below = Path::new(path).strip_prefix(root).ok()?;
            let mut parts = below.components();
            let is_plain = parts.all(|part| matches!(part, Component::Normal(_)));
            is_plain.then(|| (point.join(below).components().collect(), point))
        });
        // A later mount on the same point hides the earlier one.
        if let Some((own, point)) = seen.next_back() {
            let above = own
                .ancestors()
                .take_while(|group| group.starts_with(&point));
            groups.extend(above.map(|group| (files, group.to_owned())));
        }
    }
    groups
}

/// Of a line of mountinfo: which group is mounted, and where, if these files are there.
fn mount(line: &str, files: &Files) -> Option<(PathBuf, PathBuf)> {
    // proc_pid_mountinfo(5): before the dash there may be any number of fields.
    let (mount, file_system) = line.split_once(" - ")?;
    let mut mount = mount.split(' ').skip(3);
    let (root, point) = (unescaped(mount.next()?), unescaped(mount.next()?));
    let mut file_system = file_system.split(' ');
    let (kind, options) = (file_system.next()?, file_system.nth(1)?);
    let fits = match kind {
        "cgroup2" => *files == VERSION_2,
        "cgroup" => *files == VERSION_1 && options.split(',').any(|option| option == "memory"),
        _ => false,
    };
    fits.then_some((root, point))
}

/// The kernel writes blanks and backslashes as three octal digits.
fn unescaped(text: &str) -> PathBuf {
    let mut parts = text.split('\\');
    let mut path = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (digits, rest) = part.split_at_checked(3).unwrap_or((part, ""));
        path.extend(u8::from_str_radix(digits, 8).map(char::from));
        path += rest;
    }
    path.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;
    const V2_MOUNT: &str = "30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n";
    const V1_MOUNT: &str =
        "35 31 0:32 / /sys/fs/cgroup/memory rw shared:9 - cgroup cgroup rw,memory\n";
    const V1_CPU: &str = "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n";

    /// The directories, each with its version.
    fn found(cgroup: &str, mountinfo: &str) -> Vec<String> {
        let groups = groups(cgroup, mountinfo);
        let shown = groups.iter().map(|(files, group)| {
            let version = if files.swap_has_memory { 1 } else { 2 };
            format!("{version} {}", group.display())
        });
        shown.collect()
    }

    #[test]
    fn every_group_above_is_asked() {
        let nested = "0::/user.slice/app\\x2done.service\n";
        let expected = [
            "2 /sys/fs/cgroup/user.slice/app\\x2done.service",
            "2 /sys/fs/cgroup/user.slice",
            "2 /sys/fs/cgroup",
        ];
        assert_eq!(found(nested, V2_MOUNT), expected);
        let one = "4:memory:/a/b:c\n1:cpu,cpuacct:/a\n0::/\n";
        let expected = [
            "1 /sys/fs/cgroup/memory/a/b:c",
            "1 /sys/fs/cgroup/memory/a",
            "1 /sys/fs/cgroup/memory",
        ];
        let mounts = format!("{V1_CPU}{V1_MOUNT}");
        assert_eq!(found(one, &mounts), expected);
    }

    #[test]
    fn a_hybrid_machine_has_groups_of_both_versions() {
        let mounts = format!(
            "{V1_MOUNT}{V1_CPU}{}",
            V2_MOUNT.replace("cgroup rw", "cgroup/unified rw")
        );
        let groups = found("9:name=systemd:/x\n4:cpu,memory:/a\n0::/b\n", &mounts);
        let expected = [
            "1 /sys/fs/cgroup/memory/a",
            "1 /sys/fs/cgroup/memory",
            "2 /sys/fs/cgroup/unified/b",
            "2 /sys/fs/cgroup/unified",
        ];
        assert_eq!(groups, expected);
    }

    #[test]
    fn a_container_sees_its_own_group_as_the_mount() {
        // Docker without a namespace of groups: the mount's root is the container's group.
        let mount = V1_MOUNT.replace(":32 / ", ":32 /docker/4f ");
        assert_eq!(
            found("4:memory:/docker/4f\n", &mount),
            ["1 /sys/fs/cgroup/memory"]
        );
        let below = ["1 /sys/fs/cgroup/memory/sub", "1 /sys/fs/cgroup/memory"];
        assert_eq!(found("4:memory:/docker/4f/sub\n", &mount), below);
        // With one.
        assert_eq!(found("0::/\n", V2_MOUNT), ["2 /sys/fs/cgroup"]);
    }

    #[test]
    fn what_is_not_seen_from_here_limits_nothing() {
        let mount = V2_MOUNT.replace(":26 / ", ":26 /docker/4f ");
        for (cgroup, mountinfo) in [
            ("", V2_MOUNT),
            ("0::/\n", ""),
            ("0::/docker/other\n", &*mount),
            ("0::/../other\n", V2_MOUNT),
            ("0::/\n", &*V2_MOUNT.replace(":26 / ", ":26 /../.. ")),
            ("4:memory:/\n", V1_CPU),
            ("4:cpu:/\n", V1_MOUNT),
            ("garbage\n4:memory\n", V1_MOUNT),
            ("0::/\n", "30 24 0:26 / - cgroup2\n- \n"),
        ] {
            assert_eq!(
                found(cgroup, mountinfo),
                [""; 0],
                "{cgroup:?} {mountinfo:?}"
            );
        }
    }

    #[test]
    fn of_two_mounts_on_one_point_the_later_counts_and_blanks_are_read() {
        let odd = V2_MOUNT.replace("/sys/fs/cgroup", "/a\\040b\\134c");
        let expected = ["2 /a b\\c/x", "2 /a b\\c"];
        assert_eq!(found("0::/x\n", &format!("{V2_MOUNT}{odd}")), expected);
    }

    /// What is left of a group with these files, before the tables.
    fn left(files: &'static Files, swap: u64, texts: &[(&str, String)]) -> Option<u64> {
        let read = |name: &str| {
            let text = texts.iter().find(|(file, _)| *file == name);
            text.map(|(_, text)| text.clone())
        };
        let limit = files.limit(Path::new("/g"), swap, read)?;
        assert_eq!(limit.file, Path::new("/g").join(files.limit));
        assert_eq!(limit.limit, 100 * MIB);
        let whole = limit.free / 63 * 64;
        Some(whole.div_ceil(MIB))
    }

    #[test]
    fn the_cache_of_files_is_free_and_shared_memory_is_not() {
        let stat = format!(
            "anon 10\nfile {}\nshmem {}\ninactive_file {}\nactive_file {}\nslab_reclaimable {}\n",
            60 * MIB,
            30 * MIB,
            20 * MIB,
            10 * MIB,
            MIB
        );
        let texts = [
            ("memory.max", format!("{}\n", 100 * MIB)),
            ("memory.current", format!("{}\n", 80 * MIB)),
            ("memory.stat", stat),
        ];
        assert_eq!(left(&VERSION_2, 0, &texts), Some(51));
        assert_eq!(left(&VERSION_2, 0, &texts[..2]), Some(20));
        assert_eq!(left(&VERSION_2, 0, &texts[..1]), None);
        let stat = format!(
            "inactive_file 1\nactive_file 1\ntotal_inactive_file {}\ntotal_active_file {}\n",
            20 * MIB,
            10 * MIB
        );
        let texts = [
            ("memory.limit_in_bytes", format!("{}\n", 100 * MIB)),
            ("memory.usage_in_bytes", format!("{}\n", 80 * MIB)),
            ("memory.stat", stat),
        ];
        assert_eq!(left(&VERSION_1, 0, &texts), Some(50));
    }

    #[test]
    fn what_the_kernel_has_not_counted_yet_may_be_cache() {
        let unsure = |files: &'static Files, stat: &str| {
            let read = |name: &str| match name {
                "memory.stat" => Some(stat.to_owned()),
                name if name == files.limit => Some("100".to_owned()),
                name => (name == files.usage).then(|| "80".to_owned()),
            };
            let limit = files.limit(Path::new("/g"), 0, read);
            limit.map(|limit| limit.unsure)
        };
        assert_eq!(unsure(&VERSION_2, "anon 50\nfile 10\nkernel 7\n"), Some(13));
        assert_eq!(unsure(&VERSION_2, "anon 50\nfile 40\n"), Some(0));
        assert_eq!(
            unsure(&VERSION_1, "rss 9\ntotal_cache 20\ntotal_rss 4\n"),
            Some(56)
        );
        assert_eq!(unsure(&VERSION_1, ""), Some(80));
    }

    #[test]
    fn a_group_without_a_limit_limits_nothing() {
        for (files, limit) in [
            (&VERSION_2, "max\n"),
            (&VERSION_2, ""),
            (&VERSION_1, "9223372036854771712\n"),
            (&VERSION_1, "-1\n"),
        ] {
            let texts = [
                (files.limit, limit.to_owned()),
                (files.usage, "1\n".to_owned()),
            ];
            assert_eq!(left(files, 0, &texts), None, "{limit:?}");
        }
    }

    #[test]
    fn swap_counts_as_far_as_the_group_may_use_it() {
        let texts = |files: &Files, swap_limit: &str, swap_usage: u64| {
            [
                (files.limit, (100 * MIB).to_string()),
                (files.usage, (90 * MIB).to_string()),
                (files.swap_limit, swap_limit.to_owned()),
                (files.swap_usage, (swap_usage * MIB).to_string()),
            ]
        };
        let fifty = (50 * MIB).to_string();
        let left = |files, swap, limit: &str, usage| left(files, swap, &texts(files, limit, usage));
        assert_eq!(left(&VERSION_2, 1000 * MIB, &fifty, 20), Some(40));
        assert_eq!(left(&VERSION_2, 5 * MIB, &fifty, 20), Some(15));
        assert_eq!(left(&VERSION_2, 7 * MIB, "max", 20), Some(17));
        assert_eq!(left(&VERSION_2, 1000 * MIB, "0", 0), Some(10));
        // Memory and swap together.
        let both = (150 * MIB).to_string();
        assert_eq!(left(&VERSION_1, 1000 * MIB, &both, 95), Some(55));
        assert_eq!(
            left(&VERSION_1, 1000 * MIB, &(100 * MIB).to_string(), 90),
            Some(10)
        );
    }

    #[test]
    fn the_machine_has_what_is_available_and_its_swap() {
        let meminfo = "MemTotal:  100 kB\nMemFree:  1 kB\nMemAvailable:  64 kB\n";
        assert_eq!(machine(meminfo, 64 * 1024), Some((102_400, 126 * 1024)));
        assert_eq!(machine("MemTotal: 100 kB\n", 0), None);
    }
}
