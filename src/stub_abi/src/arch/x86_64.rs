//! x86-64: the jump, and the kernel's calling convention.
//!
//! # Safety
//!
//! A forwarding function is entered with the caller's arguments in registers and on the stack and
//! must leave all of them as they are: it is one jump and has no prologue. [`system_call`] hands
//! addresses to the kernel; its caller answers for them.

use core::arch::{asm, global_asm};

global_asm!(include_str!("x86_64_support.s"));

/// Defines the exported function `$name` as one jump through gate slot `$slot`.
///
/// The slot's address is below 2 GiB, so it fits the instruction: `ff 24 25 disp32`, 7 bytes, with
/// no register touched and nothing for the dynamic linker to relocate.
macro_rules! forward {
    ($slot:literal $name:ident) => {
        #[unsafe(no_mangle)]
        #[unsafe(naked)]
        extern "C" fn $name() {
            core::arch::naked_asm!(
                "jmp qword ptr [{slot}]", // tail call: the callee returns to our caller
                slot = const $crate::gate::slot_address($slot),
            )
        }
    };
}
pub(crate) use forward;

/// Tells the lower half that the program's exit handlers run: one jump through [`crate::gate::EXIT_SLOT`].
#[unsafe(naked)]
pub extern "C" fn leave() {
    core::arch::naked_asm!(
        "jmp qword ptr [{slot}]", // tail call: returns to the dynamic linker, which runs the other finalisers
        slot = const crate::gate::slot_address(crate::gate::EXIT_SLOT),
    )
}

/// Numbers of the system calls that the initialiser makes (Linux, `asm/unistd_64.h`).
pub mod number {
    /// `read(2)`
    pub const READ: u32 = 0;
    /// `write(2)`
    pub const WRITE: u32 = 1;
    /// `close(2)`
    pub const CLOSE: u32 = 3;
    /// `mmap(2)`
    pub const MMAP: u32 = 9;
    /// `execve(2)`
    pub const EXECVE: u32 = 59;
    /// `readlink(2)`
    pub const READLINK: u32 = 89;
    /// `exit_group(2)`
    pub const EXIT_GROUP: u32 = 231;
    /// `openat(2)`
    pub const OPENAT: u32 = 257;
}

/// Makes system call `NUMBER`; the result is negative (`-errno`) when it failed.
///
/// The number is an immediate right before `syscall`: the loader of `mana_split` tells by these seven
/// bytes which call a site makes. A site whose number it cannot tell would cost the whole program the
/// slower way of watching its system calls.
///
/// # Safety
/// The arguments must be what the call of this number expects; what it does to memory is the
/// caller's business.
pub unsafe fn system_call<const NUMBER: u32>(arguments: [usize; 6]) -> isize {
    let [a, b, c, d, e, f] = arguments;
    let result: isize;
    // SAFETY: the kernel preserves all registers but rax (the result), rcx and r11 (which `syscall`
    // overwrites); the memory effects are those of the call, which the caller answers for.
    unsafe {
        asm!(
            "mov eax, {number}", // b8 and the number in 32 bits
            "syscall",           // 0f 05
            number = const NUMBER,
            out("rax") result,
            in("rdi") a,
            in("rsi") b,
            in("rdx") c,
            in("r10") d, // the kernel's place for the fourth argument, as `syscall` takes rcx
            in("r8") e,
            in("r9") f,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    result
}
