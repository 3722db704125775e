//! Signals that are pending: sent, but blocked. The kernel lets nobody look at one without taking it.
//!
//! ```text
//!   cut      on each thread: rt_sigtimedwait takes each of its own, with its siginfo; the main thread, those of the process too
//!            and queues them again: the job may run on
//!   restart  each thread queues its own, the main thread those of the process: a siginfo may be forged for oneself only
//! ```
//!
//! # Safety
//! On the thread whose signals they are, with the lower TLS live and all signals blocked, or those that are pending.
#![expect(unsafe_code, reason = "system calls about signals")]

use std::fs;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::proc_status::Status;
use crate::{numbers, signals, sys};

/// The kernel's siginfo_t, 128 bytes.
type Info = [u64; 16];

/// A signal that is pending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingSignal {
    signal: i32,
    /// Whether it is the process', and not one thread's.
    of_process: bool,
    info: Info,
}

/// The signals that are pending for the calling thread and, if it is the main thread, for the process.
///
/// # Errors
/// [`Error::Os`] when the kernel does not answer, or has no room to queue them again.
pub(crate) fn pending() -> Result<Vec<PendingSignal>> {
    let mut found = Vec::new();
    if !are_some_pending() {
        return Ok(found);
    }
    take(&mut found, false)?;
    if sys::gettid() == sys::getpid() {
        take(&mut found, true)?;
    }
    queue(&found)?;
    Ok(found)
}

/// The cheap question first: mostly there are none.
fn are_some_pending() -> bool {
    let mut set = 0_u64;
    let args = [(&raw mut set) as u64, size_of::<u64>() as u64, 0, 0, 0, 0];
    // SAFETY: writes a kernel signal set.
    unsafe { sys::raw(libc::SYS_rt_sigpending, args) };
    set & !signals::checkpoint_bit() != 0
}

/// Takes all that are pending for this thread or for the process. One that is pending for both is the thread's first.
fn take(found: &mut Vec<PendingSignal>, of_process: bool) -> Result<()> {
    loop {
        let [own, shared] = sets()?;
        let set = if of_process { shared & !own } else { own };
        if set == 0 {
            return Ok(());
        }
        let mut info: Info = [0; 16];
        let no_time = [0_u64; 2];
        let args = [
            (&raw const set) as u64,
            info.as_mut_ptr() as u64,
            no_time.as_ptr() as u64,
            size_of::<u64>() as u64,
            0,
            0,
        ];
        // SAFETY: reads a kernel signal set and a timespec, writes a siginfo_t; all three are locals.
        match unsafe { sys::call(libc::SYS_rt_sigtimedwait, args) } {
            Ok(signal) => {
                // SAFETY: a siginfo_t, which the kernel has just written.
                unsafe { numbers::tell_sender(info.as_mut_ptr().cast()) };
                found.push(PendingSignal {
                    signal: signal as i32,
                    of_process,
                    info,
                });
            }
            // It is gone: another thread has taken it.
            Err(sys::Errno(libc::EAGAIN)) => {}
            Err(errno) => return Err(Error::raw("taking a pending signal", errno)),
        }
    }
}

/// The sets of blocked signals that are pending for this thread and for its process, without those that are mana's own.
fn sets() -> Result<[u64; 2]> {
    let path = "/proc/thread-self/status";
    let status = fs::read_to_string(path).map_err(|source| Error::Os {
        what: format!("reading {path}"),
        source,
    })?;
    let status = Status::from_text(status);
    let taken = status.signals("SigBlk:") & !signals::checkpoint_bit();
    Ok(["SigPnd:", "ShdPnd:"].map(|set| status.signals(set) & taken))
}

/// Queues signals for the calling thread, or, on the main thread, its process.
///
/// # Errors
/// [`Error::Os`] when there is no room for them (RLIMIT_SIGPENDING).
pub(crate) fn queue(pending: &[PendingSignal]) -> Result<()> {
    let (pid, tid) = (sys::getpid() as u64, sys::gettid() as u64);
    for PendingSignal {
        signal,
        of_process,
        info,
    } in pending
    {
        let (signal_word, info) = (*signal as u64, info.as_ptr() as u64);
        let (number, args) = if *of_process {
            (libc::SYS_rt_sigqueueinfo, [pid, signal_word, info, 0, 0, 0])
        } else {
            (
                libc::SYS_rt_tgsigqueueinfo,
                [pid, tid, signal_word, info, 0, 0],
            )
        };
        // SAFETY: reads a siginfo_t.
        unsafe { sys::call(number, args) }.map_err(|errno| {
            Error::raw(
                &format!("queueing the pending signal {signal} again"),
                errno,
            )
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_pending_is_found_and_stays() {
        let usr1 = 1_u64 << (libc::SIGUSR1 - 1);
        let old = signals::change_mask(libc::SIG_BLOCK, usr1);
        let mut info: Info = [0; 16];
        // si_signo, si_errno; si_code SI_QUEUE; the value.
        info[0] = libc::SIGUSR1 as u64;
        info[1] = u64::from(libc::SI_QUEUE as u32);
        info[3] = 77;
        let sent = PendingSignal {
            signal: libc::SIGUSR1,
            of_process: false,
            info,
        };
        queue(&[sent]).unwrap();
        assert_eq!(pending().unwrap(), [sent]);
        assert_eq!(pending().unwrap(), [sent], "it is still there");
        let mut taken = Vec::new();
        take(&mut taken, false).unwrap();
        assert_eq!(taken, [sent]);
        assert_eq!(pending().unwrap(), []);
        signals::change_mask(libc::SIG_SETMASK, old);
    }
}
