//! A system call that the checkpoint signal has ended with EINTR is made again.
//!
//! ```text
//!   mov $232, %eax      <- which call it was can be read here
//!   syscall             <- RIP goes back to here, RAX is 232 again
//!   ...                 <- RIP in the signal's frame, RAX is -EINTR
//! ```
//!
//! The kernel does that itself where SA_RESTART is defined to (signal(7)), but not for poll(2), epoll_wait(2), select(2), sleeps
//! and the like: a program without signal handlers has never seen EINTR from these. Waits without a limit, and those that
//! have a point in time for a limit, are made again as they were; sleeps that tell what is left sleep for that. What cannot be
//! told apart from a call that a signal of the program itself has ended, or knows no rest of its time, ends early.
//!
//! # Safety
//! In the handler of the checkpoint signal, with either TLS live: no allocation, no panic, no thread-local. The signal's frame
//! is this thread's own, and RIP was in upper code, so the bytes before it can be read.
#![expect(unsafe_code, reason = "reads code and changes a signal's frame")]

use crate::sys;

/// `syscall`.
const SYSCALL: [u8; 2] = [0x0f, 0x05];
/// `mov $imm32, %eax`.
const MOV_EAX: u8 = 0xb8;

/// The registers of a call.
struct Call {
    number: i64,
    /// rdi, rsi, rdx, r10, r8.
    args: [i64; 5],
}

/// Sets the frame back to before the call that the signal has ended, if that is what happened.
///
/// # Safety
/// `context` is the frame of the signal being handled, all other signals are blocked, and RIP was in upper code.
pub(crate) unsafe fn make_again(context: *mut libc::ucontext_t) {
    // SAFETY: the caller's frame.
    let context = unsafe { &mut *context };
    let registers = &mut context.uc_mcontext.gregs;
    let of = |register: i32| register as usize;
    let rip = registers[of(libc::REG_RIP)] as usize;
    if registers[of(libc::REG_RAX)] != -i64::from(libc::EINTR) {
        return;
    }
    // Code at the very beginning of a page need not have another before it, and no call returns there.
    if rip % 4096 < 8 {
        return;
    }
    // SAFETY: upper code, on the same page as RIP.
    let Some(number) = (unsafe { number_before(rip) }) else {
        return;
    };
    let call = Call {
        number,
        args: [
            libc::REG_RDI,
            libc::REG_RSI,
            libc::REG_RDX,
            libc::REG_R10,
            libc::REG_R8,
        ]
        .map(|register| registers[of(register)]),
    };
    let Some(again) = again(&call) else { return };
    if others_are_pending(&context.uc_sigmask) {
        return;
    }
    registers[of(libc::REG_RAX)] = again.number;
    registers[of(libc::REG_RDI)] = again.args[0];
    registers[of(libc::REG_RDX)] = again.args[2];
    registers[of(libc::REG_RIP)] = (rip - SYSCALL.len()) as i64;
}

/// The number of the call that returns to `rip`, where the instruction before it says so.
///
/// # Safety
/// The eight bytes before `rip` can be read.
unsafe fn number_before(rip: usize) -> Option<i64> {
    // SAFETY: the caller's contract.
    let code = unsafe { *((rip - 8) as *const [u8; 8]) };
    number_in(code)
}

/// The number in `?? b8 imm32 0f 05`. A prefix before the `mov` would make it one to another register.
///
/// `steer::sites` tells the numbers of more calls, but by decoding, which wants more stack than a thread may have left for a
/// signal, and with code between the two instructions that somebody may jump into: here a wrong number would be made a call.
fn number_in(code: [u8; 8]) -> Option<i64> {
    let [before, mov, n0, n1, n2, n3, last @ ..] = code;
    let has_prefix = (0x40..0x50).contains(&before);
    let number = i32::from_le_bytes([n0, n1, n2, n3]);
    (mov == MOV_EAX && last == SYSCALL && !has_prefix).then_some(i64::from(number))
}

/// The call to make instead, if the one that was ended can be gone on with.
fn again(call: &Call) -> Option<Call> {
    let Call {
        number,
        args: [rdi, rsi, rdx, r10, r8],
    } = *call;
    let same = Some(Call {
        number,
        args: call.args,
    });
    match number {
        libc::SYS_poll if (rdx as i32) < 0 => same,
        libc::SYS_epoll_wait | libc::SYS_epoll_pwait if (r10 as i32) < 0 => same,
        libc::SYS_ppoll | libc::SYS_rt_sigtimedwait if rdx == 0 => same,
        libc::SYS_select | libc::SYS_pselect6 if r8 == 0 => same,
        libc::SYS_semtimedop if r10 == 0 => same,
        libc::SYS_pause | libc::SYS_semop | libc::SYS_msgsnd | libc::SYS_msgrcv => same,
        libc::SYS_futex if has_deadline(rsi) => same,
        // The kernel has written what is left to where the program wants it.
        libc::SYS_nanosleep if rsi != 0 => Some(Call {
            number,
            args: [rsi, rsi, rdx, r10, r8],
        }),
        libc::SYS_clock_nanosleep if rsi & i64::from(libc::TIMER_ABSTIME) != 0 => same,
        libc::SYS_clock_nanosleep if r10 != 0 => Some(Call {
            number,
            args: [rdi, rsi, r10, r10, r8],
        }),
        _ => None,
    }
}

/// Whether a futex(2) operation waits until a point in time rather than for a span.
fn has_deadline(operation: i64) -> bool {
    matches!(
        operation as i32 & libc::FUTEX_CMD_MASK,
        libc::FUTEX_WAIT_BITSET | libc::FUTEX_LOCK_PI | libc::FUTEX_WAIT_REQUEUE_PI
    )
}

/// Whether a signal of the program is about to be delivered: then EINTR is meant for it.
fn others_are_pending(blocked: &libc::sigset_t) -> bool {
    let mut pending = 0_u64;
    let args = [(&raw mut pending) as u64, 8, 0, 0, 0, 0];
    // SAFETY: rt_sigpending(2) writes a kernel signal set of 8 bytes.
    unsafe { sys::raw(libc::SYS_rt_sigpending, args) };
    // SAFETY: a signal set begins with the kernel's 8 bytes.
    let blocked = unsafe { *std::ptr::from_ref(blocked).cast::<u64>() };
    pending & !blocked != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_is_read_from_the_code() {
        let poll = [0x90, 0xb8, 7, 0, 0, 0, 0x0f, 0x05];
        assert_eq!(number_in(poll), Some(libc::SYS_poll));
        let to_r8 = [0x41, 0xb8, 7, 0, 0, 0, 0x0f, 0x05];
        assert_eq!(number_in(to_r8), None);
        let no_call = [0x90, 0xb8, 7, 0, 0, 0, 0x0f, 0x0b];
        assert_eq!(number_in(no_call), None);
    }

    #[test]
    fn only_what_loses_no_time_is_made_again() {
        let call = |number, args| again(&Call { number, args }).map(|call| call.args);
        assert_eq!(
            call(libc::SYS_poll, [1, 2, -1, 0, 0]),
            Some([1, 2, -1, 0, 0])
        );
        assert_eq!(call(libc::SYS_poll, [1, 2, 500, 0, 0]), None);
        assert_eq!(
            call(libc::SYS_nanosleep, [10, 20, 0, 0, 0]),
            Some([20, 20, 0, 0, 0])
        );
        assert_eq!(call(libc::SYS_nanosleep, [10, 0, 0, 0, 0]), None);
        assert_eq!(
            call(libc::SYS_clock_nanosleep, [1, 0, 10, 20, 0]),
            Some([1, 0, 20, 20, 0])
        );
        assert_eq!(call(libc::SYS_read, [0; 5]), None);
    }
}
