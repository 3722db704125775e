//! The entries of the gate's function slots, x86-64.
//!
//! ```text
//!   stub      jmp *slot(gate)
//!   entry     mov $slot,%eax ; jmp common          one per slot, 16 bytes each
//!   common    save the caller's registers in a CrossFrame on its own stack
//!             check that the block at %gs is this thread's   (else: adopt, slow)
//!             FS := lower ; call handlers[slot](&mut frame) ; FS := upper
//!             drop the frame, return the handler's rax
//! ```
//!
//! There are two sets of entries, one that exchanges FS by instruction and one by `arch_prctl`; the gate is filled with
//! one of them at start-up, so the fast path holds no test.
//!
//! The block's `upper_fs` is compared with FS on every call because clone(2) copies %gs: a thread that has not crossed
//! yet carries its creator's block, at the root of all a block that is nobody's (`lender::start`). %gs is never 0.
//!
//! # Safety
//! Entered with the upper TLS live, on the upper stack, signals as the application has them. A signal may arrive
//! anywhere in here: with the upper FS it counts as interrupted in the lower half all the same, because RIP is not in
//! the upper half (see `signals`, `park`). `adopt` runs with the upper TLS live and blocks all signals.

use std::arch::global_asm;
use std::mem::offset_of;
use std::sync::atomic::AtomicPtr;

use super::registers::{ARCH_GET_FS, ARCH_SET_FS};
use crate::crossing::HANDLERS;
use crate::frame::{CrossFrame, FRAME_BYTES};
use crate::gate::{FsSwitch, GATE_SLOTS};
use crate::thread::{ThreadBlock, adopt};

/// Bytes from one slot's entry to the next.
const ENTRY_BYTES: usize = 16;

// The handler table is an array of pointers, indexed with a scale of eight below.
const _: () = assert!(size_of::<AtomicPtr<()>>() == 8);

/// Address of the entry that the gate's `slot` jumps to.
pub fn crossing_entry(slot: usize, switch: FsSwitch) -> usize {
    unsafe extern "C" {
        static mana_crossing_entries_instructions: u8;
        static mana_crossing_entries_system_call: u8;
    }
    assert!(slot < GATE_SLOTS, "no slot {slot}");
    let base = match switch {
        FsSwitch::Instructions => &raw const mana_crossing_entries_instructions,
        FsSwitch::SystemCall => &raw const mana_crossing_entries_system_call,
    };
    base as usize + slot * ENTRY_BYTES
}

macro_rules! slot_entries {
    ($entries:literal, $common:literal) => {
        global_asm!(
            ".text",
            ".balign 16",
            concat!(".globl ", $entries),
            concat!(".hidden ", $entries),
            concat!($entries, ":"),
            ".set mana_slot, 0",
            ".rept {slots}",
            ".balign {entry_bytes}",
            "movl $mana_slot, %eax", // zero-extends into rax; al is free, the call is not variadic in vector registers
            concat!("jmp ", $common),
            ".set mana_slot, mana_slot + 1",
            ".endr",
            slots = const GATE_SLOTS,
            entry_bytes = const ENTRY_BYTES,
            options(att_syntax)
        );
    };
}
slot_entries!(
    "mana_crossing_entries_instructions",
    "mana_crossing_common_instructions"
);
slot_entries!(
    "mana_crossing_entries_system_call",
    "mana_crossing_common_system_call"
);

/// The common path; `$load` leaves FS in rax, `$write` sets FS to rsi and may clobber the caller-saved registers except r8.
/// The block is addressed through %gs: reading the register itself takes longer than all that is read from the block.
macro_rules! common_path {
    ($name:literal, load: [$($load:literal),+], write: [$($write:literal),+] $(, $operand:ident = $value:expr)*) => {
        global_asm!(
            ".text",
            ".balign 64",
            concat!(".hidden ", $name),
            concat!(".globl ", $name),
            concat!(".type ", $name, ", @function"),
            concat!($name, ":"),
            ".cfi_startproc",
            "sub rsp, {frame_bytes}", // the frame ends at the return address
            ".cfi_adjust_cfa_offset {frame_bytes}",
            "mov [rsp + {slot}], rax",
            "mov [rsp + {args}], rdi",
            "mov [rsp + {args} + 8], rsi",
            "mov [rsp + {args} + 16], rdx",
            "mov [rsp + {args} + 24], rcx",
            "mov [rsp + {args} + 32], r8",
            "mov [rsp + {args} + 40], r9",
            "mov [rsp + {rbx}], rbx", // callee-saved ones: for re-execution; the handler preserves them
            "mov [rsp + {rbp}], rbp",
            "mov [rsp + {r12}], r12",
            "mov [rsp + {r13}], r13",
            "mov [rsp + {r14}], r14",
            "mov [rsp + {r15}], r15",
            $($load,)+
            "cmp rax, gs:[{upper_fs}]", // another: somebody else's block, the first crossing of this thread
            "jne 3f",
            "2:",
            "mov qword ptr [rsp + {state}], 0", // RE_EXECUTE until the handler says otherwise
            "mov gs:[{inside}], rsp",
            "mov rax, [rsp + {slot}]",
            "lea rcx, [rip + {handlers}]",
            "mov r8, [rcx + rax*8]", // loads come before the switch, which lets nothing past it
            "mov rsi, gs:[{lower_fs}]",
            $($write,)+ // from here on the lower TLS is live
            "mov rdi, rsp",
            "call r8", // handlers[slot](&mut frame)
            "mov r8, rax", // the result, across the switch
            "mov rsi, gs:[{upper_fs}]",
            "mov qword ptr gs:[{inside}], 0",
            $($write,)+ // from here on the upper TLS is live again
            "mov rax, r8",
            ".cfi_remember_state",
            "add rsp, {frame_bytes}",
            ".cfi_adjust_cfa_offset -{frame_bytes}",
            "ret",
            ".cfi_restore_state",
            "3:", // slow: once per thread
            "mov rdi, rax",
            "call {adopt}", // adopt(fs) points %gs to this thread's block
            "jmp 2b",
            ".cfi_endproc",
            frame_bytes = const FRAME_BYTES,
            slot = const offset_of!(CrossFrame, slot),
            state = const offset_of!(CrossFrame, state),
            args = const offset_of!(CrossFrame, args),
            rbx = const offset_of!(CrossFrame, rbx),
            rbp = const offset_of!(CrossFrame, rbp),
            r12 = const offset_of!(CrossFrame, r12),
            r13 = const offset_of!(CrossFrame, r13),
            r14 = const offset_of!(CrossFrame, r14),
            r15 = const offset_of!(CrossFrame, r15),
            upper_fs = const offset_of!(ThreadBlock, upper_fs),
            lower_fs = const offset_of!(ThreadBlock, lower_fs),
            inside = const offset_of!(ThreadBlock, inside),
            handlers = sym HANDLERS,
            adopt = sym adopt,
            $($operand = const $value,)*
        );
    };
}

// The word at FS holds FS itself (ELF Handling For Thread-Local Storage, variant II): read in half the time of rdfsbase.
common_path!(
    "mana_crossing_common_instructions",
    load: ["mov rax, fs:[0]"],
    write: ["wrfsbase rsi"]
);

// arch_prctl(code, address): the getter stores through `address`, for which the frame's not yet used `result` serves. The
// system call clobbers rcx and r11, which are free here.
common_path!(
    "mana_crossing_common_system_call",
    load: [
        "mov edi, {get_fs}",
        "lea rsi, [rsp + {result}]",
        "mov eax, {arch_prctl}",
        "syscall",
        "mov rax, [rsp + {result}]"
    ],
    write: ["mov edi, {set_fs}", "mov eax, {arch_prctl}", "syscall"],
    get_fs = ARCH_GET_FS,
    set_fs = ARCH_SET_FS,
    arch_prctl = libc::SYS_arch_prctl,
    result = offset_of!(CrossFrame, result)
);
