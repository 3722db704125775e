//! System calls without libc: what the hooks may use.
//!
//! A hook runs on an upper-half thread with the upper half's TLS (or none at all). libc's wrappers write errno into
//! the TLS of *their* libc, so they are out of bounds there; these return the error instead.

#![expect(unsafe_code, reason = "issues system calls directly")]
// # Safety
// Any TLS or none may be live. Nothing here allocates, panics or touches a thread-local. Async-signal-safe.

use crate::arch;

/// A system call's error number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Errno(pub(crate) i32);

impl Errno {
    pub(crate) const EXIST: Self = Self(libc::EEXIST);
    pub(crate) const NOMEM: Self = Self(libc::ENOMEM);

    /// The form in which the kernel returns it.
    pub(crate) fn as_return_value(self) -> i64 {
        -i64::from(self.0)
    }
}

impl From<Errno> for std::io::Error {
    fn from(errno: Errno) -> Self {
        Self::from_raw_os_error(errno.0)
    }
}

/// Result of a system call.
pub(crate) type SysResult = Result<usize, Errno>;

/// Does system call `nr` and returns the kernel's own return value (−errno on failure).
///
/// # Safety
/// Whatever the system call demands of its arguments.
pub(crate) unsafe fn raw(nr: i64, args: [u64; 6]) -> i64 {
    // SAFETY: passed on.
    unsafe { arch::system_call(nr, args) }
}

/// [`raw`], with the return value taken apart.
///
/// # Safety
/// As for [`raw`].
pub(crate) unsafe fn call(nr: i64, args: [u64; 6]) -> SysResult {
    // SAFETY: passed on.
    let value = unsafe { raw(nr, args) };
    if (-4095..0).contains(&value) {
        Err(Errno(-value as i32))
    } else {
        Ok(value as usize)
    }
}

/// mmap(2).
///
/// # Safety
/// With MAP_FIXED the caller owns what is mapped there now.
pub(crate) unsafe fn mmap(
    addr: usize,
    len: usize,
    prot: i32,
    flags: i32,
    fd: i32,
    offset: u64,
) -> SysResult {
    let args = [
        addr as u64,
        len as u64,
        prot as u64,
        flags as u64,
        fd as i64 as u64,
        offset,
    ];
    // SAFETY: the caller's promise.
    unsafe { call(libc::SYS_mmap, args) }
}

/// munmap(2).
///
/// # Safety
/// Nothing uses the range any more.
pub(crate) unsafe fn munmap(addr: usize, len: usize) -> SysResult {
    // SAFETY: the caller's promise.
    unsafe { call(libc::SYS_munmap, [addr as u64, len as u64, 0, 0, 0, 0]) }
}

/// mprotect(2).
///
/// # Safety
/// Nothing relies on the protection that is taken away.
pub(crate) unsafe fn mprotect(addr: usize, len: usize, prot: i32) -> SysResult {
    // SAFETY: the caller's promise.
    unsafe {
        call(
            libc::SYS_mprotect,
            [addr as u64, len as u64, prot as u64, 0, 0, 0],
        )
    }
}

/// getpid(2).
pub(crate) fn getpid() -> i32 {
    // SAFETY: takes no pointer and cannot fail.
    unsafe { raw(libc::SYS_getpid, [0; 6]) as i32 }
}

/// gettid(2).
pub(crate) fn gettid() -> i32 {
    // SAFETY: takes no pointer and cannot fail.
    unsafe { raw(libc::SYS_gettid, [0; 6]) as i32 }
}

/// Whether this process has a thread with the kernel's number `tid`.
pub(crate) fn thread_exists(tid: i32) -> bool {
    // SAFETY: signal 0 is sent to nobody.
    unsafe { raw(libc::SYS_tgkill, [getpid() as u64, tid as u64, 0, 0, 0, 0]) == 0 }
}

/// Whether the byte at `address`, and with it its page, can be read.
pub(crate) fn is_readable(address: u64) -> bool {
    /// What rt_sigprocmask(2) does not know: it reads the set, and then refuses.
    const NOTHING: u64 = u64::MAX;
    let word = address & !7;
    // SAFETY: the kernel reads a signal set, if that is there, and changes nothing.
    let refused = unsafe { raw(libc::SYS_rt_sigprocmask, [NOTHING, word, 0, 8, 0, 0]) };
    word != 0 && refused != -i64::from(libc::EFAULT)
}

/// The bytes at `address`, no more than a page, if they can be read.
pub(crate) fn read_bytes<const N: usize>(address: u64) -> Option<[u8; N]> {
    let last = address.checked_add(N as u64 - 1)?;
    let is_readable = is_readable(address) && is_readable(last);
    // SAFETY: just seen to be readable; any bytes are bytes.
    is_readable.then(|| unsafe { (address as *const [u8; N]).read() })
}

/// Where the calling thread's number is, which the kernel clears when it ends; a kernel without CONFIG_CHECKPOINT_RESTORE does not
/// tell.
pub(crate) fn clear_tid_address() -> Result<u64, Errno> {
    /// Of <linux/prctl.h>.
    const PR_GET_TID_ADDRESS: u64 = 40;
    let mut address = 0_u64;
    let args = [PR_GET_TID_ADDRESS, (&raw mut address) as u64, 0, 0, 0, 0];
    // SAFETY: writes a word.
    unsafe { call(libc::SYS_prctl, args) }.map(|_| address)
}

/// The head of the calling thread's list of robust locks, and the head's length in bytes.
pub(crate) fn robust_list() -> Result<(u64, u64), Errno> {
    let (mut head, mut bytes) = (0_u64, 0_u64);
    let args = [0, (&raw mut head) as u64, (&raw mut bytes) as u64, 0, 0, 0];
    // SAFETY: writes two words.
    unsafe { call(libc::SYS_get_robust_list, args) }.map(|_| (head, bytes))
}

/// Ends the process with a message; for where neither panics nor formatting are possible.
pub(crate) fn die(message: &str) -> ! {
    // SAFETY: reads `message`; the second call ends the process.
    unsafe {
        raw(
            libc::SYS_write,
            [2, message.as_ptr() as u64, message.len() as u64, 0, 0, 0],
        );
        raw(libc::SYS_exit_group, [127, 0, 0, 0, 0, 0]);
    }
    unreachable!("exit_group does not return")
}
