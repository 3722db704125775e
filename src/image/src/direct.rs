//! Files read and written past the page cache, from page-aligned memory, where the file system allows it.
//!
//! A checkpoint is written once and read perhaps never: caching it would push the program's own files out, and costs a
//! copy of every byte. O_DIRECT wants memory address, file offset and length aligned; [`AlignedBuffer`] is.
//! What a file system refuses (EINVAL, when opening or at a transfer) or what memory cannot do (EFAULT: mappings of devices) is
//! done buffered instead: the same calls without the flag, decided once per file.

use crate::layout::PAGE_BYTES;
use memmap2::MmapMut;
use rustix::{
    fs::{FallocateFlags, Mode, OFlags},
    io::Errno,
};
use std::{
    fs::File,
    io::{self, IoSlice},
    ops::{Deref, DerefMut},
    os::unix::fs::FileExt,
    path::Path,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

/// The most pieces that one pwritev(2) takes (IOV_MAX on Linux).
const PIECES_MAX: usize = 1024;

/// Page-aligned memory, zero at first.
pub(crate) struct AlignedBuffer(MmapMut);

impl AlignedBuffer {
    /// # Errors
    /// No memory.
    pub(crate) fn new(bytes: usize) -> io::Result<Self> {
        Ok(Self(MmapMut::map_anon(bytes.max(PAGE_BYTES))?))
    }
}

impl Deref for AlignedBuffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl DerefMut for AlignedBuffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

/// A file that several threads read or write at once, each at its own offsets.
#[derive(Debug)]
pub(crate) struct DirectFile {
    file: File,
    direct: AtomicBool,
}

impl DirectFile {
    /// A new file to write to; it must not exist.
    pub(crate) fn create(path: &Path, want_direct: bool) -> io::Result<Self> {
        Self::open_with(
            path,
            OFlags::RDWR | OFlags::CREATE | OFlags::EXCL,
            want_direct,
        )
    }

    /// A file to read.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Self::open_with(path, OFlags::RDONLY, true)
    }

    fn open_with(path: &Path, flags: OFlags, want_direct: bool) -> io::Result<Self> {
        let open =
            |flags| rustix::fs::open(path, flags | OFlags::CLOEXEC, Mode::from_raw_mode(0o644));
        if want_direct {
            match open(flags | OFlags::DIRECT) {
                // open(2): EINVAL when the file system has no O_DIRECT. The file may have been created by then.
                Err(Errno::INVAL) => {}
                opened => {
                    return Ok(Self {
                        file: opened?.into(),
                        direct: AtomicBool::new(true),
                    });
                }
            }
        }
        let file = open(flags.difference(OFlags::EXCL))?.into();
        Ok(Self {
            file,
            direct: AtomicBool::new(false),
        })
    }

    pub(crate) fn is_direct(&self) -> bool {
        self.direct.load(Relaxed)
    }

    pub(crate) fn len_bytes(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    /// Writes all `parts`, one after the other, from `offset` on. `limit` says before each call how many bytes it may take;
    /// fewer than there are only in tests.
    pub(crate) fn write_all_at(
        &self,
        parts: &mut [IoSlice<'_>],
        mut offset: u64,
        mut limit: impl FnMut() -> io::Result<usize>,
    ) -> io::Result<()> {
        let mut rest = parts;
        let mut tried_buffered = false;
        while !rest.is_empty() {
            let now = &rest[..rest.len().min(PIECES_MAX)];
            let limit = limit()?;
            let short = [IoSlice::new(&now[0][..now[0].len().min(limit)])];
            let now = if limit == usize::MAX { now } else { &short };
            match rustix::io::pwritev(&self.file, now, offset) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    IoSlice::advance_slices(&mut rest, written);
                    offset += written as u64;
                }
                Err(Errno::INTR) => {}
                Err(error) => self.go_on_buffered(error, &mut tried_buffered)?,
            }
        }
        Ok(())
    }

    /// Fills `buffer` from `offset` on.
    pub(crate) fn read_exact_at(&self, buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
        let mut rest = buffer;
        let mut tried_buffered = false;
        while !rest.is_empty() {
            match rustix::io::pread(&self.file, &mut *rest, offset) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => {
                    rest = &mut rest[read..];
                    offset += read as u64;
                }
                Err(Errno::INTR) => {}
                Err(error) => self.go_on_buffered(error, &mut tried_buffered)?,
            }
        }
        Ok(())
    }

    /// Takes O_DIRECT off after a transfer that failed with `error`, if that can be why and was not tried yet.
    fn go_on_buffered(&self, error: Errno, tried: &mut bool) -> io::Result<()> {
        if *tried || !matches!(error, Errno::INVAL | Errno::FAULT) {
            return Err(error.into());
        }
        *tried = true;
        self.direct.store(false, Relaxed);
        let flags = rustix::fs::fcntl_getfl(&self.file)?;
        Ok(rustix::fs::fcntl_setfl(
            &self.file,
            flags.difference(OFlags::DIRECT),
        )?)
    }

    /// Reserves blocks, so that writes need not allocate and may overlap.
    pub(crate) fn preallocate(&self, offset: u64, bytes: u64) -> io::Result<()> {
        Ok(rustix::fs::fallocate(
            &self.file,
            FallocateFlags::empty(),
            offset,
            bytes,
        )?)
    }

    pub(crate) fn set_len(&self, bytes: u64) -> io::Result<()> {
        self.file.set_len(bytes)
    }

    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }
}

/// May `memory` be transferred with O_DIRECT?
pub(crate) fn is_aligned(memory: &[u8]) -> bool {
    memory.as_ptr().addr().is_multiple_of(PAGE_BYTES) && memory.len().is_multiple_of(PAGE_BYTES)
}

/// Reads up to `buffer.len()` bytes from the beginning of a small file, buffered.
pub(crate) fn read_prefix(path: &Path, buffer: &mut [u8]) -> io::Result<usize> {
    let file = File::open(path)?;
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(&mut buffer[filled..], filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
