//! The entry the kernel calls for the application's signals, and the return of our own handler.

use std::arch::naked_asm;

use crate::signals::{deliver_from_lower, direct_handler};

/// Address of the entry, which the kernel gets as the handler of every signal that the application handles.
pub fn signal_entry_address() -> u64 {
    signal_entry as *const () as u64
}

/// Address of the restorer of the lower half's own signal handler.
pub fn signal_return_address() -> u64 {
    signal_return as *const () as u64
}

/// Handler of every signal the application handles: `(signal, siginfo, ucontext)` in rdi, rsi, rdx; the return address on
/// the stack is the application's restorer.
///
/// # Safety
/// Called by the kernel only.
#[unsafe(naked)]
unsafe extern "C" fn signal_entry() {
    naked_asm!(
        "push rdi", // the arguments, three words: the stack is 16-byte aligned after them
        "push rsi",
        "push rdx",
        "call {direct_handler}",
        "pop rdx",
        "pop rsi",
        "pop rdi",
        "test rax, rax",
        "jz 2f",
        "mov r11, rax",
        "xor eax, eax",
        "jmp r11", // upper code was interrupted: its handler, and nothing of ours on the stack
        "2:",
        "jmp {deliver_from_lower}", // returns to the restorer
        direct_handler = sym direct_handler,
        deliver_from_lower = sym deliver_from_lower,
    )
}

/// The restorer of the lower half's own signal handler.
///
/// # Safety
/// Returned to by a signal handler only.
#[unsafe(naked)]
unsafe extern "C" fn signal_return() {
    naked_asm!("mov eax, {sigreturn}", "syscall", sigreturn = const libc::SYS_rt_sigreturn)
}
