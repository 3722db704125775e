//! Files that no name leads to after a restart, made again with their contents.
//!
//! ```text
//!   memfd_create, a removed file, O_TMPFILE, /dev/shm/name
//!        one StoredFile  <--  open as 5 and 9, mapped shared: all by its device and inode
//!   restart:  make -> fill -> open by /proc/self/fd for each open file; map -> seal
//! ```
//!
//! What is mapped shared from its first byte to its last is filled by the memory, which the image has anyway.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::{MemfdFlags, Mode, OFlags, SealFlags};

use crate::error::{DescriptorError, OF_THE_PROGRAM, os};
use crate::reading;
use crate::regular::open_flags;
use crate::save::Found;
use crate::saved::{FileId, StoredFile, StoredKind};

/// Where shared memory has names.
const SHARED_MEMORY: &str = "/dev/shm";

/// How to make the file that `link` names (as /proc/self/fd or /proc/self/maps does) again; `None` for one that is found by
/// its name.
#[must_use]
pub fn stored_kind(link: &Path, is_removed: bool) -> Option<StoredKind> {
    let shown = link.to_string_lossy();
    let shown = shown.trim_end_matches(" (deleted)");
    if let Some(name) = shown.strip_prefix("/memfd:") {
        return Some(StoredKind::Memory {
            name: name.to_owned(),
            seals: 0,
        });
    }
    if is_removed {
        return Some(StoredKind::Nameless { path: shown.into() });
    }
    link.starts_with(SHARED_MEMORY)
        .then(|| StoredKind::Shared { path: link.into() })
}

/// Describes a file, if it is one that has to be made again.
pub(crate) fn save(
    found: &Found,
    is_mapped_whole: impl Fn(FileId, u64) -> bool,
) -> Result<Option<StoredFile>, DescriptorError> {
    let Some(mut kind) = stored_kind(&found.link, is_removed(found)) else {
        return Ok(None);
    };
    if let StoredKind::Memory { seals, .. } = &mut kind {
        let failed = os(
            found.number,
            &found.link.to_string_lossy(),
            "reading its seals",
        );
        *seals = rustix::fs::fcntl_get_seals(found.descriptor)
            .map_err(failed)?
            .bits();
    }
    let length_bytes = found.stat.st_size as u64;
    let content = if is_mapped_whole(found.id(), length_bytes) {
        Vec::new()
    } else {
        let mut content = content(found)?;
        // What has a name may be there already, with other contents.
        if !matches!(kind, StoredKind::Shared { .. }) {
            let used = content.iter().rposition(|byte| *byte != 0);
            content.truncate(used.map_or(0, |last| last + 1));
        }
        content
    };
    Ok(Some(StoredFile {
        id: found.id(),
        kind,
        length_bytes,
        mode: found.stat.st_mode & 0o7777,
        content,
    }))
}

/// Whether no name leads to a file: it has none any more, or that one is gone.
fn is_removed(found: &Found) -> bool {
    let is_of_system = ["/proc", "/sys"]
        .iter()
        .any(|root| found.link.starts_with(root));
    let is_there =
        || rustix::fs::stat(&found.link).is_ok_and(|stat| (stat.st_dev, stat.st_ino) == found.id());
    found.stat.st_nlink == 0 || !is_of_system && !is_there()
}

/// All of a file.
fn content(found: &Found) -> Result<Vec<u8>, DescriptorError> {
    reading::all(found).map_err(|source| DescriptorError::Os {
        number: found.number,
        what: found.link.display().to_string(),
        doing: "reading a file without a lasting name",
        source,
    })
}

/// The files that have been made again.
#[derive(Debug, Default)]
pub struct Stored(BTreeMap<FileId, (OwnedFd, u32)>);

impl Stored {
    /// Makes all of them, above `above`.
    pub(crate) fn make(files: &[StoredFile], above: i32) -> Result<Self, DescriptorError> {
        let mut made = BTreeMap::new();
        for file in files {
            let opened = make(file)?;
            let opened = rustix::io::fcntl_dupfd_cloexec(&opened, above).map_err(os(
                -1,
                OF_THE_PROGRAM,
                "dup",
            ))?;
            let seals = match file.kind {
                StoredKind::Memory { seals, .. } => seals,
                _ => 0,
            };
            made.insert(file.id, (opened, seals));
        }
        Ok(Self(made))
    }

    /// Those that another process of the program has made, and sent to this one.
    #[must_use]
    pub fn received(files: Vec<(FileId, OwnedFd)>) -> Self {
        Self(
            files
                .into_iter()
                .map(|(id, file)| (id, (file, 0)))
                .collect(),
        )
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (FileId, &OwnedFd)> {
        self.0.iter().map(|(id, (file, _))| (*id, file))
    }

    /// The file that had this identity at the checkpoint, open for reading and writing.
    #[must_use]
    pub fn file(&self, id: FileId) -> Option<&OwnedFd> {
        self.0.get(&id).map(|(file, _)| file)
    }

    /// Opens one as it was open.
    pub(crate) fn open(
        &self,
        number: i32,
        id: FileId,
        flags: u32,
        offset_bytes: u64,
    ) -> Result<OwnedFd, DescriptorError> {
        let file = self.file(id).ok_or_else(|| {
            DescriptorError::Inconsistent(format!(
                "the contents of descriptor {number} are missing"
            ))
        })?;
        let what = "a file that was made again";
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        let opened = rustix::fs::open(path, open_flags(flags), Mode::empty()).map_err(os(
            number,
            what,
            "opening it",
        ))?;
        if !open_flags(flags).contains(OFlags::PATH) {
            rustix::fs::seek(&opened, rustix::fs::SeekFrom::Start(offset_bytes)).map_err(os(
                number,
                what,
                "setting the position",
            ))?;
        }
        Ok(opened)
    }

    /// Seals them as they were, once all contents are there.
    ///
    /// # Errors
    /// [`DescriptorError::Os`] when the system refuses a seal.
    pub fn seal(&self) -> Result<(), DescriptorError> {
        for (file, seals) in self.0.values().filter(|(_, seals)| *seals != 0) {
            rustix::fs::fcntl_add_seals(file, SealFlags::from_bits_retain(*seals)).map_err(os(
                -1,
                "a file in memory",
                "sealing it",
            ))?;
        }
        Ok(())
    }
}

/// Makes a file with its contents.
fn make(file: &StoredFile) -> Result<OwnedFd, DescriptorError> {
    let (made, shown) = match &file.kind {
        StoredKind::Memory { name, .. } => (memory(name), name.clone()),
        StoredKind::Nameless { path } => (nameless(path), path.display().to_string()),
        StoredKind::Shared { path } => {
            let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
            let made = rustix::fs::open(path, flags, Mode::from_raw_mode(file.mode));
            (made, path.display().to_string())
        }
    };
    let made = made.map_err(os(-1, &shown, "making it again"))?;
    rustix::fs::fchmod(&made, Mode::from_raw_mode(file.mode))
        .and_then(|()| rustix::fs::ftruncate(&made, file.length_bytes))
        .map_err(os(-1, &shown, "giving it its mode and length"))?;
    let made = File::from(made);
    made.write_all_at(&file.content, 0)
        .map_err(|source| DescriptorError::Os {
            number: -1,
            what: shown,
            doing: "filling it",
            source,
        })?;
    Ok(made.into())
}

fn memory(name: &str) -> Result<OwnedFd, rustix::io::Errno> {
    rustix::fs::memfd_create(name, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)
}

/// Near where it was, if that can be.
fn nameless(path: &Path) -> Result<OwnedFd, rustix::io::Errno> {
    let near = path.parent().unwrap_or(Path::new("/tmp")).to_owned();
    let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::TMPFILE;
    let mode = Mode::RUSR | Mode::WUSR;
    let opened = [near, std::env::temp_dir()]
        .iter()
        .find_map(|folder| rustix::fs::open(folder, flags, mode).ok());
    match opened {
        Some(opened) => Ok(opened),
        None => memory("nameless"),
    }
}
