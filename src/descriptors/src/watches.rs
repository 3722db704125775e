//! inotify(7): what is watched, under the numbers that the program knows.
//!
//! The system gives numbers in order, so one is reached by taking and giving back those before it. Events that have not been read
//! cannot be looked at: they are named, and lost.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use serde::{Deserialize, Serialize};

use crate::error::{DescriptorError, os};
use crate::save::Found;
use crate::saved::{FileId, Lost, What};

/// The highest number that is reached so, at some microseconds each.
const HIGHEST: i32 = 1 << 18;

/// One file that is watched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watch {
    /// The number that inotify_add_watch(2) has returned.
    pub number: i32,
    /// What is watched for.
    pub events: u32,
    /// The file.
    pub path: PathBuf,
}

/// Describes one; `path_of`: by which path a file was named.
pub(crate) fn save(
    found: &Found,
    lost: &mut Vec<Lost>,
    path_of: &dyn Fn(FileId) -> Option<PathBuf>,
) -> What {
    let mut tell = |why: String| {
        lost.push(Lost {
            then: "After a restart it is there without".into(),
            ..Lost::descriptor(found, &why)
        });
    };
    let mut watches = Vec::new();
    for (number, id, events) in found.info.inotify() {
        let path = path_of(id).filter(|path| {
            rustix::fs::lstat(path).is_ok_and(|stat| (stat.st_dev, stat.st_ino) == id)
                || rustix::fs::stat(path).is_ok_and(|stat| (stat.st_dev, stat.st_ino) == id)
        });
        match path {
            Some(path) if number <= HIGHEST => watches.push(Watch {
                number,
                events,
                path,
            }),
            _ => tell(format!(
                "no path is known that leads to what watch {number} is of"
            )),
        }
    }
    let waiting = rustix::io::ioctl_fionread(found.descriptor).unwrap_or(0);
    if waiting > 0 {
        tell(format!("{waiting} bytes of events that have not been read"));
    }
    watches.sort_by_key(|watch| watch.number);
    What::Watches(watches)
}

/// Makes one, with its watches; `note` hears which path leads to which file.
pub(crate) fn open(
    number: i32,
    flags: u32,
    watches: &[Watch],
    note: &dyn Fn(&Path, FileId),
) -> Result<OwnedFd, DescriptorError> {
    let failed = |doing| os(number, "inotify", doing);
    let made = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)
        .map_err(failed("making it again"))?;
    for watch in watches {
        add(&made, watch).map_err(failed("watching a file again"))?;
        if let Ok(stat) = rustix::fs::stat(&watch.path) {
            note(&watch.path, (stat.st_dev, stat.st_ino));
        }
    }
    // What has been given back has told so.
    let mut room = [0_u8; 4096];
    while rustix::io::read(&made, &mut room).is_ok_and(|bytes| bytes > 0) {}
    let kept = OFlags::from_bits_retain(flags) & OFlags::NONBLOCK;
    rustix::fs::fcntl_setfl(&made, kept).map_err(failed("F_SETFL"))?;
    Ok(made)
}

/// Watches a file under its number. One that is not there any more is not watched any more.
fn add(made: &OwnedFd, watch: &Watch) -> Result<(), rustix::io::Errno> {
    let events = WatchFlags::from_bits_retain(watch.events);
    loop {
        let number = match inotify::add_watch(made, &watch.path, events) {
            Ok(number) => number,
            Err(rustix::io::Errno::NOENT) => {
                tracing::warn!(
                    "{} is not there to be watched any more",
                    watch.path.display()
                );
                return Ok(());
            }
            Err(errno) => return Err(errno),
        };
        if number == watch.number {
            return Ok(());
        }
        if number > watch.number {
            tracing::warn!(
                "{} is watched under another number now",
                watch.path.display()
            );
            return Ok(());
        }
        inotify::remove_watch(made, number)?;
    }
}
