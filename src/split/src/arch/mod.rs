//! What depends on the processor: the assembly of the crossing, of signal entry and of resuming a thread, and access to
//! the FS and GS bases. One folder per architecture, the same names in each.

#![expect(unsafe_code, reason = "assembly, and what only it can do")]

#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
compile_error!("mana_split has assembly for x86-64 Linux only");

mod x86_64;

pub use x86_64::*;
