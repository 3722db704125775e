//! The jump into a freshly loaded program: what the kernel does at the end of execve.

use std::arch::asm;

use super::registers::ARCH_SET_FS;

/// Enters a program at `entry` with stack pointer `sp` and every other general register 0 (rdx 0: nothing to register
/// with atexit; System V ABI, 3.4.1). The FS base becomes 0: no TLS yet.
///
/// # Safety
/// `entry` and `sp` are those of a program that has just been loaded. Everything of the caller's frame is abandoned:
/// nothing on this stack is dropped, the lower half's TLS is no longer live.
pub(crate) unsafe fn enter(entry: usize, sp: usize) -> ! {
    // SAFETY: the caller's promise.
    unsafe {
        asm!(
            "mov rsp, r12",             // the new stack
            "push r13",                 // the entry, below the new stack's contents, for the ret at the end
            "mov edi, {set_fs}",        // arch_prctl(ARCH_SET_FS, 0)
            "xor esi, esi",
            "mov eax, {arch_prctl}",
            "syscall",
            "xor eax, eax",             // clean registers
            "xor ebx, ebx",
            "xor ecx, ecx",
            "xor edx, edx",
            "xor esi, esi",
            "xor edi, edi",
            "xor ebp, ebp",             // ends the chain of frames
            "xor r8d, r8d",
            "xor r9d, r9d",
            "xor r10d, r10d",
            "xor r11d, r11d",
            "xor r12d, r12d",
            "xor r13d, r13d",
            "xor r14d, r14d",
            "xor r15d, r15d",
            "cld",
            "ret",
            in("r12") sp,
            in("r13") entry,
            set_fs = const ARCH_SET_FS,
            arch_prctl = const libc::SYS_arch_prctl,
            options(noreturn)
        )
    }
}
