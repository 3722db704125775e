//! Reading a file that the program has open, so that its locks stay.
//!
//! ```text
//!   open for reading               pread(2) on the program's descriptor: nothing is opened, nothing closed
//!   for writing, O_PATH, O_DIRECT  opened and closed in a thread with descriptors of its own
//! ```
//!
//! A process' own locks on a file (fcntl(2) F_SETLK) go when any of its descriptors of the file is closed, by whomever. Locks
//! belong to the table of descriptors, so what a thread closes in another table takes none of them.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::BorrowedFd;

use rustix::fs::OFlags;

use crate::fdinfo::FdInfo;
use crate::locks::LockKind;
use crate::number;
use crate::save::Found;
use crate::saved::FileId;
use crate::table::Table;

/// All of a file.
pub(crate) fn all(found: &Found) -> io::Result<Vec<u8>> {
    let bytes = usize::try_from(found.stat.st_size).unwrap_or(0);
    let is_write_only = found.flags & OFlags::RWMODE == OFlags::WRONLY;
    if !is_write_only && !found.flags.intersects(OFlags::PATH | OFlags::DIRECT) {
        return at_once(found.descriptor, bytes);
    }
    let open_and_read = || open_and_read(found.here);
    match number::with_table_of_its_own(&open_and_read) {
        // Where that is not allowed (some containers), the file may be closed if nothing depends on it.
        Err(_) if !has_process_lock(found.id())? => open_and_read(),
        Err(errno) => Err(errno.into()),
        Ok(read) => read,
    }
}

/// The first `bytes` bytes, or what there is of them.
fn at_once(file: BorrowedFd<'_>, bytes: usize) -> io::Result<Vec<u8>> {
    let mut content = vec![0; bytes];
    let mut read = 0;
    while read < bytes {
        match rustix::io::pread(file, &mut content[read..], read as u64) {
            Ok(0) => break,
            Ok(more) => read += more,
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    content.truncate(read);
    Ok(content)
}

fn open_and_read(number: i32) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    File::open(Table::Thread.path("fd", number))?.read_to_end(&mut content)?;
    Ok(content)
}

/// Whether the process has a lock of its own on a file; the system tells so of the descriptor that it was set by only.
fn has_process_lock(id: FileId) -> io::Result<bool> {
    let mut numbers = fs::read_dir("/proc/self/fd")?
        .filter_map(Result::ok)
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    Ok(numbers.any(|number: i32| {
        let is_of_file = number::borrow(number)
            .and_then(|it| rustix::fs::fstat(it).ok())
            .is_some_and(|stat| (stat.st_dev, stat.st_ino) == id);
        let locks = || {
            FdInfo::read(Table::Process, number).map_or_else(|_| Vec::new(), |info| info.locks())
        };
        is_of_file && locks().iter().any(|lock| lock.kind == LockKind::Process)
    }))
}
