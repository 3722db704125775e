//! Which path led to a file that the upper half watches by inotify(7): the kernel remembers the file only.
//!
//! ```text
//!   | device | inode | bytes | path …, to 8 bytes | device | inode | …            0: nothing yet
//! ```
//!
//! Records are added by the hook of inotify_add_watch(2), and looked through at a checkpoint; the newest of a file counts. When the
//! room is full, watches that come later are not kept.

#![expect(unsafe_code, reason = "memory of records that a hook writes")]
// # Safety
// `note` runs on upper-half threads with any TLS or none: no allocation, no lock, no panic. The rest with the lower TLS live, while
// the upper half is stopped.

use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::sys;

/// Room for records: address space until it is used.
const ROOM_BYTES: usize = 16 << 20;
/// The longest path, with its NUL.
const PATH_BYTES: usize = libc::PATH_MAX as usize;

#[repr(C)]
struct Record {
    device: AtomicU64,
    inode: AtomicU64,
    /// Length of the path behind it; written last.
    bytes: AtomicU64,
}

static START: AtomicUsize = AtomicUsize::new(0);
static USED: AtomicUsize = AtomicUsize::new(0);

/// Gets the room, before any upper code runs.
pub(crate) fn start() {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    let prot = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: new memory, where the kernel likes. Without it nothing is noted.
    if let Ok(start) = unsafe { sys::mmap(0, ROOM_BYTES, prot, flags, -1, 0) } {
        START.store(start, Ordering::Release);
    }
}

/// Room for a record and `bytes` of path.
fn reserve(bytes: usize) -> Option<usize> {
    let start = START.load(Ordering::Acquire);
    let whole = (size_of::<Record>() + bytes).next_multiple_of(8);
    let at = USED.fetch_add(whole, Ordering::Relaxed);
    // A record that does not fit, nor any after it, is left out: the reader stops at what is not written.
    (start != 0 && at + whole <= ROOM_BYTES).then_some(start + at)
}

/// Notes that `path`, a NUL-ended string that the kernel has just followed, leads to a file.
pub(crate) fn note(path: *const u8, (device, inode): (u64, u64)) {
    let mut bytes = 0;
    // SAFETY: the kernel has read the string to its end.
    while bytes < PATH_BYTES && unsafe { *path.add(bytes) } != 0 {
        bytes += 1;
    }
    // SAFETY: as above; the first byte is there, be it the end.
    let is_absolute = unsafe { *path } == b'/';
    let directory_bytes = if is_absolute { 0 } else { PATH_BYTES };
    let Some(place) = reserve(directory_bytes + bytes) else {
        return;
    };
    let text = place + size_of::<Record>();
    let mut at = 0;
    if !is_absolute {
        let args = [text as u64, PATH_BYTES as u64, 0, 0, 0, 0];
        // SAFETY: the kernel writes at most so many bytes, which have been reserved. It counts the NUL.
        let written = unsafe { sys::raw(libc::SYS_getcwd, args) };
        if written > 0 {
            at = written as usize;
            // SAFETY: within what has been reserved.
            unsafe { ((text + at - 1) as *mut u8).write(b'/') };
        }
    }
    // SAFETY: both are as long; the room is this call's alone, and zero until the length is stored.
    unsafe {
        std::ptr::copy_nonoverlapping(path, (text + at) as *mut u8, bytes);
        let record = &*(place as *const Record);
        record.device.store(device, Ordering::Relaxed);
        record.inode.store(inode, Ordering::Relaxed);
        let reserved = directory_bytes + bytes;
        record
            .bytes
            .store((reserved << 32 | (at + bytes)) as u64, Ordering::Release);
    }
}

/// Notes a path after a restart.
pub fn note_again(path: &Path, file: (u64, u64)) {
    let mut text = path.as_os_str().as_bytes().to_vec();
    text.push(0);
    note(text.as_ptr(), file);
}

/// The path that led to the file with this device and inode.
#[must_use]
pub fn path_of(device: u64, inode: u64) -> Option<PathBuf> {
    let start = START.load(Ordering::Acquire);
    let end = USED.load(Ordering::Acquire).min(ROOM_BYTES);
    let mut found = None;
    let mut at = 0;
    while start != 0 && at + size_of::<Record>() <= end {
        // SAFETY: within the room, at the beginning of a record; what nobody has written is zero.
        let record = unsafe { &*((start + at) as *const Record) };
        let lengths = record.bytes.load(Ordering::Acquire) as usize;
        let (reserved, bytes) = (lengths >> 32, lengths & 0xffff_ffff);
        if lengths == 0 {
            break;
        }
        let text = start + at + size_of::<Record>();
        let is_it = record.device.load(Ordering::Relaxed) == device
            && record.inode.load(Ordering::Relaxed) == inode;
        if is_it {
            // SAFETY: the record's path, which is complete since its length is there.
            let path = unsafe { std::slice::from_raw_parts(text as *const u8, bytes) };
            found = Some(std::ffi::OsString::from_vec(path.to_vec()).into());
        }
        at += (size_of::<Record>() + reserved).next_multiple_of(8);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_path_counts_and_relative_ones_are_completed() {
        start();
        note_again(Path::new("/one"), (1, 10));
        note(c"two".as_ptr().cast(), (1, 11));
        note_again(Path::new("/three"), (1, 10));
        let here = std::env::current_dir().unwrap();
        assert_eq!(path_of(1, 10), Some("/three".into()));
        assert_eq!(path_of(1, 11), Some(here.join("two")));
        assert_eq!(path_of(2, 10), None);
    }
}
