//! Encodes a trampoline: the code that a steered site jumps to.
//!
//! ```text
//!            …                          the site's own instructions, the number's mov among them
//!            lea   -128(%rsp),%rsp      the site may use the red zone below its stack pointer
//!            call  *hook slot(gate)
//!   done:    lea   128(%rsp),%rsp       the hook made the call: rax is its result
//!            jmp   back
//!   leave:   lea   128(%rsp),%rsp       not a virtualised call, registers as they were
//!            syscall
//!            jmp   back
//!   changed: syscall                    the hook changed these registers, and left what they point to and the old ones
//!            mov   -72(%rsp),%rdi       below the stack pointer, in a red zone of their own
//!            mov   -64(%rsp),%rsi
//!            mov   -56(%rsp),%rdx
//!            mov   -48(%rsp),%r10
//!            lea   128(%rsp),%rsp
//!            jmp   back
//!   after:   syscall                    as `changed`, but its result is the hook's to look at
//!            mov   %rax,-80(%rsp)       where the number was
//!            lea   -128(%rsp),%rsp      the old frame stays
//!            mov   $AFTER,%eax
//!            call  *hook slot(gate)
//!            lea   128(%rsp),%rsp       rax is the result
//!            mov   …                    as in `changed`
//! ```
//!
//! A thread blocks and takes signals in `leave`, `changed` and `after`: in upper-half code, where it can be part of a checkpoint.
//! The distances from `done` and where the registers lie are part of the gate's ABI, as the trampolines are in images.
//! Trampolines in older images have no `after`, and in some of these `changed` brings back rdi and rsi only: of the calls
//! whose rdx or r10 is changed, these steer none but the one in libc's syscall(), whose caller expects both to be lost.
//!
//! `call_again` knows `changed` and `after` by the instructions behind their system calls.
//! `lea` leaves the flags alone, as a system call does.

use iced_x86::{Decoder, DecoderOptions};

use super::sites::STRAIGHT_MAX_BYTES;
use crate::gate::{GATE_ADDR, HOOKS_OFFSET, Hook};
use crate::hooks::AFTER;

/// From the hook's return address to `leave`.
pub(crate) const LEAVE_OFFSET: usize = ADD_RED_ZONE.len() + JUMP_BYTES;
/// From the hook's return address to `changed`.
pub(crate) const CHANGED_OFFSET: usize =
    LEAVE_OFFSET + ADD_RED_ZONE.len() + SYSCALL.len() + JUMP_BYTES;
/// From the hook's return address to `after`.
pub(crate) const AFTER_OFFSET: usize = CHANGED_OFFSET + CHANGED_BYTES;
/// Room for one trampoline.
pub(super) const MAX_BYTES: usize = 208;

const SUB_RED_ZONE: [u8; 5] = [0x48, 0x8d, 0x64, 0x24, 0x80];
const ADD_RED_ZONE: [u8; 8] = [0x48, 0x8d, 0xa4, 0x24, 0x80, 0, 0, 0];
const SYSCALL: [u8; 2] = [0x0f, 0x05];
/// What follows the system call of `changed`: rdi and rsi as they were …
pub(crate) const RESTORE_FIRST: [u8; 10] =
    [0x48, 0x8b, 0x7c, 0x24, 0xb8, 0x48, 0x8b, 0x74, 0x24, 0xc0];
/// … rdx and r10.
const RESTORE_SECOND: [u8; 10] = [0x48, 0x8b, 0x54, 0x24, 0xc8, 0x4c, 0x8b, 0x54, 0x24, 0xd0];
/// How far the stack pointer in `changed` is above the hook's frame.
pub(crate) const FRAME_BYTES: usize = 128;
const JUMP_BYTES: usize = 5;
/// Length of the call of the hook, before its return address.
pub(crate) const CALL_BYTES: usize = 7;

/// A trampoline from where it makes room for the hook to the system call of `leave`; what differs from one to another is left out.
pub(crate) const TO_LEAVE: [Option<u8>;
    SUB_RED_ZONE.len() + CALL_BYTES + LEAVE_OFFSET + ADD_RED_ZONE.len()] = {
    let mut code = [None; SUB_RED_ZONE.len() + CALL_BYTES + LEAVE_OFFSET + ADD_RED_ZONE.len()];
    let call = call_hook();
    let parts: [&[u8]; 3] = [&SUB_RED_ZONE, &call, &ADD_RED_ZONE];
    let (mut part, mut at) = (0, 0);
    while part < parts.len() {
        let mut byte = 0;
        while byte < parts[part].len() {
            code[at] = Some(parts[part][byte]);
            byte += 1;
            at += 1;
        }
        part += 1;
    }
    // The jump back is skipped.
    let mut byte = 0;
    while byte < ADD_RED_ZONE.len() {
        code[at + JUMP_BYTES + byte] = Some(ADD_RED_ZONE[byte]);
        byte += 1;
    }
    code
};

/// Length of `changed`.
const CHANGED_BYTES: usize =
    SYSCALL.len() + RESTORE_FIRST.len() + RESTORE_SECOND.len() + ADD_RED_ZONE.len() + JUMP_BYTES;

/// What `after` begins with: the system call, and its result into the frame.
pub(crate) const SYSCALL_OF_AFTER: [u8; 7] = [0x0f, 0x05, 0x48, 0x89, 0x44, 0x24, 0xb0];
/// `mov $imm32,%eax`, up to the number.
const MOV_EAX: u8 = 0xb8;

/// What `changed` begins with: the system call, and the first registers.
pub(crate) const SYSCALL_OF_CHANGED: [u8; 12] = {
    let mut code = [0; 12];
    let (call, rest) = code.split_at_mut(SYSCALL.len());
    call.copy_from_slice(&SYSCALL);
    rest.copy_from_slice(&RESTORE_FIRST);
    code
};
/// From the system call of `leave` to its jump back.
pub(crate) const JUMP_FROM_LEAVE: usize = SYSCALL.len();
/// The same of `changed`.
pub(crate) const JUMP_FROM_CHANGED: usize = CHANGED_BYTES - JUMP_BYTES;
/// The same of `after`.
pub(crate) const JUMP_FROM_AFTER: usize = AFTER_BYTES - JUMP_BYTES;

/// From `after` to where the hook returns to in it.
pub(crate) const AFTER_TO_RETURN: usize =
    SYSCALL_OF_AFTER.len() + SUB_RED_ZONE.len() + 1 + size_of::<u32>() + CALL_BYTES;
/// Length of `after`.
const AFTER_BYTES: usize = AFTER_TO_RETURN + ADD_RED_ZONE.len() + CHANGED_BYTES - SYSCALL.len();

const _: () = assert!(
    STRAIGHT_MAX_BYTES + SUB_RED_ZONE.len() + CALL_BYTES + AFTER_OFFSET + AFTER_BYTES <= MAX_BYTES,
    "a trampoline may outgrow its room"
);

/// The addresses a trampoline connects.
#[derive(Debug, Clone, Copy)]
pub(super) struct Places {
    /// Where the trampoline will be.
    pub(super) trampoline: usize,
    /// Where its first instructions come from; the jump to the trampoline goes there.
    pub(super) from: usize,
    /// The instruction behind the system call.
    pub(super) back: usize,
}

/// Writes the trampoline for the site whose instructions before the `syscall` are `moved`, and returns the jump to put
/// in their place. `None`: something is out of reach; the site stays as it is.
pub(super) fn encode(room: &mut [u8], moved: &[u8], places: Places) -> Option<[u8; JUMP_BYTES]> {
    let mut out = Writer {
        room,
        at: 0,
        base: places.trampoline,
    };
    out.moved(moved, places.from)?;
    out.bytes(&SUB_RED_ZONE)?;
    out.bytes(&call_hook())?;
    out.bytes(&ADD_RED_ZONE)?;
    out.jump(places.back)?;
    out.bytes(&ADD_RED_ZONE)?;
    out.bytes(&SYSCALL)?;
    out.jump(places.back)?;
    out.bytes(&SYSCALL)?;
    out.restore(places.back)?;
    out.bytes(&SYSCALL_OF_AFTER)?;
    out.bytes(&SUB_RED_ZONE)?;
    out.bytes(&[MOV_EAX])?;
    out.bytes(&(AFTER as u32).to_le_bytes())?;
    out.bytes(&call_hook())?;
    out.bytes(&ADD_RED_ZONE)?;
    out.restore(places.back)?;
    jump(places.from, places.trampoline)
}

/// `call *slot`, an absolute 32-bit address.
const fn call_hook() -> [u8; CALL_BYTES] {
    let slot = (GATE_ADDR + HOOKS_OFFSET + 8 * Hook::Syscall as usize) as u32;
    let [a, b, c, d] = slot.to_le_bytes();
    [0xff, 0x14, 0x25, a, b, c, d]
}

/// `jmp` at address `from` to address `to`.
fn jump(from: usize, to: usize) -> Option<[u8; JUMP_BYTES]> {
    let [a, b, c, d] = distance(from + JUMP_BYTES, to)?;
    Some([0xe9, a, b, c, d])
}

fn distance(from: usize, to: usize) -> Option<[u8; 4]> {
    i32::try_from(to.wrapping_sub(from) as isize)
        .ok()
        .map(i32::to_le_bytes)
}

struct Writer<'a> {
    room: &'a mut [u8],
    at: usize,
    base: usize,
}

impl Writer<'_> {
    fn bytes(&mut self, bytes: &[u8]) -> Option<()> {
        self.room
            .get_mut(self.at..self.at + bytes.len())?
            .copy_from_slice(bytes);
        self.at += bytes.len();
        Some(())
    }

    fn jump(&mut self, to: usize) -> Option<()> {
        self.bytes(&jump(self.base + self.at, to)?)
    }

    /// Brings back the registers that the hook has changed, and goes back.
    fn restore(&mut self, back: usize) -> Option<()> {
        self.bytes(&RESTORE_FIRST)?;
        self.bytes(&RESTORE_SECOND)?;
        self.bytes(&ADD_RED_ZONE)?;
        self.jump(back)
    }

    /// Copies instructions that were at address `from`; what they address relative to themselves stays the same place.
    fn moved(&mut self, code: &[u8], from: usize) -> Option<()> {
        let mut decoder = Decoder::try_with_ip(64, code, from as u64, DecoderOptions::NONE).ok()?;
        while decoder.can_decode() {
            let start = decoder.position();
            let instruction = decoder.decode();
            let end = decoder.position();
            let at = self.at;
            self.bytes(code.get(start..end)?)?;
            if instruction.is_ip_rel_memory_operand() {
                let offset = decoder
                    .get_constant_offsets(&instruction)
                    .displacement_offset();
                let relative = distance(
                    self.base + self.at,
                    instruction.ip_rel_memory_address() as usize,
                )?;
                self.room
                    .get_mut(at + offset..at + offset + 4)?
                    .copy_from_slice(&relative);
            }
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACES: Places = Places {
        trampoline: 0x2000_0010_0000,
        from: 0x2000_0000_1000,
        back: 0x2000_0000_1010,
    };

    #[test]
    fn layout_is_the_pictures() {
        let mut room = [0xcc; MAX_BYTES];
        let jump = encode(&mut room, b"\xb8\x09\0\0\0", PLACES).unwrap();
        assert_eq!(jump[0], 0xe9);
        assert_eq!(
            i32::from_le_bytes(jump[1..].try_into().unwrap()),
            0x10_0000 - 0x1005
        );
        let expected: &[u8] = b"\xb8\x09\0\0\0\x48\x8d\x64\x24\x80\xff\x14\x25\x00\x01\x10\x00\x48\x8d\xa4\x24\x80\0\0\0";
        assert_eq!(&room[..expected.len()], expected);
        assert_eq!(room[17 + 8], 0xe9);
        let leave = 17 + LEAVE_OFFSET;
        assert_eq!(
            room[leave..leave + 10],
            *b"\x48\x8d\xa4\x24\x80\0\0\0\x0f\x05"
        );
        let to_leave = &room[b"\xb8\x09\0\0\0".len()..leave + ADD_RED_ZONE.len()];
        assert_eq!(to_leave.len(), TO_LEAVE.len());
        let same = |(byte, expected): (&u8, &Option<u8>)| expected.is_none_or(|it| it == *byte);
        assert!(to_leave.iter().zip(&TO_LEAVE).all(same));
        let changed = 17 + CHANGED_OFFSET;
        assert_eq!(
            room[changed..changed + 22],
            *b"\x0f\x05\x48\x8b\x7c\x24\xb8\x48\x8b\x74\x24\xc0\x48\x8b\x54\x24\xc8\x4c\x8b\x54\x24\xd0"
        );
        let after = 17 + AFTER_OFFSET;
        assert_eq!(
            room[after..after + 24],
            *b"\x0f\x05\x48\x89\x44\x24\xb0\x48\x8d\x64\x24\x80\xb8\xff\x01\0\0\xff\x14\x25\x00\x01\x10\x00"
        );
        assert_eq!(room[after + 24..after + 32], ADD_RED_ZONE);
        assert_eq!(room[after + 32..after + 42], RESTORE_FIRST);
        assert_eq!(room[changed..changed + 12], SYSCALL_OF_CHANGED);
        let behind_leave = leave + ADD_RED_ZONE.len() + JUMP_FROM_LEAVE;
        for jump in [
            behind_leave,
            changed + JUMP_FROM_CHANGED,
            after + JUMP_FROM_AFTER,
        ] {
            assert_eq!(room[jump], 0xe9);
        }
    }

    #[test]
    fn relative_operands_keep_their_target() {
        // mov $0xe,%eax; lea 0x1234(%rip),%rsi
        let mut room = [0; MAX_BYTES];
        encode(&mut room, b"\xb8\x0e\0\0\0\x48\x8d\x35\x34\x12\0\0", PLACES).unwrap();
        let target = PLACES.from + 12 + 0x1234;
        let relative = i32::from_le_bytes(room[8..12].try_into().unwrap());
        assert_eq!(
            (PLACES.trampoline + 12).wrapping_add_signed(relative as isize),
            target
        );
    }

    #[test]
    fn out_of_reach_is_refused() {
        let far = Places {
            trampoline: PLACES.from + (3 << 30),
            ..PLACES
        };
        assert_eq!(encode(&mut [0; MAX_BYTES], b"\xb8\x09\0\0\0", far), None);
    }
}
