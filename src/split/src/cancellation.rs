//! Threads that are cancelled while they wait in a steered system call (pthread_cancel(3), glibc since 2.41).
//!
//! glibc makes all calls that are cancellation points in one function, and its handler of SIGCANCEL looks whether the signal
//! found the thread between that function's beginning and the end of its system call: only then is the thread to end there.
//!
//! ```text
//!   __syscall_cancel_arch:   ...                      trampoline:  ...
//!                            jmp trampoline                        syscall     <- RIP in the signal's frame
//!                            syscall                  <- RIP as the handler is to see it
//!                            ret
//! ```
//!
//! The `syscall` behind the jump is still there, so that a handler which returns has the call made there, without its hook; it
//! does so only where cancellation has been disabled meanwhile. A signal that comes within the hook finds the thread
//! elsewhere, and ends it at its next cancellation point.
//!
//! # Safety
//! In the signal's entry, with the upper TLS live: no allocation, no panic, no thread-local. RIP was in upper code.
#![expect(unsafe_code, reason = "reads the hook's frame")]

use crate::hooks::SystemCall;
use crate::steer::{
    FRAME_BYTES, JUMP_FROM_AFTER, JUMP_FROM_CHANGED, JUMP_FROM_LEAVE, LIBC_CANCELLABLE,
    SYSCALL_OF_AFTER, SYSCALL_OF_CHANGED,
};
use crate::sys;

/// The signal that cancels threads: glibc's own.
pub(crate) const SIGCANCEL: i32 = 32;

/// `syscall`, and the jump that has taken the place of the instruction before it.
const SYSCALL: [u8; 2] = [0x0f, 0x05];
const JUMP: u8 = 0xe9;
const JUMP_BYTES: usize = 5;
/// How far below the site's the stack pointer is in `changed` and `after`.
const RED_ZONE_BYTES: usize = 128;

/// Sets the frame of a SIGCANCEL that has found its thread at the system call of a trampoline back to the function that the
/// trampoline belongs to, where that is glibc's for cancellation points.
///
/// # Safety
/// `context` is the frame of the signal being handled.
pub(crate) unsafe fn show_site(context: *mut libc::ucontext_t) {
    // SAFETY: the caller's frame.
    let registers = unsafe { &mut (*context).uc_mcontext.gregs };
    let rip = registers[libc::REG_RIP as usize] as u64;
    let Some((jump, has_frame)) = way_back(rip) else {
        return;
    };
    let Some(back) = target(jump).filter(|back| is_cancellable(*back)) else {
        return;
    };
    let rsp = registers[libc::REG_RSP as usize] as usize;
    let mut set = |register: i32, value: u64| registers[register as usize] = value as i64;
    set(libc::REG_RIP, back - SYSCALL.len() as u64);
    if has_frame {
        // SAFETY: the hook's frame, which is nobody else's while the thread is in `changed` or `after`.
        let call = unsafe { &*((rsp - FRAME_BYTES) as *const SystemCall) };
        set(libc::REG_RDI, call.args[0]);
        set(libc::REG_RSI, call.args[1]);
        set(libc::REG_RDX, call.args[2]);
        set(libc::REG_R10, call.args[3]);
        set(libc::REG_RSP, (rsp + RED_ZONE_BYTES) as u64);
    }
}

/// Where the trampoline whose system call is at `rip` jumps back, and whether the hook's frame is in use.
fn way_back(rip: u64) -> Option<(u64, bool)> {
    let at = |offset: usize| rip + offset as u64;
    if sys::read_bytes(rip) == Some(SYSCALL_OF_CHANGED) {
        return Some((at(JUMP_FROM_CHANGED), true));
    }
    if sys::read_bytes(rip) == Some(SYSCALL_OF_AFTER) {
        return Some((at(JUMP_FROM_AFTER), true));
    }
    (sys::read_bytes(rip) == Some(SYSCALL)).then_some((at(JUMP_FROM_LEAVE), false))
}

/// Where the jump at `address` leads.
fn target(address: u64) -> Option<u64> {
    let [code, distance @ ..] = sys::read_bytes::<JUMP_BYTES>(address)?;
    let distance = i32::from_le_bytes(distance);
    (code == JUMP).then_some((address + JUMP_BYTES as u64).wrapping_add_signed(i64::from(distance)))
}

/// Whether the system call before `back` is that of glibc's function, steered.
fn is_cancellable(back: u64) -> bool {
    const BODY: usize = LIBC_CANCELLABLE.len();
    let start = back.wrapping_sub((SYSCALL.len() + BODY) as u64);
    let Some(code) = sys::read_bytes::<BODY>(start) else {
        return false;
    };
    let (body, jump) = code.split_at(BODY - JUMP_BYTES);
    let is_call = sys::read_bytes(start + BODY as u64) == Some(SYSCALL);
    is_call && jump[0] == JUMP && body == &LIBC_CANCELLABLE[..BODY - JUMP_BYTES]
}
