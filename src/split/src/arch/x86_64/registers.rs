//! The FS and GS bases, and system calls that leave errno alone.
//!
//! FS carries the TLS of whichever half is running; GS, which user space does not use on x86-64, points to the thread's
//! block. Both are read and written by instruction where the kernel allows it and by `arch_prctl` elsewhere.
//!
//! # Safety
//! Everything here may run with either half's TLS, in signal handlers, anywhere: no TLS, no allocation, no panic.

use std::arch::asm;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::gate::FsSwitch;

pub const ARCH_SET_GS: i32 = 0x1001;
pub const ARCH_SET_FS: i32 = 0x1002;
pub const ARCH_GET_FS: i32 = 0x1003;
pub const ARCH_GET_GS: i32 = 0x1004;

/// HWCAP2_FSGSBASE of <asm/hwcap2.h>: the kernel has set CR4.FSGSBASE.
const HWCAP2_FSGSBASE: u64 = 1 << 1;

static BY_INSTRUCTION: AtomicBool = AtomicBool::new(false);

/// Whether the kernel allows `rdfsbase` and its like in user space.
pub fn has_fsgsbase() -> bool {
    // SAFETY: getauxval reads libc's copy of the auxiliary vector.
    unsafe { libc::getauxval(libc::AT_HWCAP2) & HWCAP2_FSGSBASE != 0 }
}

/// Settles how the functions below work, once, before any upper code runs.
pub fn choose_fs_switch(switch: FsSwitch) {
    BY_INSTRUCTION.store(switch == FsSwitch::Instructions, Ordering::Relaxed);
}

/// One system call, its result or the negated error number: errno, a thread-local of whichever half's TLS is live,
/// stays untouched.
///
/// # Safety
/// As the system call itself.
#[inline]
pub unsafe fn system_call(number: i64, args: [u64; 6]) -> i64 {
    let result: i64;
    // SAFETY: the kernel's convention: rax in and out, rcx and r11 clobbered, memory as the call's contract says
    // (the caller's promise).
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number => result,
            in("rdi") args[0], in("rsi") args[1], in("rdx") args[2],
            in("r10") args[3], in("r8") args[4], in("r9") args[5],
            lateout("rcx") _, lateout("r11") _,
            options(nostack)
        );
    }
    result
}

fn arch_prctl_get(code: i32) -> u64 {
    let mut value = 0_u64;
    // SAFETY: ARCH_GET_FS and ARCH_GET_GS store one word through the pointer.
    unsafe {
        system_call(
            libc::SYS_arch_prctl,
            [code as u64, (&raw mut value) as u64, 0, 0, 0, 0],
        )
    };
    value
}

/// The FS base of this thread.
#[inline]
pub fn read_fs() -> u64 {
    if !BY_INSTRUCTION.load(Ordering::Relaxed) {
        return arch_prctl_get(ARCH_GET_FS);
    }
    let value;
    // SAFETY: reads a register; BY_INSTRUCTION says that the instruction is enabled.
    unsafe { asm!("rdfsbase {}", out(reg) value, options(nomem, nostack, preserves_flags)) };
    value
}

/// The GS base of this thread.
#[inline]
pub fn read_gs() -> u64 {
    if !BY_INSTRUCTION.load(Ordering::Relaxed) {
        return arch_prctl_get(ARCH_GET_GS);
    }
    let value;
    // SAFETY: as in `read_fs`.
    unsafe { asm!("rdgsbase {}", out(reg) value, options(nomem, nostack, preserves_flags)) };
    value
}

/// Sets the FS base of this thread.
///
/// # Safety
/// `value` is the FS base of a TLS that no other thread uses now, and no thread-local reference of the TLS left behind
/// is held across the call. The compiler may not move thread-local accesses over it: keep those in other functions.
#[inline]
pub unsafe fn write_fs(value: u64) {
    // SAFETY: the caller's promise; the asm blocks clobber memory, so accesses are not moved across them.
    unsafe {
        if BY_INSTRUCTION.load(Ordering::Relaxed) {
            asm!("wrfsbase {}", in(reg) value, options(nostack, preserves_flags));
        } else {
            system_call(
                libc::SYS_arch_prctl,
                [ARCH_SET_FS as u64, value, 0, 0, 0, 0],
            );
        }
    }
}

/// Sets the GS base of this thread.
///
/// # Safety
/// `value` is the address of this thread's block, or 0.
#[inline]
pub unsafe fn write_gs(value: u64) {
    // SAFETY: the caller's promise; nothing but this crate uses GS.
    unsafe {
        if BY_INSTRUCTION.load(Ordering::Relaxed) {
            asm!("wrgsbase {}", in(reg) value, options(nostack, preserves_flags));
        } else {
            system_call(
                libc::SYS_arch_prctl,
                [ARCH_SET_GS as u64, value, 0, 0, 0, 0],
            );
        }
    }
}

/// The stack pointer here.
#[inline]
pub fn stack_pointer() -> u64 {
    let value;
    // SAFETY: copies a register.
    unsafe { asm!("mov {}, rsp", out(reg) value, options(nomem, nostack, preserves_flags)) };
    value
}
