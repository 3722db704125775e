//! mmap and its kin: every mapping of the upper half goes into the window.
//!
//! Addresses the application insists on (MAP_FIXED, MREMAP_FIXED, shmat with an address) are its own choice; outside the
//! window they are listed as extra ranges. A mere hint is followed inside the window only.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use super::pass;
use crate::advice;
use crate::seccomp;
use crate::steer;
use crate::sys::{self, Errno, SysResult};
use crate::sysv;
use crate::window::{self, PAGE_BYTES, Request, page_up};

fn as_return_value(result: SysResult) -> i64 {
    match result {
        Ok(value) => value as i64,
        Err(errno) => errno.as_return_value(),
    }
}

/// mmap(2).
pub(super) fn mmap(args: [u64; 6]) -> i64 {
    let hint = args[0] as usize;
    let request = Request {
        len: args[1] as usize,
        prot: args[2] as i32,
        flags: args[3] as i32,
        fd: args[4] as i32,
        offset: args[5],
    };
    if request.flags & (libc::MAP_GROWSDOWN | libc::MAP_LOCKED) != 0 {
        advice::note();
    }
    let insists = libc::MAP_FIXED | libc::MAP_FIXED_NOREPLACE | libc::MAP_32BIT;
    let result = if request.flags & insists != 0 {
        mmap_there(args, request)
    } else {
        mmap_somewhere(hint, &request)
    };
    if let Ok(start) = result {
        steer_new_text(start, &request);
    }
    as_return_value(result)
}

fn mmap_somewhere(hint: usize, request: &Request) -> SysResult {
    if hint.is_multiple_of(PAGE_BYTES)
        && window::contains(hint)
        && window::contains(hint.saturating_add(request.len))
        && let Ok(start) = window::map_exactly(hint, request)
    {
        return Ok(start);
    }
    window::map(request)
}

fn mmap_there(args: [u64; 6], request: Request) -> SysResult {
    // SAFETY: the application decides what it replaces; as without mana.
    let start = unsafe { sys::call(libc::SYS_mmap, args)? };
    list_if_outside(start..start + page_up(request.len));
    Ok(start)
}

/// Lists a mapping outside the window as upper half's. When the list is full the checkpoint finds the mapping to be
/// nobody's and says so.
fn list_if_outside(range: Range<usize>) {
    if !window::is_upper(range.start) || !window::is_upper(range.end - 1) {
        let _ = window::add_extra(range);
    }
}

/// Scans and patches a file's code before anybody executes it.
fn steer_new_text(start: usize, request: &Request) {
    let readable_code = libc::PROT_EXEC | libc::PROT_READ;
    if request.prot & readable_code != readable_code || request.flags & libc::MAP_ANONYMOUS != 0 {
        return;
    }
    if request.flags & libc::MAP_PRIVATE == 0 {
        // Patching would write to the file.
        seccomp::arm();
        return;
    }
    let Some(bytes) = bytes_in_file(request) else {
        return seccomp::arm();
    };
    if bytes == 0 {
        return;
    }
    // SAFETY: mapped just now, privately and readable; the caller learns the address when this is done. Pages beyond
    // the end of the file are not touched.
    match unsafe { steer::steer(start..start + bytes, request.prot) } {
        Ok(scan) if scan.unknown == 0 => {}
        _ => seccomp::arm(),
    }
}

/// How many of the mapping's bytes there are in the file, in whole pages: the rest cannot be read.
fn bytes_in_file(request: &Request) -> Option<usize> {
    let mut stat = std::mem::MaybeUninit::<libc::stat>::uninit();
    // SAFETY: fstat writes one `struct stat`; libc's is the kernel's on x86-64.
    unsafe {
        sys::call(
            libc::SYS_fstat,
            [request.fd as u64, stat.as_mut_ptr() as u64, 0, 0, 0, 0],
        )
        .ok()?
    };
    // SAFETY: filled in by the successful call.
    let size = unsafe { stat.assume_init() }.st_size as u64;
    Some(page_up(request.len).min(page_up(size.saturating_sub(request.offset) as usize)))
}

/// A function to be told of memory that the upper half unmaps or moves.
///
/// It runs on upper-half threads with the upper half's TLS: no thread-locals, no allocation, no panic.
pub type OnUnmap = extern "C" fn(start: usize, len_bytes: usize);

static ON_UNMAP: AtomicUsize = AtomicUsize::new(0);

/// Registers the function that hears of every range the upper half unmaps, before it is unmapped: network libraries in
/// the lower half cache registrations of application memory and have to drop them.
pub fn set_on_unmap(listener: OnUnmap) {
    ON_UNMAP.store(listener as usize, SeqCst);
}

pub(super) fn tell_unmap(start: usize, len_bytes: usize) {
    let listener = ON_UNMAP.load(SeqCst);
    if listener != 0 {
        // SAFETY: only `set_on_unmap` stores here, and only functions of this type.
        let listener = unsafe { std::mem::transmute::<usize, OnUnmap>(listener) };
        listener(start, len_bytes);
    }
}

/// munmap(2).
pub(super) fn munmap(args: [u64; 6]) -> i64 {
    let (start, len) = (args[0] as usize, args[1] as usize);
    tell_unmap(start, len);
    let result = pass(libc::SYS_munmap, args);
    if result == 0 {
        let range = start..start.saturating_add(len);
        window::give_back(range.clone());
        window::remove_extra(range);
    }
    result
}

/// mremap(2).
pub(super) fn mremap(args: [u64; 6]) -> i64 {
    let [old, old_len, new_len, flags, ..] = args.map(|arg| arg as usize);
    let flags = flags as i32;
    if flags & libc::MREMAP_FIXED != 0 {
        tell_unmap(old, old_len);
        let result = pass(libc::SYS_mremap, args);
        if result >= 0 {
            list_if_outside(result as usize..result as usize + page_up(new_len));
        }
        return result;
    }
    if flags & libc::MREMAP_MAYMOVE == 0 {
        return pass(libc::SYS_mremap, args);
    }
    // A move that is not needed would be a waste; one that is asked for (old_len 0, DONTUNMAP) never stays in place.
    if old_len != 0 && flags & libc::MREMAP_DONTUNMAP == 0 {
        let in_place = pass(libc::SYS_mremap, [args[0], args[1], args[2], 0, 0, 0]);
        if in_place != -i64::from(libc::ENOMEM) {
            return in_place;
        }
    }
    tell_unmap(old, old_len);
    as_return_value(move_mapping(args, new_len))
}

/// Moves a mapping to a new place in the window: reserves the place, then replaces the reservation.
fn move_mapping(args: [u64; 6], new_len: usize) -> SysResult {
    let flags = args[3] | libc::MREMAP_FIXED as u64;
    in_reserved(new_len, |place| {
        // SAFETY: the place is ours; what is moved is the application's decision.
        unsafe {
            sys::call(
                libc::SYS_mremap,
                [args[0], args[1], args[2], flags, place as u64, 0],
            )
        }
    })
}

/// Reserves room in the window, lets `replace` map something over it, and gives the room back if that fails.
fn in_reserved(len: usize, replace: impl FnOnce(usize) -> SysResult) -> SysResult {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    let place = window::map(&Request {
        len,
        prot: libc::PROT_NONE,
        flags,
        fd: -1,
        offset: 0,
    })?;
    let result = replace(place);
    if result.is_err() {
        // SAFETY: reserved above, nobody knows the address.
        let _ = unsafe { sys::munmap(place, len) };
        window::give_back(place..place + len);
    }
    result
}

/// shmat(2).
pub(super) fn shmat(args: [u64; 6]) -> i64 {
    let [id, addr, flags, ..] = args;
    let id = sysv::of_kernel(id as i32) as u64;
    if addr != 0 {
        let result = pass(libc::SYS_shmat, [id, addr, flags, 0, 0, 0]);
        if result >= 0 && !window::is_upper(result as usize) {
            let len = segment_bytes(id).unwrap_or(PAGE_BYTES);
            list_if_outside(result as usize..result as usize + page_up(len));
        }
        return result;
    }
    let attached = segment_bytes(id).and_then(|len| {
        in_reserved(len, |place| {
            let flags = flags | libc::SHM_REMAP as u64;
            // SAFETY: replaces the reservation, which is ours.
            unsafe { sys::call(libc::SYS_shmat, [id, place as u64, flags, 0, 0, 0]) }
        })
    });
    as_return_value(attached)
}

/// shmget(2): the id that the upper half knows.
pub(super) fn shmget(args: [u64; 6]) -> i64 {
    let id = pass(libc::SYS_shmget, args);
    if id < 0 {
        id
    } else {
        i64::from(sysv::of_upper(id as i32))
    }
}

/// shmctl(2), of the segment that the upper half means. The commands of ipcs(1) take a place in a list instead.
pub(super) fn shmctl(args: [u64; 6]) -> i64 {
    let [id, command, buffer, ..] = args;
    let about_one = [
        libc::IPC_STAT,
        libc::IPC_SET,
        libc::IPC_RMID,
        libc::SHM_LOCK,
        libc::SHM_UNLOCK,
    ];
    let id = if about_one.contains(&(command as i32)) {
        sysv::of_kernel(id as i32) as u64
    } else {
        id
    };
    pass(libc::SYS_shmctl, [id, command, buffer, 0, 0, 0])
}

fn segment_bytes(id: u64) -> SysResult {
    let mut info = std::mem::MaybeUninit::<libc::shmid_ds>::uninit();
    // SAFETY: IPC_STAT writes one `struct shmid_ds`.
    unsafe {
        sys::call(
            libc::SYS_shmctl,
            [id, libc::IPC_STAT as u64, info.as_mut_ptr() as u64, 0, 0, 0],
        )?
    };
    // SAFETY: filled in by the successful call.
    let bytes = unsafe { info.assume_init() }.shm_segsz;
    if bytes == 0 {
        Err(Errno(libc::EINVAL))
    } else {
        Ok(bytes)
    }
}
