//! The virtualised system calls: what the hook does instead of the kernel.
//!
//! | call | here |
//! |---|---|
//! | mmap, mremap, shmat, brk, munmap | [`memory`]: the upper half's memory stays in the window |
//! | readlink, readlinkat | [`paths`]: /proc/self/exe is the program, not mana |
//! | rt_sigaction, rt_sigprocmask | [`crate::signals`] |
//! | tgkill, tkill | [`crate::restore`]: after a restart, threads have other ids than libc remembers |
//!
//! Everything else goes straight to the kernel, without a detour: execve too (a program that the upper half executes
//! runs outside mana) and fork (the child has both halves and the same hooks).

#![expect(unsafe_code, reason = "does the upper half's system calls")]
// # Safety
// Called on upper-half threads with any TLS or none, between a caller's instructions: no allocation, no libc, no
// thread-local, no panic, no lock. Pointers come from the application and are the kernel's to check; the hooks follow
// one only after the kernel has used it.

mod memory;
mod paths;

pub use memory::set_on_unmap;
pub(crate) use paths::{program, set_program};

use crate::error::Result;
use crate::gate::{Gate, Hook};
use crate::{arch, restore, seccomp, signals, sys, vdso};

/// Numbers of the virtualised system calls (x86-64).
pub(crate) const VIRTUALISED: [i64; 11] = [
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_brk,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_mremap,
    libc::SYS_shmat,
    libc::SYS_readlink,
    libc::SYS_tkill,
    libc::SYS_tgkill,
    libc::SYS_readlinkat,
];

/// Fills the gate's hook slots: system calls and the vdso's functions.
///
/// # Errors
/// [`crate::Error::Processor`] when the processor cannot save its vector registers by `xsave`.
pub fn install(gate: &mut Gate) -> Result<()> {
    arch::prepare_syscall_hook()?;
    gate.set_hook(Hook::Syscall, arch::syscall_hook as *const () as usize);
    for (hook, address) in vdso::hooks() {
        gate.set_hook(hook, address);
    }
    Ok(())
}

/// One bit per system-call number below this is enough for all of [`VIRTUALISED`].
pub(crate) const BITMAP_BITS: usize = 512;

/// [`VIRTUALISED`] as a bitmap, for the entry's assembly.
pub(crate) static BITMAP: [u64; BITMAP_BITS / 64] = bitmap();

const fn bitmap() -> [u64; BITMAP_BITS / 64] {
    let mut map = [0; BITMAP_BITS / 64];
    let mut i = 0;
    while i < VIRTUALISED.len() {
        let nr = VIRTUALISED[i] as usize;
        map[nr / 64] |= 1 << (nr % 64);
        i += 1;
    }
    map
}

/// Whether system call `number` comes to the hook.
pub(crate) fn is_virtualised(number: u32) -> bool {
    let number = number as usize;
    BITMAP.get(number / 64).is_some_and(|word| word >> (number % 64) & 1 != 0)
}

/// A system call as its caller's registers say it.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub(crate) struct SystemCall {
    pub(crate) number: i64,
    /// rdi, rsi, rdx, r10, r8, r9.
    pub(crate) args: [u64; 6],
}

/// Does a virtualised system call and returns what the kernel would return.
pub(crate) extern "C" fn dispatch(call: &SystemCall) -> i64 {
    let args = call.args;
    match call.number {
        libc::SYS_mmap => memory::mmap(args),
        libc::SYS_munmap => memory::munmap(args),
        libc::SYS_brk => memory::brk(args),
        libc::SYS_mremap => memory::mremap(args),
        libc::SYS_shmat => memory::shmat(args),
        libc::SYS_readlink => paths::readlink(args),
        libc::SYS_readlinkat => paths::readlinkat(args),
        libc::SYS_rt_sigaction => rt_sigaction(args),
        libc::SYS_rt_sigprocmask => rt_sigprocmask(args),
        libc::SYS_tgkill => pass(libc::SYS_tgkill, kernel_tids(args, 2)),
        libc::SYS_tkill => pass(libc::SYS_tkill, kernel_tids(args, 1)),
        other => pass(other, args),
    }
}

/// `args` with the first `count`, thread ids as the upper half knows them, as the kernel knows them.
fn kernel_tids(mut args: [u64; 6], count: usize) -> [u64; 6] {
    for arg in args.iter_mut().take(count) {
        *arg = restore::tid_of_kernel(*arg as i32) as u64;
    }
    args
}

/// rt_sigaction(2); SIGSYS is the backstop's while that is armed.
fn rt_sigaction(args: [u64; 6]) -> i64 {
    let changes = args[1] != 0;
    if changes && args[0] == libc::SIGSYS as u64 && seccomp::is_armed() {
        return -i64::from(libc::EINVAL);
    }
    signals::hook_rt_sigaction(args)
}

/// rt_sigprocmask(2); SIGSYS cannot be blocked while the backstop is armed.
fn rt_sigprocmask(mut args: [u64; 6]) -> i64 {
    let stripped;
    if args[1] != 0 && seccomp::is_armed() && args[0] != libc::SIG_UNBLOCK as u64 {
        // SAFETY: the application's pointer to a kernel signal set, as natively.
        stripped = unsafe { *(args[1] as *const u64) } & !seccomp::SIGSYS_BIT;
        args[1] = (&raw const stripped) as u64;
    }
    signals::hook_rt_sigprocmask(args)
}

/// Does the application's system call as it is.
fn pass(number: i64, args: [u64; 6]) -> i64 {
    // SAFETY: the application's own call, which it could make by itself; the kernel checks its pointers.
    unsafe { sys::raw(number, args) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bitmap_holds_the_list() {
        let listed: Vec<i64> = (0..1024).filter(|&n| is_virtualised(n)).map(i64::from).collect();
        let mut expected = VIRTUALISED;
        expected.sort_unstable();
        assert_eq!(listed, expected);
    }

    #[test]
    fn dispatch_returns_the_kernels_errors() {
        let call = SystemCall { number: libc::SYS_munmap, args: [1, 4096, 0, 0, 0, 0] };
        assert_eq!(dispatch(&call), -i64::from(libc::EINVAL));
    }
}
