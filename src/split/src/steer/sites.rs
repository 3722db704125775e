//! Finds system-call instructions in machine code and decides what to do about each.
//!
//! The number of a call is known when a `mov $nr,%eax` runs straight into the `syscall`:
//!
//! ```text
//!   b8 09 00 00 00   mov $9,%eax          <- becomes the jump: exactly five bytes, so that somebody who jumps
//!   0f b6 …          (up to 64 bytes of        to any later instruction still finds it in place
//!                     instructions that leave eax alone and can be moved)
//!   0f 05            syscall
//! ```
//!
//! What else compilers and C libraries do, in the order in which it is looked for:
//! - `mov $nr,%r8d` … `mov %r8d,%eax; syscall` (calls in a loop): the nearest such constant before it counts; the
//!   jump takes the place of a long instruction before.
//! - `mov (%rbx),%eax; syscall`: glibc's setxid broadcast, whose numbers are those of setuid and its kin.
//! - libc's `syscall()` and `__syscall_cancel_arch`, known by their whole bodies: steered, whatever the number; the hook tells.
//! - `mov 16(%rsp),%rax; syscall`, an argument (glibc since 2.41, where there is nothing to cancel): steered likewise.
//! - bytes `0f 05` inside another instruction or in a table: told by decoding from many places before them, as x86
//!   code falls back into step within a few instructions.
//! - anything else is unknown: the backstop has to watch.

use iced_x86::{Code, Decoder, DecoderOptions, Instruction, Mnemonic, OpKind, Register};

use crate::hooks::{is_steered, is_virtualised};

/// Length of `syscall` in bytes.
pub(super) const SYSCALL_BYTES: usize = 2;
const SYSCALL: [u8; SYSCALL_BYTES] = [0x0f, 0x05];
/// How far before the system call its `mov $nr,%eax` may be.
pub(super) const STRAIGHT_MAX_BYTES: usize = 64;
/// Length of `mov $imm32,%eax` and of the jump that takes its place.
const MOV_BYTES: usize = 5;
/// How far back a constant is looked for that is kept in another register.
const LOOK_BACK_BYTES: usize = 4096;
/// System-call numbers are small; a larger constant is something else.
const NUMBER_LIMIT: u32 = 1024;

/// What to do about one occurrence of the bytes `0f 05`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Not a `syscall` instruction.
    NotCode,
    /// A call that is not virtualised.
    Harmless,
    /// To be steered: the code from offset `start` up to the `syscall` moves to the trampoline.
    Steer {
        /// Offset of the first instruction to move, at least five bytes before the `syscall`.
        start: usize,
    },
    /// A call whose number cannot be told.
    Unknown,
}

/// The offsets of the bytes `0f 05` in `code`.
pub(super) fn system_calls(code: &[u8]) -> impl Iterator<Item = usize> + '_ {
    memchr::memmem::find_iter(code, &SYSCALL)
}

/// Decides about the bytes `0f 05` at offset `at`.
pub(super) fn judge(code: &[u8], at: usize) -> Verdict {
    if let Some((start, number)) = constant(code, at) {
        return if is_steered(number) {
            Verdict::Steer { start }
        } else {
            Verdict::Harmless
        };
    }
    if loaded_from_memory(code, at) {
        return Verdict::Harmless;
    }
    if code[..at].ends_with(LIBC_SYSCALL) || code[..at].ends_with(LIBC_CANCELLABLE) {
        return Verdict::Steer {
            start: at - MOV_BYTES,
        };
    }
    if let Some(start) = loaded_from_stack(code, at) {
        return Verdict::Steer { start };
    }
    if let Some((copy, register)) = copied_from(code, at) {
        return match kept_constant(code, at, register) {
            Some(number) if !is_steered(number) => Verdict::Harmless,
            Some(number) => long_instruction(code, copy, at)
                .map_or(where_it_is(number), |start| Verdict::Steer { start }),
            None => Verdict::Unknown,
        };
    }
    if is_boundary(code, at) && looks_like_code(code, at) {
        Verdict::Unknown
    } else {
        Verdict::NotCode
    }
}

/// About a call to be steered that cannot be: one that is virtualised must be caught in another way. One that waits need not.
fn where_it_is(number: u32) -> Verdict {
    if is_virtualised(number) {
        Verdict::Unknown
    } else {
        Verdict::Harmless
    }
}

/// The body of glibc's syscall(2) up to its system call: moves the arguments by one register, the seventh from the stack.
const LIBC_SYSCALL: &[u8] =
    b"\x48\x89\xf8\x48\x89\xf7\x48\x89\xd6\x48\x89\xca\x4d\x89\xc2\x4d\x89\xc8\x4c\x8b\x4c\x24\x08";

/// The body of `__syscall_cancel_arch`, by which glibc makes all calls that are cancellation points since 2.41, up to the system
/// call: as above, and the first argument's place is kept.
pub(crate) const LIBC_CANCELLABLE: &[u8] =
    b"\x49\x89\xfb\x48\x89\xf0\x48\x89\xd7\x48\x89\xce\x4c\x89\xc2\x4d\x89\xca\
      \x4c\x8b\x44\x24\x08\x4c\x8b\x4c\x24\x10\x4c\x89\x5c\x24\x08";

/// The number that `mov $nr,%eax` (or `xor %eax,%eax`) gives the system call at `at`, and that instruction's offset.
fn constant(code: &[u8], at: usize) -> Option<(usize, u32)> {
    (at.saturating_sub(STRAIGHT_MAX_BYTES)..at)
        .rev()
        .find_map(|start| {
            // A quick look at the first byte spares decoding at almost every offset.
            if !matches!(code[start], 0xb8 | 0x31 | 0x33 | 0x48) {
                return None;
            }
            let number = number_set_by(&decode(code, start)?)?;
            (runs_straight(code, start, at) && !has_rex_prefix(code, start))
                .then_some((start, number))
        })
}

fn number_set_by(instruction: &Instruction) -> Option<u32> {
    match instruction.code() {
        Code::Mov_r32_imm32 if instruction.op0_register() == Register::EAX => {
            Some(instruction.immediate32()).filter(|number| *number < NUMBER_LIMIT)
        }
        Code::Mov_rm64_imm32
            if instruction.op0_kind() == OpKind::Register
                && instruction.op0_register() == Register::RAX =>
        {
            Some(instruction.immediate32()).filter(|number| *number < NUMBER_LIMIT)
        }
        Code::Xor_rm32_r32 | Code::Xor_r32_rm32 => {
            let eax = |operand| instruction.op_register(operand) == Register::EAX;
            (instruction.op1_kind() == OpKind::Register && eax(0) && eax(1)).then_some(0)
        }
        _ => None,
    }
}

/// Whether the byte before `start` is a REX prefix that makes it another register's instruction, rather than the last
/// byte of the instruction before.
fn has_rex_prefix(code: &[u8], start: usize) -> bool {
    let Some(before) = start.checked_sub(1) else {
        return false;
    };
    code[before] & 0xf0 == 0x40 && in_step(code, before) > in_step(code, start)
}

/// Whether the code from `start` reaches `at` through instructions that can be moved; those after the first must leave
/// eax alone.
fn runs_straight(code: &[u8], start: usize, at: usize) -> bool {
    let mut offset = start;
    while offset < at {
        match decode(code, offset) {
            Some(instruction) if offset == start || can_be_moved(&instruction) => {
                offset += instruction.len()
            }
            _ => return false,
        }
    }
    offset == at
}

fn decode(code: &[u8], offset: usize) -> Option<Instruction> {
    let mut decoder =
        Decoder::try_with_ip(64, code.get(offset..)?, 0, DecoderOptions::NONE).ok()?;
    let instruction = decoder.decode();
    (!instruction.is_invalid()).then_some(instruction)
}

/// Instructions that may stand between the `mov` and the `syscall`: plain data movement that does not write rax.
fn can_be_moved(instruction: &Instruction) -> bool {
    use Mnemonic::*;
    let writes_first =
        match instruction.mnemonic() {
            Cmp | Nop | Push | Test => false,
            Add | And | Btr | Bts | Dec | Imul | Inc | Lea | Mov | Movsx | Movsxd | Movzx | Neg
            | Not | Or | Pop | Sar | Shl | Shr | Sub | Xor => true,
            Cmova | Cmovae | Cmovb | Cmovbe | Cmove | Cmovg | Cmovge | Cmovl | Cmovle | Cmovne
            | Cmovns | Cmovs => true,
            Seta | Setae | Setb | Setbe | Sete | Setg | Setge | Setl | Setle | Setne | Setns
            | Sets => true,
            Movaps | Movd | Movdqa | Movdqu | Movhps | Movq | Movups | Punpcklqdq | Pxor
            | Xorps => true,
            _ => return false,
        };
    let is_rax = matches!(
        instruction.op0_register(),
        Register::RAX | Register::EAX | Register::AX | Register::AL | Register::AH
    );
    !(writes_first && instruction.op0_kind() == OpKind::Register && is_rax)
}

/// `mov (%reg),%eax` right before the system call.
fn loaded_from_memory(code: &[u8], at: usize) -> bool {
    // 8b modrm: destination eax, no displacement, no SIB byte (rm 4), not rip-relative (rm 5).
    matches!(code[..at], [.., 0x8b, modrm] if modrm < 8 && modrm != 4 && modrm != 5)
}

/// The offset of a `mov …(%rsp),%rax` right before the system call: the number is an argument, and the jump has room.
fn loaded_from_stack(code: &[u8], at: usize) -> Option<usize> {
    let lengths = [MOV_BYTES, MOV_BYTES + 3]; // by the size of the displacement
    let starts = lengths.into_iter().filter_map(|len| at.checked_sub(len));
    starts
        .filter(|start| is_boundary(code, *start))
        .find(|start| {
            decode(code, *start).is_some_and(|load| {
                *start + load.len() == at
                    && load.code() == Code::Mov_r64_rm64
                    && load.op0_register() == Register::RAX
                    && load.op1_kind() == OpKind::Memory
                    && load.memory_base() == Register::RSP
                    && load.memory_index() == Register::None
            })
        })
}

/// The offset of a `mov %reg,%eax` shortly before the system call, and the register.
fn copied_from(code: &[u8], at: usize) -> Option<(usize, Register)> {
    (at.saturating_sub(STRAIGHT_MAX_BYTES / 2)..at)
        .rev()
        .find_map(|start| {
            let instruction = decode(code, start)?;
            let copies = instruction.mnemonic() == Mnemonic::Mov
                && instruction.op0_kind() == OpKind::Register
                && matches!(instruction.op0_register(), Register::EAX | Register::RAX)
                && instruction.op1_kind() == OpKind::Register;
            // `mov %edx,%eax` is the tail of `mov %r10d,%eax` and `mov %rdx,%rax`: take the longer one.
            (copies && runs_straight(code, start, at)).then(|| {
                match start.checked_sub(1).and_then(|s| decode(code, s)) {
                    Some(longer)
                        if longer.len() == instruction.len() + 1 && has_rex_prefix(code, start) =>
                    {
                        (start - 1, longer.op1_register())
                    }
                    _ => (start, instruction.op1_register()),
                }
            })
        })
}

/// The nearest instruction before `at` that is long enough for the jump and runs straight to `at`, where the instruction
/// at `copy` sets eax. One long instruction, so that nobody can jump to the middle of the jump.
fn long_instruction(code: &[u8], copy: usize, at: usize) -> Option<usize> {
    (at.saturating_sub(STRAIGHT_MAX_BYTES)..=at.saturating_sub(MOV_BYTES))
        .rev()
        .find(|&start| {
            decode(code, start)
                .is_some_and(|first| first.len() >= MOV_BYTES && can_be_moved(&first))
                && runs_straight(code, start, if start < copy { copy } else { at })
                && is_boundary(code, start)
        })
}

/// The constant that the nearest `mov $imm32,%register` before `at` loads; `register` by its 32- or 64-bit name.
fn kept_constant(code: &[u8], at: usize, register: Register) -> Option<u32> {
    // RAX to R15 are numbered in a row, as EAX to R15D.
    let is_64_bit = (Register::RAX..=Register::R15).contains(&register);
    let register = if is_64_bit {
        Register::EAX + (register as u32 - Register::RAX as u32)
    } else {
        register
    };
    (at.saturating_sub(LOOK_BACK_BYTES)..at)
        .rev()
        .find_map(|start| {
            // b8+r, or 41 b8+r for r8d to r15d.
            if !matches!(code[start], 0xb8..=0xbf | 0x41) {
                return None;
            }
            let instruction = decode(code, start)?;
            let loads =
                instruction.code() == Code::Mov_r32_imm32 && instruction.op0_register() == register;
            let number = instruction.immediate32();
            (loads && number < NUMBER_LIMIT).then_some(number)
        })
}

/// Whether an instruction begins at `at`, as far as the code before it tells.
fn is_boundary(code: &[u8], at: usize) -> bool {
    in_step(code, at) * 4 >= STARTS * 3
}

/// Whether what surrounds `at` is something a program executes: tables of constants soon decode to privileged or invalid
/// instructions.
fn looks_like_code(code: &[u8], at: usize) -> bool {
    let first = at.saturating_sub(2 * STARTS);
    let Some(start) = (first..at).find(|&start| reaches(code, start, at)) else {
        return true;
    };
    let Some(bytes) = code.get(start..) else {
        return false;
    };
    let Ok(mut decoder) = Decoder::try_with_ip(64, bytes, start as u64, DecoderOptions::NONE)
    else {
        return false;
    };
    let end = at + STARTS;
    while decoder.can_decode() && decoder.ip() < end as u64 {
        let instruction = decoder.decode();
        if is_no_programs(&instruction) {
            return false;
        }
        let leaves = matches!(
            instruction.mnemonic(),
            Mnemonic::Ret | Mnemonic::Jmp | Mnemonic::Ud2 | Mnemonic::Hlt
        );
        if leaves && instruction.ip() > at as u64 {
            return true;
        }
    }
    true
}

/// Instructions that no compiler emits for user space.
fn is_no_programs(instruction: &Instruction) -> bool {
    use Mnemonic::*;
    matches!(
        instruction.mnemonic(),
        INVALID
            | Cli
            | Sti
            | In
            | Out
            | Insb
            | Insd
            | Outsb
            | Outsd
            | Retf
            | Iret
            | Iretd
            | Iretq
            | Int1
            | Int
            | Fldcw
            | Fldenv
            | Fnstenv
            | Fnsave
            | Frstor
            | Enter
            | Loop
            | Loope
            | Loopne
            | Jrcxz
            | Xlatb
            | Lahf
            | Sahf
    )
}

/// Number of places from which [`in_step`] decodes.
const STARTS: usize = 24;

/// From how many of [`STARTS`] places before `at` decoding comes to have an instruction begin at `at`.
fn in_step(code: &[u8], at: usize) -> usize {
    let first = at.saturating_sub(2 * STARTS);
    (first..first + STARTS)
        .filter(|&start| start <= at && reaches(code, start, at))
        .count()
}

fn reaches(code: &[u8], start: usize, at: usize) -> bool {
    let Some(bytes) = code.get(start..) else {
        return false;
    };
    let Ok(mut decoder) = Decoder::try_with_ip(64, bytes, start as u64, DecoderOptions::NONE)
    else {
        return false;
    };
    // Invalid bytes are stepped over: a start in the middle of an instruction says nothing.
    while decoder.ip() < at as u64 {
        let _ = decoder.decode();
    }
    decoder.ip() == at as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(code: &[u8]) -> Verdict {
        let at = system_calls(code)
            .last()
            .expect("a system call in the test's code");
        judge(code, at)
    }

    #[test]
    fn direct_sites() {
        assert_eq!(
            verdict(b"\xb8\x09\0\0\0\x0f\x05"),
            Verdict::Steer { start: 0 }
        );
        assert_eq!(
            verdict(b"\x90\x90\xb8\x0d\0\0\0\x0f\x05\xc3"),
            Verdict::Steer { start: 2 }
        );
        assert_eq!(verdict(b"\xb8\x66\0\0\0\x0f\x05"), Verdict::Harmless);
        assert_eq!(verdict(b"\x31\xc0\x0f\x05"), Verdict::Harmless);
        assert_eq!(
            verdict(b"\x48\xc7\xc0\x0f\0\0\0\x0f\x05"),
            Verdict::Harmless
        );
    }

    #[test]
    fn sites_with_instructions_between() {
        // ld.so's readlink: mov $0x59,%eax; lea 0x1cadb(%rip),%rdi; push %r12; sub $0x1008,%rsp; mov %rsp,%rsi; syscall
        let readlink = b"\xb8\x59\0\0\0\x48\x8d\x3d\xdb\xca\x01\0\x41\x54\x48\x81\xec\x08\x10\0\0\x48\x89\xe6\x0f\x05";
        assert_eq!(verdict(readlink), Verdict::Steer { start: 0 });
        // mov $0xe,%eax; movq $0x20,(%rsp); syscall
        assert_eq!(
            verdict(b"\xb8\x0e\0\0\0\x48\xc7\x04\x24\x20\0\0\0\x0f\x05"),
            Verdict::Steer { start: 0 }
        );
        // mov $9,%eax; mov $102,%eax; syscall: the nearer one counts.
        assert_eq!(
            verdict(b"\xb8\x09\0\0\0\xb8\x66\0\0\0\x0f\x05"),
            Verdict::Harmless
        );
        // mov $9,%eax; jmp +0; syscall: not straight.
        assert_ne!(
            verdict(b"\xb8\x09\0\0\0\xeb\0\x0f\x05"),
            Verdict::Steer { start: 0 }
        );
    }

    #[test]
    fn another_registers_constant_is_not_the_number() {
        // … mov $9,%r8d; syscall, behind enough code to be in step.
        let mut code = b"\x48\x89\xc7".repeat(20);
        code.extend(b"\x41\xb8\x09\0\0\0\x0f\x05");
        let at = code.len() - SYSCALL_BYTES;
        assert_eq!(in_step(&code, at), STARTS);
        assert_eq!(verdict(&code), Verdict::Unknown);
    }

    #[test]
    fn numbers_kept_in_registers() {
        // mov $0xca,%r9d; nop; mov %r9d,%eax; syscall
        assert_eq!(
            verdict(b"\x41\xb9\xca\0\0\0\x90\x44\x89\xc8\x0f\x05"),
            Verdict::Harmless
        );
        // the same with mmap's number
        assert_eq!(
            verdict(b"\x41\xb9\x09\0\0\0\x90\x44\x89\xc8\x0f\x05"),
            Verdict::Unknown
        );
        // the same with poll's, which may stay where it is
        assert_eq!(
            verdict(b"\x41\xb9\x07\0\0\0\x90\x44\x89\xc8\x0f\x05"),
            Verdict::Harmless
        );
        // the same, behind enough code to be in step, with mov $2,%edi right before the copy
        let mut code = b"\x48\x89\xfb".repeat(40);
        code.extend(b"\x41\xbf\x0e\0\0\0\xc3\xbf\x02\0\0\0\x44\x89\xf8\x0f\x05");
        assert_eq!(verdict(&code), Verdict::Steer { start: 127 });
        // mov %r8d,%eax; syscall, and no constant anywhere
        assert_eq!(verdict(b"\x90\x44\x89\xc0\x0f\x05"), Verdict::Unknown);
        // glibc's setxid
        assert_eq!(
            verdict(b"\x48\x8b\x78\x08\x8b\x00\x0f\x05"),
            Verdict::Harmless
        );
    }

    #[test]
    fn numbers_that_are_arguments() {
        // … mov 16(%rsp),%rax; syscall, and with a large displacement, behind enough code to be in step.
        for load in [
            b"\x48\x8b\x44\x24\x10".as_slice(),
            b"\x48\x8b\x84\x24\x10\x01\0\0",
        ] {
            let mut code = b"\x48\x89\xc7".repeat(20);
            let start = code.len();
            code.extend(load);
            code.extend(SYSCALL);
            assert_eq!(verdict(&code), Verdict::Steer { start });
        }
        // mov 16(%rsp),%rcx is another register's, mov 16(%rip),%rax somebody's variable.
        for load in [
            b"\x48\x8b\x4c\x24\x10".as_slice(),
            b"\x90\x48\x8b\x05\x10\0\0\0",
        ] {
            let mut code = b"\x48\x89\xc7".repeat(20);
            code.extend(load);
            code.extend(SYSCALL);
            assert!(!matches!(verdict(&code), Verdict::Steer { .. }));
        }
        // __syscall_cancel_arch
        let mut code = b"\x48\x89\xc7".repeat(20);
        code.extend(LIBC_CANCELLABLE);
        let at = code.len();
        code.extend(SYSCALL);
        assert_eq!(
            verdict(&code),
            Verdict::Steer {
                start: at - MOV_BYTES
            }
        );
    }

    #[test]
    fn bytes_inside_another_instruction() {
        // jne with a displacement of 0x050f, behind enough code to be in step.
        let mut code = b"\x48\x89\xc7".repeat(20);
        code.extend(b"\x0f\x85\x0f\x05\0\0");
        code.extend(b"\x48\x89\xc7".repeat(4));
        assert_eq!(verdict(&code), Verdict::NotCode);
    }

    /// The number of sites to steer and the addresses of unknown ones in an ELF file.
    fn scan_file(path: &str) -> (usize, Vec<u64>) {
        use object::{Object, ObjectSection, SectionFlags, elf};
        let bytes = std::fs::read(path).unwrap();
        let file = object::File::parse(&*bytes).unwrap();
        let (mut steered, mut unknown) = (0, Vec::new());
        for section in file.sections() {
            let SectionFlags::Elf { sh_flags } = section.flags() else {
                continue;
            };
            if sh_flags & u64::from(elf::SHF_EXECINSTR) == 0 {
                continue;
            }
            let code = section.data().unwrap();
            for at in system_calls(code) {
                match judge(code, at) {
                    Verdict::Steer { .. } => steered += 1,
                    Verdict::Unknown => unknown.push(section.address() + at as u64),
                    _ => {}
                }
            }
        }
        (steered, unknown)
    }

    #[test]
    fn this_machines_libc_needs_no_backstop() {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let mapped = |part: &str| {
            let mut paths = maps
                .lines()
                .filter_map(|line| line.split_whitespace().nth(5));
            paths.rfind(|path| path.contains(part)).map(str::to_owned)
        };
        for (part, least) in [("/libc.so", 20), ("/ld-linux", 5)] {
            let Some(path) = mapped(part) else {
                return eprintln!("skipped: not a process with glibc");
            };
            let (steered, unknown) = scan_file(&path);
            assert!(steered >= least, "{path}: only {steered} sites");
            assert!(
                unknown.is_empty(),
                "{path}: cannot tell the sites at {unknown:x?}"
            );
        }
    }

    #[test]
    #[ignore = "a tool: SCAN_FILES names ELF files, one a line is said about each"]
    fn scan_files() {
        for path in std::env::var("SCAN_FILES").unwrap().split_whitespace() {
            let (steered, unknown) = scan_file(path);
            println!("{path}: {steered} steered, unknown {unknown:x?}");
        }
    }
}
