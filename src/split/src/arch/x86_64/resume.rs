//! Calls that no compiler writes: onto another stack, with a list of arguments, and back into an interrupted context.

use std::arch::{asm, naked_asm};
use std::mem::offset_of;

use crate::frame::{CrossFrame, CrossState, FRAME_BYTES};
use crate::gate::{FUNCTIONS_OFFSET, GATE_ADDR};

/// Calls `function(arguments[0], …)` in the C calling convention, integer class, and returns its rax.
///
/// # Safety
/// `function` is such a function and `arguments` points to `count` words.
#[unsafe(naked)]
pub unsafe extern "C" fn call_with_arguments(
    function: usize,
    arguments: *const u64,
    count: usize,
) -> u64 {
    naked_asm!(
        "push rbp",
        "mov rbp, rsp",
        "mov r11, rdi", // the function
        "mov r10, rsi", // its arguments
        "mov rax, rdx", // how many
        "cmp rax, 6",
        "jbe 2f",
        // The seventh and later go on the stack, last one first, with padding first when their number is odd.
        "test al, 1",
        "jz 3f",
        "push 0",
        "3:",
        "push qword ptr [r10 + rax*8 - 8]",
        "dec rax",
        "cmp rax, 6",
        "ja 3b",
        // Registers from the last one down, entering at the number there are.
        "2:",
        "cmp rax, 6",
        "jb 4f",
        "mov r9, [r10 + 40]",
        "4:",
        "cmp rax, 5",
        "jb 4f",
        "mov r8, [r10 + 32]",
        "4:",
        "cmp rax, 4",
        "jb 4f",
        "mov rcx, [r10 + 24]",
        "4:",
        "cmp rax, 3",
        "jb 4f",
        "mov rdx, [r10 + 16]",
        "4:",
        "cmp rax, 2",
        "jb 4f",
        "mov rsi, [r10 + 8]",
        "4:",
        "test rax, rax",
        "jz 4f",
        "mov rdi, [r10]",
        "4:",
        "xor eax, eax", // no vector registers, in case the function is variadic (error handlers are)
        "call r11",
        "leave",
        "ret",
    )
}

/// Calls `function(argument)` on the stack that ends at `stack_top`, and comes back to this one.
///
/// # Safety
/// `stack_top` is the 16-byte aligned end of a stack nobody uses; `function` does not unwind.
#[unsafe(naked)]
pub unsafe extern "C" fn call_on_stack(
    argument: *mut libc::c_void,
    function: unsafe extern "C" fn(*mut libc::c_void),
    stack_top: u64,
) {
    naked_asm!(
        "push rbp",
        "mov rbp, rsp",
        "mov rsp, rdx",
        "call rsi", // the argument is in rdi already
        "leave",    // rsp := rbp
        "ret",
    )
}

/// Leaves the lower half through `frame`: makes its call again through the gate, or returns its result to the caller if
/// the call was completed. Restores the signal mask, the floating-point modes and the registers as at its entry.
///
/// The stack pointer moves into the upper half first, so a signal that comes in with the mask finds a stack of the
/// upper half and an instruction pointer that is not in it: just as in the entry of a crossing.
///
/// # Safety
/// `frame` lies on an upper stack nobody else uses; FS and GS are already that thread's.
pub unsafe fn resume_frame(frame: &CrossFrame, modes: FloatModes, mask: u64) -> ! {
    let (target, rax, drop_bytes) = match frame.state() {
        CrossState::ReExecute => {
            let slot_address =
                GATE_ADDR + FUNCTIONS_OFFSET + usize::from(frame.slot()) * size_of::<u64>();
            // SAFETY: a slot of the gate, which is mapped and filled before any upper code runs.
            (
                unsafe { (slot_address as *const u64).read() },
                frame.slot,
                FRAME_BYTES,
            )
        }
        // As the callee's `ret` would: the return address goes off the stack too.
        CrossState::Completed(result) => (frame.return_rip, result, FRAME_BYTES + size_of::<u64>()),
    };
    // SAFETY: the caller's promise; the registers are loaded from the frame before rsp is raised above it.
    unsafe {
        asm!(
            "mov rsp, rax",
            "mov eax, {sigprocmask}", // rt_sigprocmask(SIG_SETMASK, &mask, NULL, 8)
            "syscall",
            "ldmxcsr [r12]",
            "fldcw [r12 + {fpucw}]",
            "mov r11, r13", // the last three words of ours, into registers a callee may clobber
            "mov rax, r14",
            "mov r10, r15",
            "mov rdi, [rsp + {args}]",
            "mov rsi, [rsp + {args} + 8]",
            "mov rdx, [rsp + {args} + 16]",
            "mov rcx, [rsp + {args} + 24]",
            "mov r8, [rsp + {args} + 32]",
            "mov r9, [rsp + {args} + 40]",
            "mov rbx, [rsp + {rbx}]",
            "mov rbp, [rsp + {rbp}]",
            "mov r12, [rsp + {r12}]",
            "mov r13, [rsp + {r13}]",
            "mov r14, [rsp + {r14}]",
            "mov r15, [rsp + {r15}]",
            "add rsp, r10",
            "jmp r11",
            in("rax") frame,
            in("rdi") libc::SIG_SETMASK, in("rsi") &raw const mask, in("rdx") 0, in("r10") size_of::<u64>(),
            in("r12") &raw const modes, in("r13") target, in("r14") rax, in("r15") drop_bytes,
            sigprocmask = const libc::SYS_rt_sigprocmask,
            fpucw = const offset_of!(FloatModes, fpucw),
            args = const offset_of!(CrossFrame, args),
            rbx = const offset_of!(CrossFrame, rbx),
            rbp = const offset_of!(CrossFrame, rbp),
            r12 = const offset_of!(CrossFrame, r12),
            r13 = const offset_of!(CrossFrame, r13),
            r14 = const offset_of!(CrossFrame, r14),
            r15 = const offset_of!(CrossFrame, r15),
            options(noreturn)
        )
    }
}

/// Continues the context that the kernel saved when it delivered a signal: everything, the signal mask and the vector
/// registers included, is restored by the kernel.
///
/// # Safety
/// `ucontext` is such a frame, in its place on its stack; FS and GS are already that thread's.
pub unsafe fn return_from_signal(ucontext: u64) -> ! {
    // SAFETY: rt_sigreturn(2) expects rsp at the ucontext, where a handler's `ret` leaves it; the rest is the caller's
    // promise.
    unsafe {
        asm!(
            "mov rsp, {ucontext}",
            "mov eax, {sigreturn}",
            "syscall",
            "ud2", // rt_sigreturn returns only through the frame
            ucontext = in(reg) ucontext,
            sigreturn = const libc::SYS_rt_sigreturn,
            options(noreturn)
        )
    }
}

/// The floating-point modes a function must preserve (System V ABI): SSE control and x87 control word.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct FloatModes {
    /// MXCSR: rounding, flush to zero, exception masks (and, not preserved by the ABI, exception flags).
    pub mxcsr: u32,
    /// x87 control word: precision, rounding, exception masks.
    pub fpucw: u16,
}

impl FloatModes {
    /// This thread's modes now.
    pub fn read() -> Self {
        let mut modes = Self { mxcsr: 0, fpucw: 0 };
        // SAFETY: both instructions store to the given fields only.
        unsafe {
            asm!(
                "stmxcsr [{modes}]",
                "fnstcw [{modes} + {fpucw}]",
                modes = in(reg) &raw mut modes,
                fpucw = const offset_of!(FloatModes, fpucw),
                options(nostack, preserves_flags)
            );
        }
        modes
    }
}
