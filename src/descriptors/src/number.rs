//! A descriptor by its number: the program's, which this code does not own.
//!
//! # Safety
//! The numbers are those of a program whose threads are all stopped, so none is closed or made meanwhile; or, when they
//! are opened again, those of a program that does not run yet.

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};

use rustix::io::Errno;

use crate::locks::Lock;
use crate::table::Table;

/// The open descriptor `number`; `None` where it is closed.
pub(crate) fn borrow(number: RawFd) -> Option<BorrowedFd<'static>> {
    if number < 0 {
        return None;
    }
    // SAFETY: not -1; the program is stopped, so what is open stays open; what is not, fcntl says, and it is dropped.
    let descriptor = unsafe { BorrowedFd::borrow_raw(number) };
    rustix::io::fcntl_getfd(descriptor).ok().map(|_| descriptor)
}

/// Gives `descriptor` the number that the program knows, which may be a placeholder's.
pub(crate) fn place(descriptor: OwnedFd, number: RawFd) -> Result<(), Errno> {
    if descriptor.as_raw_fd() == number {
        let _ = descriptor.into_raw_fd();
        return Ok(());
    }
    // SAFETY: dup2 to a number of the program, which does not run yet: nobody uses what it may replace.
    let placed = unsafe { libc::dup2(descriptor.as_raw_fd(), number) };
    if placed == number {
        Ok(())
    } else {
        Err(last_error())
    }
}

/// Whether two descriptors share one open file description (dup(2)), by kcmp(2); `None` where the kernel does not say.
pub(crate) fn share(first: (Table, RawFd), second: (Table, RawFd)) -> Option<bool> {
    /// KCMP_FILE of linux/kcmp.h.
    const KCMP_FILE: i32 = 0;
    let tasks = (first.0.task(), second.0.task());
    // SAFETY: kcmp(2) takes five numbers and looks only.
    let order = unsafe {
        libc::syscall(
            libc::SYS_kcmp,
            tasks.0,
            tasks.1,
            KCMP_FILE,
            first.1,
            second.1,
        )
    };
    (order >= 0).then_some(order == 0)
}

/// Does `work` in a thread that has a copy of the table of descriptors: what it opens and closes is its own. So no lock of the
/// process on a file goes when that is closed. The thread inherits the caller's signal mask.
///
/// # Errors
/// The system's reason where a thread may not have a table of its own.
pub fn with_table_of_its_own<T: Send>(work: &(dyn Fn() -> T + Sync)) -> Result<T, Errno> {
    std::thread::scope(|scope| {
        let apart = scope.spawn(|| {
            // SAFETY: takes no pointer. The thread ends with its table; the descriptors of others stay open in theirs.
            if unsafe { libc::unshare(libc::CLONE_FILES) } != 0 {
                return Err(last_error());
            }
            Ok(work())
        });
        apart.join().unwrap_or(Err(Errno::IO))
    })
}

/// Sets a lock of fcntl(2) without waiting.
pub(crate) fn lock_range(number: RawFd, command: i32, lock: &Lock) -> Result<(), Errno> {
    // SAFETY: zeros are a valid `struct flock`.
    let mut range: libc::flock = unsafe { std::mem::zeroed() };
    range.l_type = if lock.is_exclusive {
        libc::F_WRLCK as i16
    } else {
        libc::F_RDLCK as i16
    };
    range.l_whence = libc::SEEK_SET as i16;
    range.l_start = lock.start;
    range.l_len = lock.bytes;
    // SAFETY: reads one `struct flock`.
    let result = unsafe { libc::fcntl(number, command, &raw const range) };
    if result == 0 {
        Ok(())
    } else {
        Err(last_error())
    }
}

/// Takes a lease, F_SETLEASE.
pub(crate) fn lease(number: RawFd, is_exclusive: bool) -> Result<(), Errno> {
    let kind = if is_exclusive {
        libc::F_WRLCK
    } else {
        libc::F_RDLCK
    };
    // SAFETY: takes no pointer.
    let result = unsafe { libc::fcntl(number, libc::F_SETLEASE, kind) };
    if result == 0 {
        Ok(())
    } else {
        Err(last_error())
    }
}

/// A signalfd(2) for `mask`, a kernel signal set.
pub(crate) fn signalfd(mask: u64) -> Result<OwnedFd, Errno> {
    // SAFETY: a kernel signal set of 8 bytes; the descriptor that comes back is nobody's yet.
    unsafe {
        let made = libc::syscall(libc::SYS_signalfd4, -1, &raw const mask, 8, 0);
        match i32::try_from(made) {
            Ok(made) if made >= 0 => Ok(OwnedFd::from_raw_fd(made)),
            _ => Err(last_error()),
        }
    }
}

/// Tells a timer how often it has expired since it was last read; needs a kernel with CONFIG_CHECKPOINT_RESTORE.
pub(crate) fn set_timer_ticks(timer: &OwnedFd, ticks: u64) -> Result<(), Errno> {
    /// TFD_IOC_SET_TICKS of linux/timerfd.h: _IOW('T', 0, __u64).
    const TFD_IOC_SET_TICKS: u64 = 0x4008_5400;
    // SAFETY: the ioctl reads one 64-bit number.
    let result = unsafe { libc::ioctl(timer.as_raw_fd(), TFD_IOC_SET_TICKS, &raw const ticks) };
    if result == 0 {
        Ok(())
    } else {
        Err(last_error())
    }
}

fn last_error() -> Errno {
    let error = std::io::Error::last_os_error();
    Errno::from_io_error(&error).unwrap_or(Errno::IO)
}

/// Terminals: ioctl(2) requests of ioctl_tty(2), of which each reads or writes what it is given a pointer to.
pub(crate) mod terminal {
    use super::{Errno, FromRawFd, OwnedFd, RawFd, last_error};

    /// Bytes of `struct termios2`.
    const MODES_BYTES: usize = 44;

    fn ask<T>(end: RawFd, request: u64, value: &mut T) -> Result<i32, Errno> {
        // SAFETY: the callers below pass what each request is defined to read or write.
        let result = unsafe { libc::ioctl(end, request, std::ptr::from_mut(value)) };
        if result < 0 {
            Err(last_error())
        } else {
            Ok(result)
        }
    }

    /// N of /dev/pts/N, of a master.
    pub(crate) fn number(end: RawFd) -> Result<u32, Errno> {
        let mut number = 0_u32;
        ask(end, libc::TIOCGPTN, &mut number)?;
        Ok(number)
    }

    pub(crate) fn modes(end: RawFd) -> Result<Vec<u8>, Errno> {
        let mut modes = [0_u8; MODES_BYTES];
        ask(end, libc::TCGETS2, &mut modes)?;
        Ok(modes.to_vec())
    }

    pub(crate) fn set_modes(end: RawFd, modes: &[u8]) -> Result<(), Errno> {
        let mut modes: [u8; MODES_BYTES] = modes.try_into().map_err(|_| Errno::INVAL)?;
        ask(end, libc::TCSETS2, &mut modes).map(drop)
    }

    pub(crate) fn window(end: RawFd) -> Result<[u16; 4], Errno> {
        let mut window = [0_u16; 4];
        ask(end, libc::TIOCGWINSZ, &mut window)?;
        Ok(window)
    }

    pub(crate) fn set_window(end: RawFd, mut window: [u16; 4]) -> Result<(), Errno> {
        ask(end, libc::TIOCSWINSZ, &mut window).map(drop)
    }

    pub(crate) fn has_packets(end: RawFd) -> Result<bool, Errno> {
        let mut packets = 0_i32;
        ask(end, libc::TIOCGPKT, &mut packets)?;
        Ok(packets != 0)
    }

    pub(crate) fn set_packets(end: RawFd, packets: bool) -> Result<(), Errno> {
        ask(end, libc::TIOCPKT, &mut i32::from(packets)).map(drop)
    }

    pub(crate) fn unlock(end: RawFd) -> Result<(), Errno> {
        ask(end, libc::TIOCSPTLCK, &mut 0_i32).map(drop)
    }

    /// Opens the slave of a master, wherever it has its name.
    pub(crate) fn peer(end: RawFd, flags: u32) -> Result<OwnedFd, Errno> {
        /// TIOCGPTPEER of asm-generic/ioctls.h.
        const TIOCGPTPEER: u64 = 0x5441;
        // SAFETY: takes flags by value; the descriptor that comes back is nobody's yet.
        unsafe {
            let opened = libc::ioctl(end, TIOCGPTPEER, flags);
            if opened < 0 {
                return Err(last_error());
            }
            Ok(OwnedFd::from_raw_fd(opened))
        }
    }
}
