//! The virtualised system calls: what the hook does instead of the kernel.
//!
//! | call | here |
//! |---|---|
//! | mmap, mremap, shmat, munmap | `memory`: the upper half's memory stays in the window |
//! | brk | `program_break` |
//! | madvise, mlock | noted for [`crate::advice`] |
//! | shmget, shmctl | [`crate::sysv`]: after a restart, segments may have other ids than the program remembers |
//! | readlink, readlinkat | `paths`: /proc/self/exe is the program, not mana |
//! | wait4, waitid | [`crate::children`]: after a restart, some have ended in the process that was saved |
//! | stat, access … | `proc_paths`: after a restart, /proc has other numbers in it than the program knows |
//! | rt_sigaction | [`crate::signals`] |
//! | rt_sigprocmask | the checkpoint signal cannot be blocked |
//! | timer_create, timer_delete | [`crate::timers`]: which there are |
//! | poll, epoll_wait, nanosleep, futex … | `waits`: what `call_again` needs to go on with them |
//! | clock_gettime, timer_settime, timerfd_settime | `clocks`: after a restart, the program's clocks are not the kernel's |
//! | getpid, kill, tgkill … | `numbers`: after a restart, the process and its threads have other numbers than the program knows |
//! | open, dup, pipe, close … | `descriptors`: whose a descriptor is; `libraries`: the MPI library that ld.so opens is the stub |
//! | execve, execveat | `exec`: what the program becomes runs under mana, too |
//! | clone, fork | `fork`: where children are part of checkpoints, they get a lower half that works |
//!
//! Everything else goes straight to the kernel, without a detour.

#![expect(unsafe_code, reason = "does the upper half's system calls")]
// # Safety
// Called on upper-half threads with any TLS or none, between a caller's instructions: no allocation, no libc, no
// thread-local, no panic, no lock. Pointers come from the application and are the kernel's to check; the hooks follow
// one only after the kernel has used it.

mod advice;
mod clocks;
mod descriptors;
mod exec;
mod fork;
mod libraries;
mod memory;
pub(crate) mod numbers;
mod paths;
mod proc_paths;
pub(crate) mod program_break;
pub(crate) mod waits;

use std::sync::atomic::{AtomicU64, Ordering};

pub use exec::{Given, Note, Variables, count_as_child, follow_exec};
pub use fork::follow_forks;
pub use libraries::{OTHER_MPIS, may_have_other_mpi, set_stub};
pub use memory::set_on_unmap;
pub(crate) use paths::{program, set_program};

use crate::error::Result;
use crate::gate::{Gate, Hook};
use crate::steer::{
    AFTER_OFFSET, AFTER_TO_RETURN, CHANGED_OFFSET, FRAME_BYTES, LEAVE_OFFSET, SYSCALL_OF_AFTER,
};
use crate::{arch, children, seccomp, signals, sys, thread, timers, vdso, watches};

/// Numbers of the virtualised system calls (x86-64).
pub(crate) const VIRTUALISED: [i64; 52] = [
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_brk,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_mremap,
    libc::SYS_shmat,
    libc::SYS_shmget,
    libc::SYS_shmctl,
    libc::SYS_readlink,
    libc::SYS_tkill,
    libc::SYS_tgkill,
    libc::SYS_readlinkat,
    libc::SYS_timer_create,
    libc::SYS_timer_delete,
    libc::SYS_execve,
    libc::SYS_execveat,
    // Those of `descriptors`:
    libc::SYS_open,
    libc::SYS_openat,
    libc::SYS_openat2,
    libc::SYS_creat,
    libc::SYS_close,
    libc::SYS_close_range,
    libc::SYS_dup,
    libc::SYS_dup2,
    libc::SYS_dup3,
    libc::SYS_fcntl,
    libc::SYS_pipe,
    libc::SYS_pipe2,
    libc::SYS_socket,
    libc::SYS_socketpair,
    libc::SYS_eventfd,
    libc::SYS_eventfd2,
    libc::SYS_timerfd_create,
    libc::SYS_signalfd,
    libc::SYS_signalfd4,
    libc::SYS_epoll_create,
    libc::SYS_epoll_create1,
    libc::SYS_inotify_init,
    libc::SYS_inotify_init1,
    libc::SYS_inotify_add_watch,
    libc::SYS_memfd_create,
    libc::SYS_pidfd_open,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_open_by_handle_at,
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_mq_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_fanotify_init,
    libc::SYS_io_uring_setup,
];

/// Fills the gate's hook slots: system calls and the vdso's functions.
///
/// # Errors
/// [`crate::Error::Processor`] when the processor cannot save its vector registers by `xsave`.
pub fn install(gate: &mut Gate) -> Result<()> {
    arch::prepare_syscall_hook()?;
    crate::descriptors::start();
    watches::start();
    gate.set_hook(Hook::Syscall, arch::syscall_hook as *const () as usize);
    for (hook, address) in vdso::hooks() {
        gate.set_hook(hook, address);
    }
    Ok(())
}

/// One bit per system-call number below this is enough for all that comes to the hook.
pub(crate) const BITMAP_BITS: usize = 512;

type Bitmap = [u64; BITMAP_BITS / 64];

/// What comes to the hook, once a trampoline has called it, for the entry's assembly: [`VIRTUALISED`], [`waits::STEERED`],
/// [`advice::STEERED`], and after a restart [`clocks::STEERED`], [`numbers::STEERED`] and [`proc_paths::STEERED`].
pub(crate) static BITMAP: [AtomicU64; BITMAP_BITS / 64] = {
    let mut map = [const { AtomicU64::new(0) }; BITMAP_BITS / 64];
    let mut i = 0;
    while i < map.len() {
        map[i] = AtomicU64::new(AT_ONCE[i]);
        i += 1;
    }
    map
};

/// What comes to the hook from the beginning.
const AT_ONCE: Bitmap = {
    let map = with([0; BITMAP_BITS / 64], &VIRTUALISED);
    with(with(map, &waits::STEERED), &advice::STEERED)
};

/// Whose sites get a trampoline.
static STEERED: Bitmap = {
    let map = with(AT_ONCE, &clocks::STEERED);
    let map = with(map, &numbers::STEERED);
    let map = with(map, &proc_paths::STEERED);
    let map = with(map, &fork::STEERED);
    with(map, &WAITS_FOR_CHILDREN)
};

/// What comes to the hook where a restart has kept children, or made processes that the program knows by other numbers.
pub(crate) const WAITS_FOR_CHILDREN: [i64; 2] = [libc::SYS_wait4, libc::SYS_waitid];

/// From here on [`WAITS_FOR_CHILDREN`] come to the hook.
pub(crate) fn children_are_kept() {
    from_here_on(&WAITS_FOR_CHILDREN);
}

/// The same, and it is looked at what they give.
pub(crate) fn numbers_of_children_differ() {
    children_are_kept();
    from_here_on(&[AFTER]);
}

/// From here on the calls of `clocks` come to the hook.
pub(crate) fn clocks_differ() {
    from_here_on(&clocks::STEERED);
}

/// From here on the calls of `numbers` and `proc_paths` come to the hook.
pub(crate) fn numbers_differ() {
    from_here_on(&numbers::STEERED);
    from_here_on(&proc_paths::STEERED);
    from_here_on(&[AFTER]);
}

fn from_here_on(calls: &[i64]) {
    for (word, bits) in BITMAP.iter().zip(with([0; BITMAP_BITS / 64], calls)) {
        word.fetch_or(bits, Ordering::Relaxed);
    }
}

const fn with(mut map: Bitmap, numbers: &[i64]) -> Bitmap {
    let mut i = 0;
    while i < numbers.len() {
        let nr = numbers[i] as usize;
        map[nr / 64] |= 1 << (nr % 64);
        i += 1;
    }
    map
}

/// Whether system call `number` is done otherwise than the kernel would, wherever it is made.
pub(crate) fn is_virtualised(number: u32) -> bool {
    VIRTUALISED.contains(&i64::from(number))
}

/// Whether the sites of system call `number` get a trampoline.
pub(crate) fn is_steered(number: u32) -> bool {
    let number = number as usize;
    STEERED
        .get(number / 64)
        .is_some_and(|word| word >> (number % 64) & 1 != 0)
}

/// The registers that a hook may change.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) r10: u64,
    pub(crate) rdx: u64,
    pub(crate) rdi: u64,
    pub(crate) rsi: u64,
}

/// A system call as its caller's registers say it, in the entry's frame on the caller's stack.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub(crate) struct SystemCall {
    /// The registers when the trampoline makes the call ([`Outcome::changed`]); the caller's at first.
    pub(crate) sent: Sent,
    /// Room for what `sent` points to, and `waits` remembers.
    pub(crate) room: [u64; 2],
    /// rax, also when the trampoline makes the call.
    pub(crate) number: i64,
    /// rdi, rsi, rdx, r10, r8, r9.
    pub(crate) args: [u64; 6],
}

impl SystemCall {
    /// A call as it comes from the application.
    pub(crate) fn new(number: i64, args: [u64; 6]) -> Self {
        Self {
            sent: Sent {
                r10: args[3],
                rdx: args[2],
                rdi: args[0],
                rsi: args[1],
            },
            room: [0; 2],
            number,
            args,
        }
    }

    /// The address of [`SystemCall::room`].
    fn room_address(&self) -> u64 {
        (&raw const self.room) as u64
    }
}

/// How a hook ends: rax, and which of its ways back the trampoline takes (an offset from the hook's return address).
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) value: i64,
    pub(crate) way_back: u64,
}

impl Outcome {
    /// The call has been made, here.
    fn done(value: i64) -> Self {
        Self { value, way_back: 0 }
    }

    /// The trampoline makes the call as it is.
    fn unchanged(call: &SystemCall) -> Self {
        Self {
            value: call.number,
            way_back: LEAVE_OFFSET as u64,
        }
    }

    /// The trampoline makes the call with what `sent` holds.
    fn changed(call: &SystemCall) -> Self {
        Self {
            value: call.number,
            way_back: CHANGED_OFFSET as u64,
        }
    }

    /// The same, and [`dispatch`] is called once more when it is over, with [`AFTER`] for a number. Not where a call need not come
    /// from a trampoline.
    fn changed_and_after(call: &SystemCall) -> Self {
        if is_after(return_address(call).wrapping_add(AFTER_OFFSET)) {
            Self {
                value: call.number,
                way_back: AFTER_OFFSET as u64,
            }
        } else {
            Self::changed(call) // the trampoline is an older one's
        }
    }
}

/// The number by which a trampoline says that a call is over: none that the kernel has.
pub(crate) const AFTER: i64 = BITMAP_BITS as i64 - 1;

/// Where the hook returns to in the trampoline that has called it.
fn return_address(call: &SystemCall) -> usize {
    let place = std::ptr::from_ref(call) as usize + FRAME_BYTES - size_of::<usize>();
    // SAFETY: the call has pushed it, above the frame; both are on one stack.
    unsafe { *(place as *const usize) }
}

/// Whether a trampoline's `after` begins at `place`.
fn is_after(place: usize) -> bool {
    sys::read_bytes(place as u64) == Some(SYSCALL_OF_AFTER)
}

/// A call of [`Outcome::changed_and_after`] is over; its result.
fn after(call: &SystemCall) -> i64 {
    if !is_after(return_address(call).wrapping_sub(AFTER_TO_RETURN)) {
        return -i64::from(libc::ENOSYS); // the program's own idea of a number
    }
    // SAFETY: the frame of that call is above this one, with the result in the place of its number: see `steer/trampoline.rs`.
    let over =
        unsafe { &*((std::ptr::from_ref(call) as usize + FRAME_BYTES) as *const SystemCall) };
    if over.room[1] == numbers::IS_WAIT_FOR_CHILD {
        return numbers::after_wait(over);
    }
    if over.room[1] != numbers::IS_TOLD {
        waits::after(over);
    }
    over.number
}

/// Does a virtualised system call, or says how to make it.
///
/// A call that delivers signals is made by the trampoline, in the upper half, so that a handler of the application never
/// runs on top of a frame of the lower half: such a thread could not be part of a checkpoint.
pub(crate) extern "C" fn dispatch(call: &mut SystemCall) -> Outcome {
    let args = call.args;
    Outcome::done(match call.number {
        libc::SYS_mmap => memory::mmap(args),
        libc::SYS_munmap => memory::munmap(args),
        libc::SYS_brk => program_break::brk(args[0] as usize),
        libc::SYS_mremap => memory::mremap(args),
        libc::SYS_shmat => memory::shmat(args),
        libc::SYS_shmget => memory::shmget(args),
        libc::SYS_shmctl => memory::shmctl(args),
        libc::SYS_readlink => paths::readlink(args),
        libc::SYS_readlinkat => paths::readlinkat(args),
        libc::SYS_rt_sigaction => rt_sigaction(args),
        libc::SYS_rt_sigprocmask => return rt_sigprocmask(call),
        libc::SYS_timer_create => timers::hook_create(args),
        libc::SYS_timer_delete => timers::hook_delete(args),
        libc::SYS_tgkill => return numbers::with_kernels_numbers(call, true, true),
        libc::SYS_tkill => return numbers::with_kernels_numbers(call, true, false),
        libc::SYS_execve => return exec::execve(call),
        libc::SYS_execveat => return exec::execveat(call),
        AFTER => after(call),
        libc::SYS_wait4 | libc::SYS_waitid => {
            match children::wait(call.number, args, paths::copy_out) {
                Some(result) => result,
                None => return numbers::wait(call),
            }
        }
        number if fork::STEERED.contains(&number) => return fork::dispatch(call),
        number if advice::STEERED.contains(&number) => return advice::dispatch(call),
        number if waits::is_wait(number) => return waits::dispatch(call),
        number if clocks::STEERED.contains(&number) => return clocks::dispatch(call),
        number if numbers::STEERED.contains(&number) => return numbers::dispatch(call),
        number if proc_paths::STEERED.contains(&number) => return proc_paths::dispatch(call),
        number if is_steered(number as u32) => return descriptors::dispatch(call),
        _ => return Outcome::unchanged(call),
    })
}

/// rt_sigaction(2); SIGSYS is the backstop's while that is armed.
fn rt_sigaction(args: [u64; 6]) -> i64 {
    let changes = args[1] != 0;
    if changes && args[0] == libc::SIGSYS as u64 && seccomp::is_armed() {
        return -i64::from(libc::EINVAL);
    }
    signals::hook_rt_sigaction(args)
}

/// rt_sigprocmask(2), which cannot block the checkpoint signal, nor SIGSYS while the backstop is armed.
fn rt_sigprocmask(call: &mut SystemCall) -> Outcome {
    thread::forget_inherited();
    let [how, set, ..] = call.args;
    if set == 0 || how == libc::SIG_UNBLOCK as u64 {
        return Outcome::unchanged(call);
    }
    let sigsys = if seccomp::is_armed() {
        seccomp::SIGSYS_BIT
    } else {
        0
    };
    // SAFETY: the application's pointer to a kernel signal set, as natively.
    let asked = unsafe { *(set as *const u64) };
    let allowed = asked & !(signals::checkpoint_bit() | sigsys);
    if allowed == asked {
        return Outcome::unchanged(call);
    }
    call.room[0] = allowed;
    call.sent.rsi = call.room_address();
    Outcome::changed(call)
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
        let listed: Vec<i64> = (0..1024)
            .filter(|&n| is_steered(n))
            .map(i64::from)
            .collect();
        let mut expected = [
            &VIRTUALISED[..],
            &waits::STEERED,
            &advice::STEERED,
            &clocks::STEERED,
            &numbers::STEERED,
            &proc_paths::STEERED,
            &WAITS_FOR_CHILDREN,
            &fork::STEERED,
        ]
        .concat();
        expected.sort_unstable();
        assert_eq!(listed, expected);
    }

    #[test]
    fn dispatch_returns_the_kernels_errors() {
        let mut call = SystemCall::new(libc::SYS_munmap, [1, 4096, 0, 0, 0, 0]);
        assert_eq!(dispatch(&mut call), Outcome::done(-i64::from(libc::EINVAL)));
    }

    #[test]
    fn calls_that_deliver_signals_are_the_trampolines() {
        seccomp::pretend_armed();
        let mut set = seccomp::SIGSYS_BIT | 1;
        let address = (&raw mut set) as u64;
        let block = [libc::SIG_BLOCK as u64, address, 0, 8, 0, 0];
        let mut call = SystemCall::new(libc::SYS_rt_sigprocmask, block);
        assert_eq!(
            dispatch(&mut call),
            Outcome {
                value: libc::SYS_rt_sigprocmask,
                way_back: CHANGED_OFFSET as u64
            }
        );
        assert_eq!(
            (call.sent.rdi, call.sent.rsi),
            (block[0], call.room_address())
        );
        assert_eq!(call.room[0], 1, "SIGSYS stays unblocked");
        let unblock = [libc::SIG_UNBLOCK as u64, address, 0, 8, 0, 0];
        let mut call = SystemCall::new(libc::SYS_rt_sigprocmask, unblock);
        assert_eq!(dispatch(&mut call).way_back, LEAVE_OFFSET as u64);
    }
}
