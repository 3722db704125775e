//! libmana_stub.so: a complete MPI library that contains no MPI.
//!
//! ```text
//!   application ── call MPI_Send ──> MPI_Send: jmp *slot(gate) ──> mana's entry for that slot
//!   (upper half)                     (this library)                (lower half)
//! ```
//!
//! Every function is one jump through a slot of the gate, a page at a fixed address that the lower
//! half fills ([`gate`]). The library's initialiser ([`start`]) makes sure that there is a gate: a
//! program started without `mana` becomes one that runs under it, in the same process id.
//!
//! Invariant: this is the only code of ours inside an image, and an image outlives versions of
//! `mana`. So the library is tiny, keeps no state, needs no other library (not even a libc: the link
//! fails if it does), and depends on nothing but the gate's frozen layout and slot numbers.
//!
//! # Safety
//!
//! All code here runs in the upper half, on the upper half's TLS, which it never touches. It does not
//! allocate (a few pages come from `mmap`), cannot panic in any way that returns, and takes no
//! locks, so that it may run at any point of a program's start.

#![no_std]
// Otherwise LLVM turns byte loops into calls of a memcpy that is not there.
#![no_builtins]
#![deny(unsafe_code)]

#[expect(unsafe_code, reason = "system calls are instructions")]
mod arch;
#[expect(unsafe_code, reason = "C exports its functions by name")]
mod convert;
#[expect(
    unsafe_code,
    reason = "builds the argument block of execve from C strings"
)]
mod exec;
#[rustfmt::skip] // written by `cargo xtask generate`, one function per line
#[expect(unsafe_code, reason = "each export is one naked jump")]
mod exports;
#[expect(
    unsafe_code,
    reason = "reads the gate page, whose address is a constant"
)]
mod gate;
mod places;
#[expect(unsafe_code, reason = "reads the stack that the kernel built")]
mod start;
#[expect(unsafe_code, reason = "wraps system calls")]
mod system;
mod text;

/// A panic has nobody to report to; ends the process with a message.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    system::fail(&[b"libmana_stub: internal error\n"])
}
