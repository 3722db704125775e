//! What depends on the processor: the jump through the gate, and system calls.

#[cfg(target_arch = "x86_64")]
mod x86_64;
#[cfg(target_arch = "x86_64")]
pub(crate) use x86_64::{forward, leave, number, system_call};

#[cfg(not(target_arch = "x86_64"))]
compile_error!("libmana_stub is written for x86-64 so far: add src/arch/<architecture>.rs");
