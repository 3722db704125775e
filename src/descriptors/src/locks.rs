//! Locks on files: flock(2), fcntl(2) and leases, from what /proc/self/fdinfo says.
//!
//! ```text
//!   lock:  1: FLOCK  ADVISORY  WRITE 4242 fd:01:1234 0 EOF
//!   lock:  2: POSIX  ADVISORY  READ  4242 fd:01:1234 10 19
//! ```
//!
//! A process' own locks (POSIX) go when it closes any descriptor of the file: so they come last.

use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};

use crate::error::{DescriptorError, os};
use crate::fdinfo::FdInfo;
use crate::number;
use crate::saved::Descriptors;
use crate::table::Table;

/// A lock, or lease, on a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    /// Of which kind.
    pub kind: LockKind,
    /// For writing; otherwise for reading.
    pub is_exclusive: bool,
    /// The first byte.
    pub start: i64,
    /// How many bytes; 0 for all that follow.
    pub bytes: i64,
}

/// Whose a lock is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum LockKind {
    /// flock(2): the open file's.
    Flock,
    /// fcntl(2) F_SETLK: the process'.
    Process,
    /// fcntl(2) F_OFD_SETLK: the open file's.
    OpenFile,
    /// fcntl(2) F_SETLEASE.
    Lease,
}

/// Reads what stands behind `lock:`.
pub(crate) fn parse(line: &str) -> Option<Lock> {
    let words: Vec<_> = line.split_whitespace().collect();
    let [_, kind, _, access, _, _, start, end] = words[..] else {
        return None;
    };
    let kind = match kind {
        "FLOCK" => LockKind::Flock,
        "POSIX" => LockKind::Process,
        "OFDLCK" => LockKind::OpenFile,
        "LEASE" => LockKind::Lease,
        _ => return None,
    };
    let start: i64 = start.parse().ok()?;
    let bytes = match end {
        "EOF" => 0,
        end => end.parse::<i64>().ok()? - start + 1,
    };
    Some(Lock {
        kind,
        is_exclusive: access == "WRITE",
        start,
        bytes,
    })
}

/// This process' own locks (fcntl(2) F_SETLK) that were taken by the descriptor `number`: the system tells nobody else of them.
#[must_use]
pub fn own_locks(number: i32) -> Vec<Lock> {
    let info = FdInfo::read(Table::Process, number);
    let mut locks = info.map_or_else(|_| Vec::new(), |info| info.locks());
    locks.retain(|lock| lock.kind == LockKind::Process);
    locks
}

/// Takes all locks again, but those of files that only members have: they do it themselves. From here on no descriptor of a
/// locked file may be closed.
///
/// # Errors
/// [`DescriptorError::Locked`] when somebody else has got one, [`DescriptorError::Os`] when the system refuses otherwise.
pub fn lock(saved: &Descriptors) -> Result<(), DescriptorError> {
    for (at, file) in saved.files.iter().enumerate() {
        if let Some((None, number)) = saved.owner(at) {
            take_all(number, &file.locks)?;
        }
    }
    Ok(())
}

/// Takes the locks of one file.
pub(crate) fn take_all(number: i32, locks: &[Lock]) -> Result<(), DescriptorError> {
    for lock in locks {
        let descriptor = number::borrow(number).ok_or_else(|| {
            DescriptorError::Inconsistent(format!("descriptor {number} has a lock and is closed"))
        })?;
        match take(descriptor, lock) {
            Ok(()) => {}
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::ACCESS) => {
                return Err(DescriptorError::Locked { number });
            }
            Err(errno) => return Err(os(number, "file", "locking it again")(errno)),
        }
    }
    Ok(())
}

fn take(file: BorrowedFd<'_>, lock: &Lock) -> Result<(), rustix::io::Errno> {
    match lock.kind {
        LockKind::Flock if lock.is_exclusive => {
            rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive)
        }
        LockKind::Flock => rustix::fs::flock(file, FlockOperation::NonBlockingLockShared),
        LockKind::Process => number::lock_range(file.as_raw_fd(), libc::F_SETLK, lock),
        LockKind::OpenFile => number::lock_range(file.as_raw_fd(), libc::F_OFD_SETLK, lock),
        LockKind::Lease => number::lease(file.as_raw_fd(), lock.is_exclusive),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_understood() {
        let posix = parse("2: POSIX  ADVISORY  READ 4242 fd:01:1234 10 19").unwrap();
        assert_eq!((posix.kind, posix.is_exclusive), (LockKind::Process, false));
        assert_eq!((posix.start, posix.bytes), (10, 10));
        let flock = parse("1: FLOCK  ADVISORY  WRITE 4242 fd:01:1234 0 EOF").unwrap();
        assert_eq!((flock.kind, flock.is_exclusive), (LockKind::Flock, true));
        assert_eq!((flock.start, flock.bytes), (0, 0));
        assert_eq!(
            parse("1: DELEG  ACTIVE    READ 4242 fd:01:1234 0 EOF"),
            None
        );
    }
}
