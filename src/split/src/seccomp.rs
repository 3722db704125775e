//! The backstop: a seccomp filter for programs with system calls that steering cannot place.
//!
//! ```text
//!   syscall in the window, a virtualised number  -> SIGSYS -> the same dispatcher -> result into rax
//!   everything else                              -> the kernel, as ever
//! ```
//!
//! It costs every system call of the process some tens of nanoseconds, so it is armed only when a scan finds a reason.
//! The filter is inherited by children, and by what the program executes ([`inherit`]). Without CAP_SYS_ADMIN it needs "no new privileges", so that setuid programs
//! executed by the application lose their s-bit: the price of such a program.

#![expect(
    unsafe_code,
    reason = "installs a signal handler and a filter by system call"
)]
// # Safety
// Armed by the loader or by the mmap hook, with any TLS or none: no allocation, no libc, no panic. The SIGSYS handler
// runs on upper-half threads, on their stack, with the upper TLS.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use crate::error::{Error, Result};
use crate::hooks::{self, Sent, SystemCall, VIRTUALISED};
use crate::{arch, sys, window};

static ARMED: AtomicBool = AtomicBool::new(false);

/// Whether the filter is in force.
#[must_use]
pub fn is_armed() -> bool {
    ARMED.load(SeqCst)
}

/// Makes [`is_armed`] true without a filter.
#[cfg(test)]
pub(crate) fn pretend_armed() {
    ARMED.store(true, SeqCst);
}

/// The bit of SIGSYS in a kernel signal set: that signal must not be blocked while the filter is in force, or the
/// kernel kills the process.
pub(crate) const SIGSYS_BIT: u64 = 1 << (libc::SIGSYS - 1);

/// Puts the filter in force for all threads. Says so on stderr if that is impossible.
pub(crate) fn arm() {
    if ARMED.swap(true, SeqCst) {
        return;
    }
    if install_handler() < 0 || install_filter() < 0 {
        let message = b"mana: the program makes system calls that only a seccomp filter can redirect, and the kernel \
            refuses the filter; checkpoints will fail if it maps memory that way\n";
        // SAFETY: a buffer of the stated length.
        unsafe {
            sys::raw(
                libc::SYS_write,
                [2, message.as_ptr() as u64, message.len() as u64, 0, 0, 0],
            )
        };
    }
}

/// The process has the filter already, from the program that executed this one.
///
/// # Errors
/// [`Error::Os`] when the kernel refuses the handler.
pub fn inherit() -> Result<()> {
    ARMED.store(true, SeqCst);
    match install_handler() {
        0.. => Ok(()),
        errno => Err(Error::raw(
            "installing the handler of SIGSYS",
            sys::Errno(-errno as i32),
        )),
    }
}

/// `struct sigaction` as the kernel has it.
#[repr(C)]
struct KernelAction {
    handler: usize,
    flags: u64,
    restorer: usize,
    mask: u64,
}

fn install_handler() -> i64 {
    const SA_RESTORER: u64 = 0x0400_0000;
    let flags = (libc::SA_SIGINFO | libc::SA_NODEFER) as u64 | SA_RESTORER;
    let restorer = arch::sigsys_return as *const () as usize;
    let action = KernelAction {
        handler: on_sigsys as *const () as usize,
        flags,
        restorer,
        mask: 0,
    };
    let args = [
        libc::SIGSYS as u64,
        (&raw const action) as u64,
        0,
        size_of::<u64>() as u64,
        0,
        0,
    ];
    // SAFETY: a complete action whose handler and restorer live as long as the process.
    unsafe { sys::raw(libc::SYS_rt_sigaction, args) }
}

/// Does the trapped system call as the hook and the trampoline would.
extern "C" fn on_sigsys(_signal: i32, _info: *mut libc::siginfo_t, context: *mut libc::ucontext_t) {
    // SAFETY: the kernel passes the context of the signal, valid until the handler returns.
    let context = unsafe { &mut *context };
    let registers = &mut context.uc_mcontext.gregs;
    let arg = |register: i32| registers[register as usize] as u64;
    let args = [
        libc::REG_RDI,
        libc::REG_RSI,
        libc::REG_RDX,
        libc::REG_R10,
        libc::REG_R8,
        libc::REG_R9,
    ]
    .map(arg);
    // rax still is the number: a trapped call is not started.
    let mut call = SystemCall::new(registers[libc::REG_RAX as usize], args);
    let outcome = hooks::dispatch(&mut call);
    let mut value = outcome.value;
    if outcome.way_back != 0 {
        let Sent { rdi, rsi, rdx, r10 } = call.sent;
        // SAFETY: the application's own call, as the hook changed it.
        value = unsafe { sys::raw(call.number, [rdi, rsi, rdx, r10, args[4], args[5]]) };
    }
    registers[libc::REG_RAX as usize] = value;
    if call.number == libc::SYS_rt_sigprocmask {
        // The mask in the frame is what the return from this handler brings back: the new one, then.
        let mask = (&raw mut context.uc_sigmask) as u64;
        // SAFETY: reads the mask; a kernel signal set is the first eight bytes of libc's.
        unsafe {
            sys::raw(
                libc::SYS_rt_sigprocmask,
                [0, 0, mask, size_of::<u64>() as u64, 0, 0],
            )
        };
    }
}

/// Instructions of the filter: architecture and number, a test per virtualised number, allow, four for the address,
/// allow, trap.
const PROGRAM_LEN: usize = 3 + VIRTUALISED.len() + 1 + 4 + 2;

fn install_filter() -> i64 {
    const SECCOMP_SET_MODE_FILTER: u64 = 1;
    const SECCOMP_FILTER_FLAG_TSYNC: u64 = 1;
    let filter = filter(window::has_low_extra());
    let program = libc::sock_fprog {
        len: PROGRAM_LEN as u16,
        filter: filter.as_ptr().cast_mut(),
    };
    let args = [
        SECCOMP_SET_MODE_FILTER,
        SECCOMP_FILTER_FLAG_TSYNC,
        (&raw const program) as u64,
        0,
        0,
        0,
    ];
    // SAFETY: a filter program of the stated length; the kernel copies it.
    let result = unsafe { sys::raw(libc::SYS_seccomp, args) };
    if result != -i64::from(libc::EACCES) {
        return result;
    }
    // SAFETY: takes no pointers.
    unsafe {
        sys::raw(
            libc::SYS_prctl,
            [libc::PR_SET_NO_NEW_PRIVS as u64, 1, 0, 0, 0, 0],
        )
    };
    // SAFETY: as above.
    unsafe { sys::raw(libc::SYS_seccomp, args) }
}

/// The filter; with `low`, a program at fixed addresses below 4 GiB is watched too.
fn filter(low: bool) -> [libc::sock_filter; PROGRAM_LEN] {
    /// Offsets in `struct seccomp_data`.
    const NUMBER: u32 = 0;
    const ARCHITECTURE: u32 = 4;
    const ADDRESS_HIGH: u32 = 12;
    const AUDIT_ARCH_X86_64: u32 = 0xc000_003e;
    const ALLOW: u32 = 0x7fff_0000;
    const TRAP: u32 = 0x0003_0000;
    const WINDOW_HIGH: u32 = (window::WINDOW_START >> 32) as u32;
    const WINDOW_HIGH_END: u32 = (window::WINDOW_END >> 32) as u32;
    const LOAD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
    const EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    const AT_LEAST: u32 = libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K;
    const RETURN: u32 = libc::BPF_RET | libc::BPF_K;

    let step = |code: u32, k: u32, jt: usize, jf: usize| libc::sock_filter {
        code: code as u16,
        jt: jt as u8,
        jf: jf as u8,
        k,
    };
    let mut program = [step(RETURN, ALLOW, 0, 0); PROGRAM_LEN];
    let numbers = 3;
    let allow = numbers + VIRTUALISED.len();
    let address = allow + 1;
    let trap = PROGRAM_LEN - 1;
    // A jump's distance counts from the next instruction.
    let to = |target: usize, from: usize| target - from - 1;
    program[0] = step(LOAD, ARCHITECTURE, 0, 0);
    program[1] = step(EQUAL, AUDIT_ARCH_X86_64, 0, to(allow, 1));
    program[2] = step(LOAD, NUMBER, 0, 0);
    for (index, number) in VIRTUALISED.iter().enumerate() {
        let at = numbers + index;
        program[at] = step(EQUAL, *number as u32, to(address, at), 0);
    }
    // program[allow] stays "allow"; the address is that of the instruction behind the system call.
    program[address] = step(LOAD, ADDRESS_HIGH, 0, 0);
    let low_word = if low { 0 } else { WINDOW_HIGH };
    program[address + 1] = step(EQUAL, low_word, to(trap, address + 1), 0);
    program[address + 2] = step(AT_LEAST, WINDOW_HIGH, 0, to(trap - 1, address + 2));
    program[address + 3] = step(AT_LEAST, WINDOW_HIGH_END, 0, to(trap, address + 3));
    // program[trap - 1] stays "allow" too: jumps only go forward.
    program[trap] = step(RETURN, TRAP, 0, 0);
    program
}
