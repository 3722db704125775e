//! A system call that the checkpoint signal has ended with EINTR is made again.
//!
//! ```text
//!   mov $232, %eax      <- which call it was can be read here
//!   syscall             <- RIP goes back to here, RAX is 232 again
//!   ...                 <- RIP in the signal's frame, RAX is -EINTR
//! ```
//!
//! The kernel does that itself where SA_RESTART is defined to (signal(7)), but not for poll(2), epoll_wait(2), select(2), sleeps
//! and the like: a program without signal handlers has never seen EINTR from these. They go on:
//! - without a limit, or with a point in time for one: as they were;
//! - where the kernel writes what is left of the time: with that;
//! - where `hooks::waits` has noted when they began: with what is left.
//!
//! ```text
//!   trampoline     changed: syscall      <- RIP goes back to here, RAX is the frame's number again
//!                           mov …(%rsp)  <- RIP in the signal's frame, RAX is -EINTR
//!   below RSP      the hook's frame: the number, and what it has noted
//! ```
//!
//! A point in time of a clock that goes on differently after a restart is told to the kernel by the hook, and so is the number
//! of a process: such a call goes back to before that, also where the kernel is about to make it again by itself.
//!
//! What a wait for a child has just returned is told at once, with the program's number.
//!
//! A call that waits for a child, made before there was anything to do for the hook (`leave`), goes back to before the hook, too:
//! after a restart there may be ([`crate::children`]).
//!
//! What cannot be told apart from a call that a signal of the program itself has ended, or knows no rest of its time, ends early.
//!
//! # Safety
//! In the handler of the checkpoint signal, with either TLS live: no allocation, no panic, no thread-local. The signal's frame
//! is this thread's own, and RIP was in upper code, so the bytes before it can be read. In the trampolines' `changed` the
//! hook's frame is below RSP, in the red zone, which no signal's frame touches.
#![expect(unsafe_code, reason = "reads code and changes a signal's frame")]

use crate::hooks::numbers::{names_processes, tell_early};
use crate::hooks::waits::{BEGAN, has_deadline};
use crate::hooks::{SystemCall, WAITS_FOR_CHILDREN};
use crate::numbers::has_family;
use crate::steer::{
    AFTER_OFFSET, CALL_BYTES, CHANGED_OFFSET, FRAME_BYTES, RESTORE_FIRST, SYSCALL_OF_AFTER,
    TO_LEAVE,
};
use crate::{clock, sys};

/// `syscall`.
const SYSCALL: [u8; 2] = [0x0f, 0x05];
/// `mov $imm32, %eax`.
const MOV_EAX: u8 = 0xb8;

/// Where a call's arguments are; none of those that go on after a signal has six.
const ARGUMENTS: [i32; 5] = [
    libc::REG_RDI,
    libc::REG_RSI,
    libc::REG_RDX,
    libc::REG_R10,
    libc::REG_R8,
];

/// How many registers a signal's frame has.
const REGISTERS: usize = 23;

/// The registers of a call.
struct Call {
    number: i64,
    /// rdi, rsi, rdx, r10, r8.
    args: [i64; 5],
}

/// A call that is made again, and when it was ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ended {
    at_ns: i64,
}

/// Sets the frame back to before the call that the signal has ended, if that is what happened.
///
/// # Safety
/// `context` is the frame of the signal being handled, all other signals are blocked, and RIP was in upper code.
pub(crate) unsafe fn make_again(context: *mut libc::ucontext_t) -> Option<Ended> {
    // SAFETY: the caller's frame.
    let context = unsafe { &mut *context };
    let registers = &mut context.uc_mcontext.gregs;
    let of = |register: i32| register as usize;
    let rip = registers[of(libc::REG_RIP)] as usize;
    tell_child(registers);
    // SAFETY: the caller's frame and promises.
    if unsafe { is_before_told(registers) } {
        back_to_hook(registers, rip);
        return None;
    }
    if let Some(hook) = before_wait_for_child(registers) {
        registers[of(libc::REG_RIP)] = hook;
        return None;
    }
    if registers[of(libc::REG_RAX)] != -i64::from(libc::EINTR) {
        return None;
    }
    // SAFETY: upper code, to which a call has just returned.
    let frame = if unsafe { is_changed(rip) } {
        let frame = registers[of(libc::REG_RSP)] as usize - FRAME_BYTES;
        // SAFETY: the hook's frame, which is nobody else's while the thread is here.
        Some(unsafe { &mut *(frame as *mut SystemCall) })
    } else {
        None
    };
    let number = match &frame {
        Some(frame) => Some(frame.number),
        // Code at the very beginning of a page need not have another before it, and no call returns there.
        None if rip % 4096 < 8 => None,
        // SAFETY: upper code, on the same page as RIP.
        None => unsafe { number_before(rip) },
    };
    let call = Call {
        number: number?,
        args: ARGUMENTS.map(|register| registers[of(register)]),
    };
    if others_are_pending(&context.uc_sigmask) {
        return None;
    }
    if frame.as_ref().is_some_and(|frame| is_for_hook(frame)) {
        back_to_hook(registers, rip - SYSCALL.len());
        return None;
    }
    let rest = frame.and_then(|frame| with_rest(&call, frame));
    let again = rest.or_else(|| again(&call))?;
    registers[of(libc::REG_RAX)] = again.number;
    registers[of(libc::REG_RDI)] = again.args[0];
    registers[of(libc::REG_RDX)] = again.args[2];
    registers[of(libc::REG_R10)] = again.args[3];
    registers[of(libc::REG_RIP)] = (rip - SYSCALL.len()) as i64;
    Some(Ended {
        at_ns: clock::now_ns(),
    })
}

/// A handler of the program is about to run on top of this frame, and a checkpoint may come then: no number of the kernel's is to
/// stay in it.
///
/// # Safety
/// As for [`make_again`].
pub(crate) unsafe fn leave_no_number(context: *mut libc::ucontext_t) {
    if !has_family() {
        return;
    }
    // SAFETY: the caller's frame.
    let registers = unsafe { &mut (*context).uc_mcontext.gregs };
    tell_child(registers);
    let rip = registers[libc::REG_RIP as usize] as usize;
    // SAFETY: the caller's promises.
    if unsafe { is_before_told(registers) } {
        back_to_hook(registers, rip);
    }
}

/// A wait for a child that has just returned to `after` tells its number at once: after a restart the kernel's means somebody else.
fn tell_child(registers: &mut [libc::greg_t; REGISTERS]) {
    let result = registers[libc::REG_RAX as usize];
    if !has_family() || result < 0 {
        return;
    }
    let call = registers[libc::REG_RIP as usize] as u64 - SYSCALL.len() as u64;
    if sys::read_bytes(call) == Some(SYSCALL_OF_AFTER) {
        let frame = registers[libc::REG_RSP as usize] as usize - FRAME_BYTES;
        // SAFETY: the hook's frame, in `after`, which is nobody else's while the thread is here.
        let frame = unsafe { &mut *(frame as *mut SystemCall) };
        registers[libc::REG_RAX as usize] = tell_early(frame, result);
    }
}

/// Whether the thread is right before a system call of `changed` or `after` for which the hook has told a point in time or the
/// number of a process.
///
/// # Safety
/// As for [`make_again`].
unsafe fn is_before_told(registers: &[libc::greg_t; REGISTERS]) -> bool {
    let of = |register: i32| registers[register as usize];
    let with_deadlines = [
        libc::SYS_futex,
        libc::SYS_futex_waitv,
        libc::SYS_clock_nanosleep,
    ];
    let number = of(libc::REG_RAX);
    let names_process = WAITS_FOR_CHILDREN.contains(&number) || names_processes(number);
    if !names_process && !with_deadlines.contains(&number) {
        return false;
    }
    let rip = of(libc::REG_RIP) as usize;
    // SAFETY: the instruction at RIP; one that begins with 0f has a second byte.
    let is_call =
        unsafe { *(rip as *const u8) == SYSCALL[0] && *((rip + 1) as *const u8) == SYSCALL[1] };
    // SAFETY: all of these calls return, so code follows.
    if !is_call || !unsafe { is_changed(rip + SYSCALL.len()) } {
        return false;
    }
    let frame = of(libc::REG_RSP) as usize - FRAME_BYTES;
    // SAFETY: the hook's frame, in `changed`.
    names_process || has_deadline(unsafe { &*(frame as *const SystemCall) })
}

/// Where the trampoline is about to call the hook, if the thread is right before a system call of its `leave` that waits for a
/// child.
fn before_wait_for_child(registers: &[libc::greg_t; REGISTERS]) -> Option<i64> {
    if !WAITS_FOR_CHILDREN.contains(&registers[libc::REG_RAX as usize]) {
        return None;
    }
    let rip = registers[libc::REG_RIP as usize];
    let start = rip - TO_LEAVE.len() as i64;
    let code = sys::read_bytes::<{ TO_LEAVE.len() }>(start as u64)?;
    let mut known = code.iter().zip(&TO_LEAVE);
    known
        .all(|(byte, expected)| expected.is_none_or(|expected| *byte == expected))
        .then_some(start)
}

/// Whether the hook is to prepare the call anew: after a restart it sends another point in time, or has a look at the result.
fn is_for_hook(frame: &SystemCall) -> bool {
    let is_without_limit = frame.args[2] == 0;
    has_deadline(frame) || frame.number == libc::SYS_rt_sigtimedwait && is_without_limit
}

/// From the system call of `changed` or `after` at `call` back to before the trampoline's call of the hook.
fn back_to_hook(registers: &mut [libc::greg_t; REGISTERS], call: usize) {
    let frame = registers[libc::REG_RSP as usize] as usize - FRAME_BYTES;
    // SAFETY: the code behind the system call, which is at least as long as this in both.
    let behind = unsafe { ((call + SYSCALL.len()) as *const [u8; 5]).read() };
    let from_hook = if behind == SYSCALL_OF_AFTER[SYSCALL.len()..] {
        AFTER_OFFSET
    } else {
        CHANGED_OFFSET
    };
    // SAFETY: the hook's frame, in `changed`.
    let frame = unsafe { &*(frame as *const SystemCall) };
    let mut set = |register: i32, value: u64| registers[register as usize] = value as i64;
    set(libc::REG_RAX, frame.number as u64);
    set(libc::REG_RDI, frame.args[0]);
    set(libc::REG_RSI, frame.args[1]);
    set(libc::REG_RDX, frame.args[2]);
    set(libc::REG_R10, frame.args[3]);
    set(libc::REG_RIP, (call - from_hook - CALL_BYTES) as u64);
}

/// The process goes on as it is, and the time in which the thread stood still has gone for the call, too: otherwise a program
/// that is saved all the time would wait for ever.
///
/// # Safety
/// As for [`make_again`], which has set the frame back.
pub(crate) unsafe fn catch_up(context: *mut libc::ucontext_t, ended: Ended) {
    // SAFETY: the caller's frame.
    let registers = unsafe { &mut (*context).uc_mcontext.gregs };
    let of = |register: i32| register as usize;
    let call = Call {
        number: registers[of(libc::REG_RAX)],
        args: ARGUMENTS.map(|register| registers[of(register)]),
    };
    let now = clock::now_ns();
    let gone = now.saturating_sub(ended.at_ns);
    let frame = registers[of(libc::REG_RSP)] as usize - FRAME_BYTES;
    let near = |at: i64| (frame..frame + NEAR_BYTES).contains(&(at as usize));
    match limit(&call) {
        Limit::None => {}
        Limit::Milliseconds(left) => {
            registers[of(libc::REG_R10)] = (left - gone / 1_000_000).max(0);
        }
        // SAFETY: where the kernel, or `shorten`, has written it; on this stack, which is writable.
        Limit::Timespec(at) if near(at) => unsafe {
            let span = at as *mut libc::timespec;
            let left = clock::nanoseconds(span.read_unaligned()).saturating_sub(gone);
            span.write_unaligned(clock::timespec(left.max(0)));
        },
        // SAFETY: as above.
        Limit::Timeval(at) if near(at) => unsafe {
            let span = at as *mut libc::timeval;
            let libc::timeval { tv_sec, tv_usec } = span.read_unaligned();
            let left = clock::nanoseconds(libc::timespec {
                tv_sec,
                tv_nsec: tv_usec * 1000,
            });
            let left = clock::timespec(left.saturating_sub(gone).max(0));
            span.write_unaligned(libc::timeval {
                tv_sec: left.tv_sec,
                tv_usec: left.tv_nsec / 1000,
            });
        },
        // In memory that need not be writable: a span that is longer than it must be does no harm.
        Limit::Timespec(_) | Limit::Timeval(_) => {}
    }
    let rip = registers[of(libc::REG_RIP)] as usize + SYSCALL.len();
    // SAFETY: `make_again` has set RIP back to the system call before it.
    if unsafe { is_changed(rip) } && has_beginning(&call) {
        // SAFETY: the hook's frame.
        unsafe { (*(frame as *mut SystemCall)).room[BEGAN] = now as u64 };
    }
}

/// How far above the hook's frame a limit counts as being on the same stack: libc's copies are in the next function's frame.
const NEAR_BYTES: usize = 4096;

/// How a call that is made again tells what is left of its time.
#[derive(Debug, PartialEq, Eq)]
enum Limit {
    None,
    /// In r10.
    Milliseconds(i64),
    /// At an address.
    Timespec(i64),
    Timeval(i64),
}

fn limit(call: &Call) -> Limit {
    let [rdi, rsi, rdx, r10, r8] = call.args;
    let timespec = |at| match at {
        0 => Limit::None,
        at => Limit::Timespec(at),
    };
    match call.number {
        libc::SYS_epoll_wait | libc::SYS_epoll_pwait if r10 as i32 > 0 => {
            Limit::Milliseconds(i64::from(r10 as i32))
        }
        libc::SYS_nanosleep => timespec(rdi),
        libc::SYS_clock_nanosleep if rsi & i64::from(libc::TIMER_ABSTIME) == 0 => timespec(rdx),
        libc::SYS_ppoll | libc::SYS_rt_sigtimedwait => timespec(rdx),
        libc::SYS_pselect6 => timespec(r8),
        libc::SYS_select if r8 != 0 => Limit::Timeval(r8),
        libc::SYS_epoll_pwait2 | libc::SYS_semtimedop => timespec(r10),
        libc::SYS_futex if rsi as i32 & libc::FUTEX_CMD_MASK == libc::FUTEX_WAIT => timespec(r10),
        _ => Limit::None,
    }
}

/// Whether the hook has noted when the call began.
fn has_beginning(call: &Call) -> bool {
    let noted = [
        libc::SYS_epoll_wait,
        libc::SYS_epoll_pwait,
        libc::SYS_epoll_pwait2,
        libc::SYS_rt_sigtimedwait,
        libc::SYS_semtimedop,
        libc::SYS_futex,
    ];
    noted.contains(&call.number) && limit(call) != Limit::None
}

/// Whether `rip` is behind the system call of a trampoline's `changed` or `after`.
///
/// # Safety
/// A system call has just returned to `rip`.
unsafe fn is_changed(rip: usize) -> bool {
    let byte = |offset: usize| {
        // SAFETY: one byte after the other, and no further than they are those of instructions, which do not end there.
        unsafe { *((rip + offset) as *const u8) }
    };
    // SAFETY: the system call that has returned is before it.
    let before = unsafe { *((rip - SYSCALL.len()) as *const [u8; 2]) };
    let is = |code: &[u8]| (0..code.len()).all(|at| byte(at) == code[at]);
    before == SYSCALL && (is(&RESTORE_FIRST) || is(&SYSCALL_OF_AFTER[SYSCALL.len()..]))
}

/// The call with what is left of the span of time that is its limit, which begins now.
fn with_rest(call: &Call, frame: &mut SystemCall) -> Option<Call> {
    let [rdi, rsi, rdx, r10, r8] = call.args;
    let number = call.number;
    let now = clock::now_ns();
    let gone = now.saturating_sub(frame.room[BEGAN] as i64);
    let left = |span: i64| span.saturating_sub(gone).max(0);
    let args = match (limit(call), number) {
        _ if !has_beginning(call) => return None,
        (Limit::Milliseconds(span), _) => {
            // Not less than there was: the program may count on the whole of it having gone.
            let milliseconds = (left(span * 1_000_000) + 999_999) / 1_000_000;
            [rdi, rsi, rdx, milliseconds, r8]
        }
        (Limit::Timespec(span), libc::SYS_rt_sigtimedwait) => {
            [rdi, rsi, shorten(span, left, frame), r10, r8]
        }
        (Limit::Timespec(span), _) => [rdi, rsi, rdx, shorten(span, left, frame), r8],
        _ => return None,
    };
    frame.room[BEGAN] = now as u64;
    Some(Call { number, args })
}

/// The address of what is `left` of the timespec at `span`: where the hook has kept r8 and r9, which are back in their
/// registers.
fn shorten(span: i64, left: impl Fn(i64) -> i64, frame: &mut SystemCall) -> i64 {
    // SAFETY: the kernel has just read it as the call's limit.
    let span = unsafe { (span as *const libc::timespec).read_unaligned() };
    let left = clock::timespec(left(clock::nanoseconds(span)));
    let room = &mut frame.args[4..];
    room.copy_from_slice(&[left.tv_sec as u64, left.tv_nsec as u64]);
    room.as_ptr() as i64
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
        libc::SYS_rt_sigtimedwait if rdx == 0 => same,
        libc::SYS_epoll_pwait2 | libc::SYS_semtimedop if r10 == 0 => same,
        // The kernel has put what is left in the place of their limit.
        libc::SYS_ppoll | libc::SYS_select | libc::SYS_pselect6 => same,
        libc::SYS_pause | libc::SYS_rt_sigsuspend => same,
        libc::SYS_semop | libc::SYS_msgsnd | libc::SYS_msgrcv => same,
        libc::SYS_futex if is_until(rsi) => same,
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
fn is_until(operation: i64) -> bool {
    matches!(
        operation as i32 & libc::FUTEX_CMD_MASK,
        libc::FUTEX_WAIT_BITSET
            | libc::FUTEX_LOCK_PI
            | libc::FUTEX_LOCK_PI2
            | libc::FUTEX_WAIT_REQUEUE_PI
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

    #[test]
    fn what_is_left_is_less_each_time() {
        let mut frame = SystemCall::new(libc::SYS_epoll_wait, [0; 6]);
        let mut wait = |milliseconds, ago_ns: i64| {
            frame.room[BEGAN] = (clock::now_ns() - ago_ns) as u64;
            let call = Call {
                number: libc::SYS_epoll_wait,
                args: [3, 4, 5, milliseconds, 0],
            };
            with_rest(&call, &mut frame).map(|call| call.args[3])
        };
        let left = wait(1_000_000, 400_000_000_000).unwrap();
        assert!((1..=600_000).contains(&left), "{left}");
        assert_eq!(wait(100, 400_000_000_000), Some(0), "its time is over");
        assert_eq!(wait(-1, 0), None);
    }

    #[test]
    fn a_span_in_memory_is_copied_before_it_is_shortened() {
        let span = libc::timespec {
            tv_sec: 100,
            tv_nsec: 0,
        };
        let at = (&raw const span) as i64;
        let mut frame = SystemCall::new(libc::SYS_rt_sigtimedwait, [0; 6]);
        frame.room[BEGAN] = (clock::now_ns() - 60_000_000_000) as u64;
        let call = Call {
            number: libc::SYS_rt_sigtimedwait,
            args: [1, 2, at, 8, 0],
        };
        let again = with_rest(&call, &mut frame).unwrap();
        assert_ne!(again.args[2], at);
        assert!((1..=40).contains(&frame.args[4]) && span.tv_sec == 100);
    }
}
