//! What is mounted where.

/// Where rings with plain names are.
pub(crate) const SHARED_MEMORY: &str = "/dev/shm";

/// A line of `/proc/self/mountinfo`.
pub(crate) struct Mount<'a> {
    pub(crate) id: &'a str,
    pub(crate) point: &'a str,
    /// `tmpfs`, `ext4` and so on.
    pub(crate) kind: &'a str,
    /// Those of the file system, with commas between.
    options: &'a str,
}

impl<'a> Mount<'a> {
    /// All of them; of two on one point the later hides the earlier.
    pub(crate) fn all(mountinfo: &'a str) -> impl DoubleEndedIterator<Item = Self> {
        mountinfo.lines().filter_map(Self::of)
    }

    fn of(line: &'a str) -> Option<Self> {
        // proc_pid_mountinfo(5): before the dash there may be any number of fields.
        let (mount, file_system) = line.split_once(" - ")?;
        let mut mount = mount.split(' ');
        let mut file_system = file_system.split(' ');
        Some(Self {
            id: mount.next()?,
            point: mount.nth(3)?,
            kind: file_system.next()?,
            options: file_system.nth(1)?,
        })
    }

    /// What an option is set to, if it is there.
    pub(crate) fn option(&self, name: &str) -> Option<&'a str> {
        let options = self.options.split(',');
        let mut pairs = options.filter_map(|option| option.split_once('='));
        pairs.find_map(|(found, value)| (found == name).then_some(value))
    }
}
