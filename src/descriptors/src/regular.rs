//! Regular files with a name: opened again by it. (Others: `stored`.)

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::error::{DescriptorError, os};
use crate::save::Found;
use crate::saved::What;

/// What happens at a restart with a file that is not what it was at the checkpoint.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum FilePolicy {
    /// One that is shorter is an error. What has been written beyond its end stays: the program writes it again.
    #[default]
    Check,
    /// It is used as it is.
    Accept,
    /// As [`FilePolicy::Check`]; what was written after the checkpoint is cut off, and a file for writing that was empty and has
    /// been removed or renamed since is made again.
    Cut,
}

/// The status flags that open(2) is given again.
const KEPT: OFlags = OFlags::APPEND
    .union(OFlags::NONBLOCK)
    .union(OFlags::DIRECT)
    .union(OFlags::SYNC)
    .union(OFlags::DSYNC)
    .union(OFlags::NOATIME)
    .union(OFlags::PATH)
    .union(OFlags::RWMODE);

/// The flags to open something with that had `flags`.
pub(crate) fn open_flags(flags: u32) -> OFlags {
    (OFlags::from_bits_retain(flags) & KEPT) | OFlags::CLOEXEC
}

/// Describes a regular file.
pub(crate) fn save(found: &Found) -> What {
    What::File {
        path: of_this_process(&found.link),
        offset_bytes: found.offset_bytes(),
        length_bytes: found.stat.st_size as u64,
    }
}

/// A path that leads to this process, whatever its number: /proc/1234/status becomes /proc/self/status.
pub(crate) fn of_this_process(path: &Path) -> PathBuf {
    let own = format!("/proc/{}", std::process::id());
    match path.strip_prefix(own) {
        Ok(rest) => Path::new("/proc/self").join(rest),
        Err(_) => path.to_owned(),
    }
}

/// Makes a file that was empty at the checkpoint, and is gone.
fn make_empty(path: &Path, flags: u32) -> rustix::io::Result<OwnedFd> {
    let flags = open_flags(flags) | OFlags::CREATE | OFlags::EXCL;
    let made = rustix::fs::open(path, flags, Mode::from_raw_mode(0o666))?;
    tracing::warn!(
        "{} was empty at the checkpoint and is gone: it is made again",
        path.display()
    );
    Ok(made)
}

/// Opens a file again.
pub(crate) fn open(
    number: i32,
    flags: u32,
    path: &Path,
    (offset_bytes, length_bytes): (u64, u64),
    policy: FilePolicy,
) -> Result<OwnedFd, DescriptorError> {
    let shown = path.display().to_string();
    let writes = open_flags(flags).intersects(OFlags::WRONLY | OFlags::RDWR);
    let may_make = policy == FilePolicy::Cut && writes && length_bytes == 0;
    let opened = match rustix::fs::open(path, open_flags(flags), Mode::empty()) {
        Err(Errno::NOENT) if may_make => make_empty(path, flags),
        opened => opened,
    };
    let opened = opened.map_err(|errno| DescriptorError::Missing {
        path: path.to_owned(),
        number,
        source: errno.into(),
    })?;
    if open_flags(flags).contains(OFlags::PATH) {
        return Ok(opened);
    }
    let now_bytes = rustix::fs::fstat(&opened)
        .map_err(os(number, &shown, "fstat"))?
        .st_size as u64;
    if now_bytes < length_bytes && policy != FilePolicy::Accept {
        return Err(DescriptorError::Changed {
            path: path.to_owned(),
            number,
            how: format!("has {now_bytes} bytes now and had {length_bytes} at the checkpoint"),
        });
    }
    if now_bytes > length_bytes && writes && policy != FilePolicy::Cut {
        tracing::warn!(
            "{shown} is {now_bytes} bytes long, and was {length_bytes} at the checkpoint; MANA_FILES=cut at the restart cuts \
             off what was written later"
        );
    }
    if policy == FilePolicy::Cut && writes && now_bytes > length_bytes {
        rustix::fs::ftruncate(&opened, length_bytes).map_err(os(
            number,
            &shown,
            "cutting off what was written later",
        ))?;
    }
    rustix::fs::seek(&opened, rustix::fs::SeekFrom::Start(offset_bytes)).map_err(os(
        number,
        &shown,
        "setting the position",
    ))?;
    Ok(opened)
}
