//! System calls that wait, steered so that a checkpoint can interrupt them without the program noticing.
//!
//! ```text
//!   poll(fds, n, 500)              -> ppoll(fds, n, room, 0)          the kernel writes what is left of the time
//!   nanosleep(time, NULL)          -> nanosleep(time, room)           likewise
//!   epoll_wait(set, ev, n, 500)    -> as it is, room[1] := now        `call_again` subtracts what has gone
//!   sigsuspend(mask)               -> sigsuspend(room)                without the checkpoint signal, which is to interrupt it
//! ```
//!
//! All are made by the trampoline, in upper code, and with its `changed` way back: so the frame of the hook stays in the red
//! zone below it, and `call_again` finds there which call it is. A call that cannot wait (a limit of 0) goes straight on.
//!
//! Of futex(2), which is frequent, the entry's assembly lets pass what does not wait, or waits without a limit.
//!
//! Where the signal set of epoll_pwait(2), epoll_pwait2(2) or pselect6(2) has the checkpoint signal in it, r8 is not brought
//! back, and the pair that r9 points to is changed: libc's functions, which make these calls, do not use them again.

use super::{Outcome, SystemCall, clocks};
use crate::{clock, numbers, signals};

/// Those whose sites get a trampoline.
pub(super) const STEERED: [i64; 14] = [
    libc::SYS_poll,
    libc::SYS_ppoll,
    libc::SYS_select,
    libc::SYS_pselect6,
    libc::SYS_epoll_wait,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2,
    libc::SYS_nanosleep,
    libc::SYS_clock_nanosleep,
    libc::SYS_rt_sigtimedwait,
    libc::SYS_rt_sigsuspend,
    libc::SYS_semtimedop,
    libc::SYS_futex,
    libc::SYS_futex_waitv,
];

/// The futex(2) operations that wait and can be gone on with when a signal has ended them, one bit each.
pub(crate) const FUTEX_WAITS: u32 = 1 << libc::FUTEX_WAIT
    | 1 << libc::FUTEX_WAIT_BITSET
    | 1 << libc::FUTEX_LOCK_PI
    | 1 << libc::FUTEX_LOCK_PI2
    | 1 << libc::FUTEX_WAIT_REQUEUE_PI;

/// Which word of the room says when the wait began.
pub(crate) const BEGAN: usize = 1;

pub(super) fn is_wait(number: i64) -> bool {
    STEERED.contains(&number)
}

/// Prepares a call that waits.
pub(super) fn dispatch(call: &mut SystemCall) -> Outcome {
    let [rdi, rsi, rdx, r10, r8, _] = call.args;
    match call.number {
        libc::SYS_poll => match rdx as i32 {
            0 => return Outcome::unchanged(call),
            milliseconds @ 1.. => {
                call.room = [
                    milliseconds as u64 / 1000,
                    milliseconds as u64 % 1000 * 1_000_000,
                ];
                call.number = libc::SYS_ppoll;
                call.sent.rdx = call.room_address();
                call.sent.r10 = 0;
            }
            _ => {}
        },
        libc::SYS_epoll_wait | libc::SYS_epoll_pwait if r10 as i32 == 0 => {
            return Outcome::unchanged(call);
        }
        libc::SYS_nanosleep if rsi == 0 => call.sent.rsi = call.room_address(),
        libc::SYS_clock_nanosleep if r10 == 0 && rsi & libc::TIMER_ABSTIME as u64 == 0 => {
            call.sent.r10 = call.room_address();
        }
        libc::SYS_ppoll => call.sent.r10 = without_checkpoint_signal(call, r10, r8),
        libc::SYS_rt_sigtimedwait => {
            call.sent.rdi = without_checkpoint_signal(call, rdi, r10);
        }
        libc::SYS_rt_sigsuspend => call.sent.rdi = without_checkpoint_signal(call, rdi, rsi),
        libc::SYS_pselect6 => shield_pair(call),
        _ => {}
    }
    if matches!(call.number, libc::SYS_epoll_pwait | libc::SYS_epoll_pwait2) {
        call.args[4] = without_checkpoint_signal(call, r8, call.args[5]);
    }
    clocks::send_deadline(call);
    if has_span(call) {
        call.room[BEGAN] = clock::now_ns() as u64;
    }
    if call.number == libc::SYS_rt_sigtimedwait && numbers::differ() {
        return Outcome::changed_and_after(call);
    }
    Outcome::changed(call)
}

/// A call of rt_sigtimedwait(2) is over: a signal's sender is told as the program knows it. The result is in the place of the
/// number.
pub(super) fn after(call: &SystemCall) {
    let info = call.args[1];
    if call.number > 0 && info != 0 {
        // SAFETY: the kernel has just written it there.
        unsafe { numbers::tell_sender(info as *mut libc::siginfo_t) };
    }
}

/// Whether `call_again` has to know when the call began.
fn has_span(call: &SystemCall) -> bool {
    let [_, rsi, rdx, r10, ..] = call.args;
    match call.number {
        libc::SYS_epoll_wait | libc::SYS_epoll_pwait => r10 as i32 > 0,
        libc::SYS_epoll_pwait2 | libc::SYS_semtimedop => r10 != 0,
        libc::SYS_futex => rsi as i32 & libc::FUTEX_CMD_MASK == libc::FUTEX_WAIT,
        libc::SYS_rt_sigtimedwait => rdx != 0,
        _ => false,
    }
}

/// Whether an interrupted call has to come to the hook again: after a restart the point in time that was sent is another one.
pub(crate) fn has_deadline(call: &SystemCall) -> bool {
    clocks::deadline(call.number, &call.args).is_some()
}

/// Takes the checkpoint signal out of pselect6(2)'s set, whose address and length are a pair in libc's frame.
fn shield_pair(call: &mut SystemCall) {
    let pair = call.args[5] as *mut [u64; 2];
    let above = (pair as usize).wrapping_sub(std::ptr::from_ref(call) as usize);
    if above >= FRAME_OF_LIBC_BYTES {
        return;
    }
    // SAFETY: on this stack, above the hook's frame: the application's, which the kernel reads next.
    let [set, bytes] = unsafe { pair.read_unaligned() };
    let shielded = without_checkpoint_signal(call, set, bytes);
    if shielded != set {
        // SAFETY: as above; a stack is writable.
        unsafe { pair.write_unaligned([shielded, bytes]) };
    }
}

/// How far above the hook's frame that of libc's pselect(3) ends, at most.
const FRAME_OF_LIBC_BYTES: usize = 4096;

/// The address of a copy of the signal set at `set` without the checkpoint signal; `set` itself if that is not in it.
///
/// A thread that blocked that signal would be in no checkpoint, and one that waits for it would get it as its own.
fn without_checkpoint_signal(call: &mut SystemCall, set: u64, bytes: u64) -> u64 {
    if set == 0 || bytes != size_of::<u64>() as u64 {
        return set;
    }
    // SAFETY: the application's pointer to a kernel signal set, as natively.
    let asked = unsafe { (set as *const u64).read_unaligned() };
    if asked & signals::checkpoint_bit() == 0 {
        return set;
    }
    call.room[0] = asked & !signals::checkpoint_bit();
    call.room_address()
}
