//! Where the trampolines of steered system-call sites arrive.
//!
//! A system call preserves everything but rax, rcx and r11: flags, and every vector register too. The Rust code behind
//! this entry preserves only what the C ABI says, so the rest is saved here, the vector state with `xsave` (libc's
//! memcpy, which compilers call for large copies, uses AVX).
//!
//! ```text
//!   trampoline's return address   -8 from the trampoline's stack pointer
//!   flags                        -16   <- entry
//!   rbp                          -24   <- rbp
//!   r9 r8 r10 rdx rsi rdi        -32 … -72: the trampoline restores rdi to r10 from there (see steer/trampoline.rs)
//!   rax                          -80
//!   room, two words              -88, -96
//!   rsi rdi rdx r10 to be sent  -104 … -128   <- the SystemCall that the dispatcher gets: a red zone, to its last byte
//!   xsave area, 64-byte aligned   <- rsp while the dispatcher runs
//! ```

use std::arch::naked_asm;
use std::arch::x86_64::{__cpuid, __cpuid_count, _xgetbv};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use crate::error::{Error, Result};
use crate::hooks::waits::FUTEX_WAITS;
use crate::hooks::{self, BITMAP_BITS};
use crate::steer::LEAVE_OFFSET;

/// The state components to save: XCR0's, cut down to what compiled code can touch without asking (vectors and masks;
/// not x87, whose use is no compiler's idea, nor AMX's kilobytes, which need a permission).
static XSAVE_MASK: AtomicU32 = AtomicU32::new(0);
/// Size of the xsave area in bytes, a multiple of 64.
static XSAVE_BYTES: AtomicU64 = AtomicU64::new(0);

/// SSE, AVX, and AVX-512's three.
const VECTOR_COMPONENTS: u32 = 1 << 1 | 1 << 2 | 0b111 << 5;
/// Legacy region and header: what every xsave area has.
const XSAVE_MIN_BYTES: u32 = 576;
/// CPUID leaf 1, ecx: the system has enabled xsave.
const OSXSAVE: u32 = 1 << 27;

/// Finds out what there is to save; to be called before any trampoline runs.
///
/// # Errors
/// [`Error::Processor`] when there is no xsave.
pub(crate) fn prepare_syscall_hook() -> Result<()> {
    if __cpuid(1).ecx & OSXSAVE == 0 {
        return Err(Error::Processor {
            what: "xsave (or the kernel has not enabled it)",
        });
    }
    // SAFETY: OSXSAVE says that xgetbv works.
    let enabled = unsafe { xcr0() } as u32;
    let mask = enabled & VECTOR_COMPONENTS;
    let ends = (2..8)
        .filter(|component| mask & 1 << component != 0)
        .map(|component| {
            // CPUID leaf 13: eax is the component's size, ebx its offset.
            let leaf = __cpuid_count(13, component);
            leaf.eax + leaf.ebx
        });
    let bytes = ends
        .max()
        .unwrap_or(0)
        .max(XSAVE_MIN_BYTES)
        .next_multiple_of(64);
    XSAVE_BYTES.store(u64::from(bytes), Relaxed);
    XSAVE_MASK.store(mask, Relaxed);
    Ok(())
}

/// # Safety
/// The processor has xsave and the kernel enabled it.
#[target_feature(enable = "xsave")]
unsafe fn xcr0() -> u64 {
    // SAFETY: the caller's promise; register 0 exists whenever xsave does.
    unsafe { _xgetbv(0) }
}

/// The entry of the system-call hook. Not to be called from Rust.
#[unsafe(naked)]
pub(crate) extern "C" fn syscall_hook() {
    naked_asm!(
        "pushfq",                                   // the flags are the caller's
        "cmp rax, {bits}",                          // a number beyond the bitmap is not virtualised
        "jae 2f",
        "bt qword ptr [rip + {bitmap}], rax",       // carry: the number's bit
        "jnc 2f",
        "cmp eax, {futex}",                         // one that does not wait, or without a limit, passes: they are frequent
        "jne 3f",
        "test r10, r10",
        "jz 2f",
        "mov ecx, esi",                             // the operation without its flags
        "and ecx, {operation}",
        "cmp ecx, 31",
        "ja 2f",
        "mov r11d, {waits}",
        "bt r11d, ecx",
        "jnc 2f",
        "3:",
        "cld",                                      // the C ABI's direction
        "push rbp",
        "mov rbp, rsp",
        "push r9",                                  // a SystemCall, from its end
        "push r8",
        "push r10",
        "push rdx",
        "push rsi",
        "push rdi",
        "push rax",
        "push 0",                                   // room for a signal set or a time
        "push 0",
        "push rsi",                                 // what is sent, unless the dispatcher changes it
        "push rdi",
        "push rdx",
        "push r10",
        "mov rdi, rsp",                             // dispatch's argument
        "sub rsp, qword ptr [rip + {bytes}]",
        "and rsp, -64",                             // xsave's alignment
        "xor eax, eax",
        "mov qword ptr [rsp + 512], rax",           // xsave header: no component present,
        "mov qword ptr [rsp + 520], rax",           // standard format, reserved words 0
        "mov qword ptr [rsp + 528], rax",
        "mov qword ptr [rsp + 536], rax",
        "mov qword ptr [rsp + 544], rax",
        "mov qword ptr [rsp + 552], rax",
        "mov qword ptr [rsp + 560], rax",
        "mov qword ptr [rsp + 568], rax",
        "mov eax, dword ptr [rip + {mask}]",        // edx:eax = components
        "xor edx, edx",
        "xsave64 [rsp]",
        "call {dispatch}",
        "mov rcx, rax",                             // the outcome's two words, while xrstor needs eax and edx
        "mov r11, rdx",
        "mov eax, dword ptr [rip + {mask}]",
        "xor edx, edx",
        "xrstor64 [rsp]",
        "mov rax, rcx",
        "lea rsp, [rbp - 104]",                     // drops the area
        "pop r10",                                  // as sent
        "pop rdx",
        "pop rdi",
        "pop rsi",
        "add rsp, 56",                              // over the room, rax, and the caller's rdi, rsi, rdx and r10
        "pop r8",
        "pop r9",
        "pop rbp",
        "popfq",
        "pop rcx",                                  // a system call clobbers rcx and r11 anyway
        "lea rcx, [rcx + r11]",                     // the way back that the outcome names
        "jmp rcx",
        "2:",                                       // the trampoline is to make the call itself
        "popfq",
        "pop rcx",
        "lea rcx, [rcx + {leave}]",                 // lea leaves the flags alone
        "jmp rcx",
        bits = const BITMAP_BITS,
        futex = const libc::SYS_futex,
        operation = const libc::FUTEX_CMD_MASK,
        waits = const FUTEX_WAITS,
        bitmap = sym hooks::BITMAP,
        bytes = sym XSAVE_BYTES,
        mask = sym XSAVE_MASK,
        dispatch = sym hooks::dispatch,
        leave = const LEAVE_OFFSET,
    )
}

/// Where the backstop's signal handler returns to: rt_sigreturn(2).
#[unsafe(naked)]
pub(crate) extern "C" fn sigsys_return() {
    naked_asm!(
        "mov eax, {nr}",                            // the frame is at rsp
        "syscall",
        nr = const libc::SYS_rt_sigreturn,
    )
}
