//! /proc/self/fdinfo: what the kernel tells of a descriptor (proc_pid_fdinfo(5)).
//!
//! ```text
//!   pos:   4096
//!   tfd:        5 events:       19 data: 5 pos:0 ino:2f sdev:e
//!   it_value: (0, 49406829)
//! ```

use std::time::Duration;

use crate::locks::{self, Lock};
use crate::saved::{FileId, Watched};
use crate::table::Table;

/// The lines about one descriptor.
pub(crate) struct FdInfo(String);

impl FdInfo {
    /// Reads what there is about a number of `table`.
    pub(crate) fn read(table: Table, number: i32) -> std::io::Result<Self> {
        std::fs::read_to_string(table.path("fdinfo", number)).map(Self)
    }

    /// What stands behind `name:`.
    fn text(&self, name: &str) -> Option<&str> {
        self.0.lines().find_map(|line| {
            let value = line.trim_start().strip_prefix(name)?.strip_prefix(':')?;
            Some(value.trim())
        })
    }

    /// A decimal number.
    pub(crate) fn decimal(&self, name: &str) -> Option<u64> {
        self.text(name)?.parse().ok()
    }

    /// A hexadecimal number.
    pub(crate) fn hexadecimal(&self, name: &str) -> Option<u64> {
        u64::from_str_radix(self.text(name)?, 16).ok()
    }

    /// A time: `(seconds, nanoseconds)`, in nanoseconds.
    pub(crate) fn time_ns(&self, name: &str) -> Option<u64> {
        let pair = self.text(name)?.strip_prefix('(')?.strip_suffix(')')?;
        let (seconds, nanoseconds) = pair.split_once(',')?;
        let time = Duration::new(
            seconds.trim().parse().ok()?,
            nanoseconds.trim().parse().ok()?,
        );
        u64::try_from(time.as_nanos()).ok()
    }

    /// The locks that were taken by this descriptor.
    pub(crate) fn locks(&self) -> Vec<Lock> {
        let lines = self.0.lines();
        lines
            .filter_map(|line| locks::parse(line.strip_prefix("lock:")?))
            .collect()
    }

    /// The watches of an inotify descriptor: number, file, events.
    pub(crate) fn inotify(&self) -> Vec<(i32, FileId, u32)> {
        self.0.lines().filter_map(inotify).collect()
    }

    /// The entries of an epoll set.
    pub(crate) fn watched(&self) -> Vec<Watched> {
        self.0.lines().filter_map(watched).collect()
    }
}

/// One line `inotify wd:3 ino:2b sdev:fe00001 mask:fce …`, all hexadecimal.
fn inotify(line: &str) -> Option<(i32, FileId, u32)> {
    let line = line.strip_prefix("inotify ")?;
    let word = |name: &str| {
        let mut words = line.split_whitespace();
        let value = words.find_map(|word| word.strip_prefix(name)?.strip_prefix(':'))?;
        u64::from_str_radix(value, 16).ok()
    };
    // The kernel's own form of a device: 12 bits and 20 bits.
    let device = word("sdev")?;
    let device = rustix::fs::makedev((device >> 20) as u32, (device & 0xf_ffff) as u32);
    let number = i32::try_from(word("wd")?).ok()?;
    Some((number, (device, word("ino")?), word("mask")? as u32))
}

/// One line `tfd: 5 events: 19 data: 5 …`, the last two hexadecimal.
fn watched(line: &str) -> Option<Watched> {
    let mut words = line.trim_start().strip_prefix("tfd:")?.split_whitespace();
    let number = words.next()?.parse().ok()?;
    let mut behind = |name: &str| {
        words.find(|word| *word == name)?;
        words.next()
    };
    let events = u32::from_str_radix(behind("events:")?, 16).ok()?;
    let data = u64::from_str_radix(behind("data:")?, 16).ok()?;
    Some(Watched {
        number,
        events,
        data,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_understood() {
        let info = FdInfo(
            "pos:\t4096\nflags:\t02000002\nclockid: 1\nit_value: (2, 49406829)\nit_interval: (0, 0)\n\
             eventfd-count:               1f\nsigmask:\t0000000000000200\n\
             tfd:        5 events: 80000019 data: ffffffff00000005  pos:0 ino:2f sdev:e\n\
             tfd:       17 events:        1 data:               11  pos:0 ino:2f sdev:e\n"
                .to_owned(),
        );
        assert_eq!(info.decimal("pos"), Some(4096));
        assert_eq!(info.decimal("clockid"), Some(1));
        assert_eq!(info.time_ns("it_value"), Some(2_049_406_829));
        assert_eq!(info.time_ns("it_interval"), Some(0));
        assert_eq!(info.hexadecimal("eventfd-count"), Some(0x1f));
        assert_eq!(info.hexadecimal("sigmask"), Some(0x200));
        assert_eq!(info.decimal("ticks"), None);
        let watched = info.watched();
        assert_eq!(watched.len(), 2);
        assert_eq!(
            (watched[0].number, watched[0].events, watched[0].data),
            (5, 0x8000_0019, 0xffff_ffff_0000_0005)
        );
        assert_eq!((watched[1].number, watched[1].data), (17, 0x11));
    }
}
