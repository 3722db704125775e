//! System V shared memory: segments of the upper half, and how they come back.
//!
//! ```text
//!   image:   id 7, key, length, contents          restart:  the segment with that key, or id 7 if it is still the same one,
//!                                                           or a new one, under id 7 if the kernel lets us choose
//!   hooks:   shmat, shmctl: 7 -> 12               where the kernel's id is another: the upper half goes on saying 7
//!            shmget:        12 -> 7
//! ```

#![expect(unsafe_code, reason = "attaches segments, by system call")]
// # Safety
// `of_kernel` and `of_upper` are called by hooks: any TLS or none, no allocation, no lock. The rest runs with the lower TLS live.

use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::sys::{self, Errno};
use crate::window::page_up;

/// A segment, as an image has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// The id that the program knows.
    pub id: i32,
    /// Its key; IPC_PRIVATE (0) if it has none.
    pub key: i32,
    /// Its length in bytes.
    pub bytes: u64,
    /// Its permissions.
    pub mode: u32,
    /// It goes with its last user: IPC_RMID has been called.
    pub removed: bool,
    /// When it was made or changed last, and by which process: whether an id is still that of this segment.
    pub made: (i64, i32),
}

/// SHM_DEST of linux/shm.h: it has been removed.
const SHM_DEST: u32 = 0o1000;
/// How many segments may have another id than the program knows.
const PAIRS: usize = 256;

/// Pairs of ids: the program's and the kernel's. Written before the program runs.
static IDS: [(AtomicI32, AtomicI32); PAIRS] =
    [const { (AtomicI32::new(0), AtomicI32::new(0)) }; PAIRS];
static COUNT: AtomicUsize = AtomicUsize::new(0);

fn pairs() -> impl Iterator<Item = (i32, i32)> {
    let count = COUNT.load(Ordering::Acquire);
    IDS.iter().take(count).map(|(upper, kernel)| {
        (
            upper.load(Ordering::Relaxed),
            kernel.load(Ordering::Relaxed),
        )
    })
}

/// The kernel's id of the segment that the upper half calls `id`.
pub(crate) fn of_kernel(id: i32) -> i32 {
    pairs()
        .find(|(upper, _)| *upper == id)
        .map_or(id, |(_, kernel)| kernel)
}

/// The id by which the upper half knows the segment that the kernel calls `id`.
pub(crate) fn of_upper(id: i32) -> i32 {
    pairs()
        .find(|(_, kernel)| *kernel == id)
        .map_or(id, |(upper, _)| upper)
}

fn remember(upper: i32, kernel: i32) -> Result<()> {
    let at = COUNT.load(Ordering::Acquire);
    let place = IDS.get(at).ok_or_else(|| Error::Restore {
        why: format!("more than {PAIRS} shared memory segments have other ids than before"),
    })?;
    place.0.store(upper, Ordering::Relaxed);
    place.1.store(kernel, Ordering::Relaxed);
    COUNT.store(at + 1, Ordering::Release);
    Ok(())
}

fn stat(kernel_id: i32) -> std::result::Result<libc::shmid_ds, Errno> {
    let mut info = std::mem::MaybeUninit::<libc::shmid_ds>::zeroed();
    let args = [
        kernel_id as u64,
        libc::IPC_STAT as u64,
        info.as_mut_ptr() as u64,
        0,
        0,
        0,
    ];
    // SAFETY: IPC_STAT writes one `struct shmid_ds`, for which zeros are a valid value.
    unsafe {
        sys::call(libc::SYS_shmctl, args)?;
        Ok(info.assume_init())
    }
}

fn described(kernel_id: i32, info: &libc::shmid_ds) -> Segment {
    let mode = u32::from(info.shm_perm.mode);
    Segment {
        id: of_upper(kernel_id),
        key: info.shm_perm.__key,
        bytes: info.shm_segsz as u64,
        mode: mode & 0o777,
        removed: mode & SHM_DEST != 0,
        made: (info.shm_ctime, info.shm_cpid),
    }
}

/// Describes the segment with the kernel's id `kernel_id`, which /proc/self/maps has for an inode; and how often it is
/// attached, by whomever.
///
/// # Errors
/// [`Error::Os`] when the kernel does not tell.
pub fn describe(kernel_id: i32) -> Result<(Segment, u64)> {
    let info =
        stat(kernel_id).map_err(|errno| Error::raw("asking for a shared memory segment", errno))?;
    Ok((described(kernel_id, &info), info.shm_nattch))
}

/// Finds or makes the segment again; returns the kernel's id. Its contents are whatever they are.
///
/// # Errors
/// [`Error::Os`] when it cannot be made, as where another segment has its key.
pub fn make_again(segment: &Segment) -> Result<i32> {
    let failed = |errno| {
        Error::raw(
            "making a shared memory segment again (`ipcs -m` lists those there are)",
            errno,
        )
    };
    let kernel = if segment.key != libc::IPC_PRIVATE {
        get(segment).map_err(failed)?
    } else {
        match stat(segment.id) {
            Ok(info) if described(segment.id, &info) == *segment => segment.id,
            _ => {
                // Needs a privilege; without, the hooks translate.
                let _ = std::fs::write("/proc/sys/kernel/shm_next_id", segment.id.to_string());
                get(segment).map_err(failed)?
            }
        }
    };
    know(segment.id, kernel)?;
    Ok(kernel)
}

/// From here on the program's `id` is the segment that the kernel calls `kernel`.
///
/// # Errors
/// [`Error::Restore`] when too many have another id than before.
pub fn know(id: i32, kernel: i32) -> Result<()> {
    if kernel == id || of_kernel(id) == kernel {
        return Ok(());
    }
    remember(id, kernel)
}

fn get(segment: &Segment) -> std::result::Result<i32, Errno> {
    let flags = segment.mode | libc::IPC_CREAT as u32;
    let args = [segment.key as u64, segment.bytes, u64::from(flags), 0, 0, 0];
    // SAFETY: shmget(2) takes no pointers.
    unsafe { sys::call(libc::SYS_shmget, args) }.map(|id| id as i32)
}

/// Puts `bytes` into a segment.
///
/// # Errors
/// [`Error::Os`] when the kernel refuses to attach it, [`Error::Restore`] when it is shorter.
pub fn fill(kernel_id: i32, bytes: &[u8]) -> Result<()> {
    let failed = |errno| Error::raw("attaching a shared memory segment to fill it", errno);
    let room = page_up(stat(kernel_id).map_err(failed)?.shm_segsz);
    if room < bytes.len() {
        return Err(Error::Restore {
            why: format!(
                "segment {kernel_id} has {room} bytes and had {}",
                bytes.len()
            ),
        });
    }
    // SAFETY: the kernel chooses where; the segment is as long as that, in whole pages; it is detached before anybody could
    // learn of the place.
    unsafe {
        let start =
            sys::call(libc::SYS_shmat, [kernel_id as u64, 0, 0, 0, 0, 0]).map_err(failed)?;
        std::ptr::copy_nonoverlapping(bytes.as_ptr(), start as *mut u8, bytes.len());
        sys::call(libc::SYS_shmdt, [start as u64, 0, 0, 0, 0, 0]).map_err(failed)?;
    }
    Ok(())
}

/// Attaches a segment in place of the private memory that a restart has put at `start`, for reading only if not `writable`.
///
/// # Safety
/// Nobody uses that memory meanwhile, and it is as long as the segment.
///
/// # Errors
/// [`Error::Os`] when the kernel refuses.
pub unsafe fn attach_at(kernel_id: i32, start: usize, writable: bool) -> Result<()> {
    let reading = if writable { 0 } else { libc::SHM_RDONLY };
    let flags = (libc::SHM_REMAP | reading) as u64;
    // SAFETY: the caller's promise.
    unsafe {
        sys::call(
            libc::SYS_shmat,
            [kernel_id as u64, start as u64, flags, 0, 0, 0],
        )
    }
    .map(drop)
    .map_err(|errno| Error::raw("attaching a shared memory segment again", errno))
}

/// Marks a segment that the program had removed.
///
/// # Errors
/// [`Error::Os`] when the kernel refuses.
pub fn remove(kernel_id: i32) -> Result<()> {
    let args = [kernel_id as u64, libc::IPC_RMID as u64, 0, 0, 0, 0];
    // SAFETY: takes no pointer; the memory stays while it is attached.
    unsafe { sys::call(libc::SYS_shmctl, args) }
        .map(drop)
        .map_err(|errno| Error::raw("removing a shared memory segment again", errno))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_is_found_or_made_and_its_id_is_translated() {
        let wanted = Segment {
            id: i32::MAX - 7,
            key: libc::IPC_PRIVATE,
            bytes: 8192,
            mode: 0o600,
            removed: false,
            made: (0, 0),
        };
        let kernel = make_again(&wanted).unwrap();
        assert_eq!(
            (of_kernel(wanted.id), of_upper(kernel)),
            (kernel, wanted.id)
        );
        let (found, attached) = describe(kernel).unwrap();
        assert_eq!(
            (found.id, found.bytes, found.mode, attached),
            (wanted.id, 8192, 0o600, 0)
        );
        assert!(!found.removed);
        remove(kernel).unwrap();
        assert!(describe(kernel).is_err());
    }
}
