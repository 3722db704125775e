//! The gate: one page at a fixed address through which the stub reaches the lower half.
//!
//! ```text
//!   0x0010_0000  magic u64 │ abi_version u32 │ gate_size u32 │ table hash u64 │ slot count u32
//!        +0x0100 hooks of the lower half (not the stub's business)
//!        +0x1000 function slots, 8 bytes each: the lower half's entry points
//! ```
//!
//! Frozen: `mana_split` has the same numbers. A stub accepts a gate with the same function table, or
//! with a longer one: slots are append-only, so a newer `mana` means the same by every slot this stub
//! knows. It refuses a gate with fewer slots, because a call through a slot that is not there would
//! jump nowhere.
//!
//! # Safety
//!
//! The page is mapped, readable and never changes while there is an upper half, if the auxiliary
//! vector has [`AT_MANA_GATE`]; [`check`] is called only then.

use crate::exports::{SLOT_COUNT, TABLE_HASH};
use crate::text::{Decimal, Hexadecimal};

/// Entry of the auxiliary vector by which the lower half announces the gate; its value is [`ADDRESS`].
pub const AT_MANA_GATE: usize = 0x4d41_4e41;

/// The slot, below those of `mana.h`, that is no function of the table: the program is exiting.
pub const EXIT_SLOT: usize = 767;

/// Address of the gate: below non-PIE programs, and low enough for an absolute 32-bit operand.
const ADDRESS: usize = 0x0010_0000;

/// Offset of function slot 0.
const SLOTS: usize = 0x1000;

const MAGIC: u64 = u64::from_le_bytes(*b"MANAGATE");
const ABI_VERSION: u32 = 1;

/// The gate's first bytes.
#[repr(C)]
#[derive(Clone, Copy)]
struct Header {
    magic: u64,
    abi_version: u32,
    gate_size: u32,
    function_table_hash: u64,
    function_count: u32,
}

/// Address of a function's slot.
pub const fn slot_address(slot: usize) -> usize {
    ADDRESS + SLOTS + 8 * slot
}

/// Ends the process with a message unless the gate at `address` is one this stub can use.
pub fn check(address: usize) {
    if address != ADDRESS {
        refuse(&[
            b"its gate is at ",
            Hexadecimal::new(address as u64).bytes(),
            b", not at 0x100000",
        ]);
    }
    // SAFETY: the lower half announced the gate at this address (see the module), and a page is
    // aligned for and larger than a Header, which any bytes are.
    let header = unsafe { core::ptr::read_volatile(address as *const Header) };
    if header.magic != MAGIC {
        refuse(&[b"there is no gate at 0x100000 although it says so"]);
    }
    if header.abi_version != ABI_VERSION {
        let version = Decimal::new(u64::from(header.abi_version));
        refuse(&[
            b"its gate has version ",
            version.bytes(),
            b", this library knows version 1",
        ]);
    }
    check_slots(&header);
}

fn check_slots(header: &Header) {
    let (theirs, ours) = (header.function_count, SLOT_COUNT);
    if theirs < ours {
        let (theirs, ours) = (
            Decimal::new(u64::from(theirs)),
            Decimal::new(u64::from(ours)),
        );
        refuse(&[
            b"it is older: it has ",
            theirs.bytes(),
            b" functions, this library ",
            ours.bytes(),
        ]);
    }
    if theirs == ours && header.function_table_hash != TABLE_HASH {
        let theirs = Hexadecimal::new(header.function_table_hash);
        let ours = Hexadecimal::new(TABLE_HASH);
        refuse(&[
            b"its function table is another: ",
            theirs.bytes(),
            b", this library's is ",
            ours.bytes(),
        ]);
    }
}

fn refuse(why: &[&[u8]]) -> ! {
    crate::system::say(&[b"libmana_stub: cannot work with the `mana` that runs this program: "]);
    crate::system::say(why);
    crate::system::fail(&[
        b".\nUse the `mana` that was installed with this library, or a newer one.\n",
    ])
}
