//! Regular files: opened again by name where they have one, else saved with their contents.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{MemfdFlags, Mode, OFlags, SealFlags};

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
    /// As [`FilePolicy::Check`]; and what was written after the checkpoint is cut off.
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
pub(crate) fn save(found: &Found) -> Result<What, DescriptorError> {
    let link = found.link.to_string_lossy();
    let offset_bytes = found.offset_bytes();
    if let Some(name) = link.strip_prefix("/memfd:") {
        let seals = rustix::fs::fcntl_get_seals(found.descriptor).map_err(os(
            found.number,
            &link,
            "reading its seals",
        ))?;
        return Ok(What::Memory {
            name: name.trim_end_matches(" (deleted)").to_owned(),
            offset_bytes,
            content: content(found)?,
            seals: seals.bits(),
        });
    }
    if found.stat.st_nlink == 0 {
        return Ok(What::Nameless {
            path: link.trim_end_matches(" (deleted)").into(),
            offset_bytes,
            content: content(found)?,
        });
    }
    Ok(What::File {
        path: found.link.clone(),
        offset_bytes,
        length_bytes: found.stat.st_size as u64,
    })
}

/// All of a file that has no name to open it by.
fn content(found: &Found) -> Result<Vec<u8>, DescriptorError> {
    let mut content = Vec::new();
    File::open(format!("/proc/self/fd/{}", found.number))
        .and_then(|mut file| file.read_to_end(&mut content))
        .map_err(|source| DescriptorError::Os {
            number: found.number,
            what: found.link.display().to_string(),
            doing: "reading a file without a name",
            source,
        })?;
    Ok(content)
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
    let opened = rustix::fs::open(path, open_flags(flags), Mode::empty()).map_err(|errno| {
        DescriptorError::Missing {
            path: path.to_owned(),
            number,
            source: errno.into(),
        }
    })?;
    if open_flags(flags).contains(OFlags::PATH) {
        return Ok(opened);
    }
    let now_bytes = rustix::fs::fstat(&opened)
        .map_err(os(number, &shown, "fstat"))?
        .st_size as u64;
    let writes = open_flags(flags).intersects(OFlags::WRONLY | OFlags::RDWR);
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

/// Makes a nameless file again, near where it was if that can be.
pub(crate) fn open_nameless(
    number: i32,
    flags: u32,
    path: &Path,
    offset_bytes: u64,
    content: &[u8],
) -> Result<OwnedFd, DescriptorError> {
    let shown = path.display().to_string();
    let near = path.parent().unwrap_or(Path::new("/tmp")).to_owned();
    // It is filled first, so it is opened for reading and writing whatever the program may do.
    let flags =
        (open_flags(flags) - OFlags::RWMODE - OFlags::APPEND) | OFlags::RDWR | OFlags::TMPFILE;
    let mode = Mode::RUSR | Mode::WUSR;
    let opened = [near, std::env::temp_dir()]
        .iter()
        .map(|folder| rustix::fs::open(folder, flags, mode))
        .find_map(Result::ok);
    let opened = match opened {
        Some(opened) => opened,
        None => rustix::fs::memfd_create("nameless", MemfdFlags::CLOEXEC).map_err(os(
            number,
            &shown,
            "making a file without a name",
        ))?,
    };
    fill(number, &shown, opened, offset_bytes, content)
}

/// Makes a memory file again.
pub(crate) fn open_memory(
    number: i32,
    name: &str,
    offset_bytes: u64,
    content: &[u8],
    seals: u32,
) -> Result<OwnedFd, DescriptorError> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let made = rustix::fs::memfd_create(name, flags).map_err(os(number, name, "memfd_create"))?;
    let made = fill(number, name, made, offset_bytes, content)?;
    rustix::fs::fcntl_add_seals(&made, SealFlags::from_bits_retain(seals))
        .map_err(os(number, name, "sealing"))?;
    Ok(made)
}

fn fill(
    number: i32,
    what: &str,
    opened: OwnedFd,
    offset_bytes: u64,
    content: &[u8],
) -> Result<OwnedFd, DescriptorError> {
    let mut file = File::from(opened);
    file.write_all(content)
        .and_then(|()| file.seek(SeekFrom::Start(offset_bytes)))
        .map_err(|source| DescriptorError::Os {
            number,
            what: what.to_owned(),
            doing: "filling it",
            source,
        })?;
    Ok(file.into())
}
