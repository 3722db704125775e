//! System calls that tell or take numbers of processes and threads: see [`crate::numbers`].
//!
//! ```text
//!   getpid, gettid, getppid …     made here, and their result is the program's number
//!   kill, sched_setaffinity …     the trampoline makes the call, with the kernel's numbers
//!   exit                          the locks that the thread leaves behind name it as the kernel does (`crate::robust`)
//! ```
//!
//! Before a restart the numbers are the same, and of these only tkill(2) and tgkill(2), pidfd_open(2) and its like come here.

#![expect(unsafe_code, reason = "reads and writes the application's structures")]
// # Safety
// As for all hooks: any TLS or none, no allocation, no panic; pointers come from the application, as in the kernel.

use super::{Outcome, SystemCall, pass};
use crate::numbers::{
    child_of_kernel, child_of_upper, has_family, process_of_kernel, process_of_upper, tell_sender,
    tid_of_kernel, tid_of_upper, waited_for,
};
use crate::{children, robust};

/// Those that come here once the program's numbers differ from the kernel's; their sites have trampolines before that.
pub(super) const STEERED: [i64; 32] = [
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_getppid,
    libc::SYS_getpgrp,
    libc::SYS_getpgid,
    libc::SYS_setpgid,
    libc::SYS_getsid,
    libc::SYS_set_tid_address,
    libc::SYS_exit,
    libc::SYS_kill,
    libc::SYS_rt_sigqueueinfo,
    libc::SYS_rt_tgsigqueueinfo,
    libc::SYS_get_robust_list,
    libc::SYS_sched_setparam,
    libc::SYS_sched_getparam,
    libc::SYS_sched_setscheduler,
    libc::SYS_sched_getscheduler,
    libc::SYS_sched_rr_get_interval,
    libc::SYS_sched_setaffinity,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_setattr,
    libc::SYS_sched_getattr,
    libc::SYS_getpriority,
    libc::SYS_setpriority,
    libc::SYS_ioprio_get,
    libc::SYS_ioprio_set,
    libc::SYS_prlimit64,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_kcmp,
    libc::SYS_move_pages,
    libc::SYS_migrate_pages,
];

/// Whether the call is one that names processes or threads by their numbers.
pub(crate) fn names_processes(number: i64) -> bool {
    let is_steered_elsewhere = [libc::SYS_tgkill, libc::SYS_tkill].contains(&number);
    is_steered_elsewhere || number != libc::SYS_exit && STEERED.contains(&number)
}

/// Does one of [`STEERED`].
pub(super) fn dispatch(call: &mut SystemCall) -> Outcome {
    match call.number {
        libc::SYS_getpid | libc::SYS_gettid | libc::SYS_set_tid_address => {
            told(pass(call.number, call.args), tid_of_upper)
        }
        libc::SYS_getppid | libc::SYS_getpgrp => {
            told(pass(call.number, call.args), process_of_upper)
        }
        libc::SYS_getpgid | libc::SYS_getsid => {
            let of = [kernels(call.args[0]), 0, 0, 0, 0, 0];
            told(pass(call.number, of), process_of_upper)
        }
        libc::SYS_exit => {
            robust::name_as_kernel_does();
            Outcome::unchanged(call)
        }
        libc::SYS_kill => with_group(call),
        libc::SYS_setpgid | libc::SYS_rt_tgsigqueueinfo | libc::SYS_kcmp => {
            with_kernels_numbers(call, true, true)
        }
        libc::SYS_getpriority
        | libc::SYS_setpriority
        | libc::SYS_ioprio_get
        | libc::SYS_ioprio_set => with_kernels_numbers(call, false, true),
        _ => with_kernels_numbers(call, true, false),
    }
}

/// A call whose result is a number, or an error.
fn told(result: i64, as_upper: fn(i32) -> i32) -> Outcome {
    Outcome::done(match result {
        1.. => i64::from(as_upper(result as i32)),
        _ => result,
    })
}

/// An argument that is a number, as the kernel knows it.
pub(super) fn kernels(argument: u64) -> u64 {
    let number = argument as i32;
    let kernels = tid_of_kernel(number);
    // What is not changed keeps its upper half, too: the kernel's to look at.
    if kernels == number {
        argument
    } else {
        kernels as u64
    }
}

/// The call with its first argument, its second, or both as the kernel knows them.
pub(super) fn with_kernels_numbers(call: &mut SystemCall, first: bool, second: bool) -> Outcome {
    let before = call.sent;
    if first {
        call.sent.rdi = kernels(call.sent.rdi);
    }
    if second {
        call.sent.rsi = kernels(call.sent.rsi);
    }
    if call.sent == before {
        Outcome::unchanged(call)
    } else {
        Outcome::changed(call)
    }
}

/// kill(2), of a process or, with a negative number, a group.
fn with_group(call: &mut SystemCall) -> Outcome {
    let number = call.args[0] as i32;
    let is_signal = (0..=64).contains(&(call.args[1] as i32));
    if number > 0 && is_signal && children::is_kept(number) {
        return Outcome::done(0); // it has ended: nothing happens to it
    }
    if number >= -1 {
        return with_kernels_numbers(call, true, false);
    }
    let kernels = process_of_kernel(number.wrapping_neg()).wrapping_neg();
    if kernels == number {
        return Outcome::unchanged(call);
    }
    call.sent.rdi = kernels as u64;
    Outcome::changed(call)
}

/// What is in the room of a call whose result is a child's number, for [`after_wait`]: no time and no address.
pub(super) const IS_WAIT_FOR_CHILD: u64 = u64::MAX;

/// wait4(2) or waitid(2), where children may have other numbers than the program knows.
pub(super) fn wait(call: &mut SystemCall) -> Outcome {
    if !has_family() {
        return Outcome::unchanged(call);
    }
    let of_group = |group: u64| i64::from(process_of_kernel(group as i32)) as u64;
    let of_child = |child: u64| i64::from(child_of_kernel(child as i32)) as u64;
    if call.number == libc::SYS_wait4 {
        call.sent.rdi = match call.args[0] as i32 {
            group @ ..-1 => -i64::from(process_of_kernel(group.wrapping_neg())) as u64,
            1.. => of_child(call.args[0]),
            _ => call.args[0],
        };
    } else {
        call.sent.rsi = match call.args[0] as u32 {
            libc::P_PID => of_child(call.args[1]),
            libc::P_PGID => of_group(call.args[1]),
            _ => call.args[1],
        };
    }
    call.room = [call.number as u64, IS_WAIT_FOR_CHILD];
    Outcome::changed_and_after(call)
}

/// What is there when that has happened already.
pub(super) const IS_TOLD: u64 = u64::MAX - 1;

/// Such a call has returned `result` and is not over: what it is to return. Another call's result is as it is.
pub(crate) fn tell_early(call: &mut SystemCall, result: i64) -> i64 {
    if call.room[1] != IS_WAIT_FOR_CHILD {
        return result;
    }
    call.number = result;
    call.room[1] = IS_TOLD;
    after_wait(call)
}

/// Such a call is over: the child is told as the program knows it. The result is in the place of the number.
pub(super) fn after_wait(call: &SystemCall) -> i64 {
    let result = call.number;
    if result > 0 {
        // Of wait4.
        let child = child_of_upper(result as i32);
        waited_for(result as i32);
        return i64::from(child);
    }
    let info = call.args[2] as *mut libc::siginfo_t;
    let is_waitid = call.room[0] == libc::SYS_waitid as u64;
    if result == 0 && is_waitid && !info.is_null() {
        // SAFETY: the kernel has just written it there.
        let child = unsafe { (*info).si_pid() };
        // SAFETY: as above.
        unsafe { tell_sender(info) };
        waited_for(child);
    }
    result
}

/// Who gets the signals of a descriptor, or has a lock, fcntl(2); `None` for all other commands.
pub(super) fn owner(call: &mut SystemCall) -> Option<Outcome> {
    /// `struct f_owner_ex`, and its kinds of owners.
    type Owner = [i32; 2];
    const GROUP: i32 = 2;
    let [_, command, argument, ..] = call.args;
    let is_one = matches!(
        command as i32,
        libc::F_SETOWN | libc::F_GETOWN | F_SETOWN_EX | F_GETOWN_EX | libc::F_GETLK
    );
    if !is_one {
        return None;
    }
    let either = |number: i32, of: fn(i32) -> i32| match number {
        1.. => of(number),
        _ => of(number.wrapping_neg()).wrapping_neg(),
    };
    Some(match command as i32 {
        libc::F_SETOWN => {
            call.sent.rdx = i64::from(either(argument as i32, process_of_kernel)) as u64;
            Outcome::changed(call)
        }
        F_SETOWN_EX => {
            // SAFETY: the application's pointer to the structure, as natively.
            let [kind, number] = unsafe { (argument as *const Owner).read_unaligned() };
            let number = match kind {
                GROUP => process_of_kernel(number),
                _ => tid_of_kernel(number),
            };
            call.room[0] = u64::from(kind as u32) | u64::from(number as u32) << 32;
            call.sent.rdx = call.room_address();
            Outcome::changed(call)
        }
        libc::F_GETLK => {
            let result = pass(call.number, call.args);
            if result == 0 {
                // SAFETY: the kernel has just read and written it there; where there is no lock, the number is the program's own.
                unsafe {
                    let lock = argument as *mut libc::flock;
                    if (*lock).l_type != libc::F_UNLCK as i16 {
                        (*lock).l_pid = process_of_upper((*lock).l_pid);
                    }
                }
            }
            Outcome::done(result)
        }
        F_GETOWN_EX => {
            let result = pass(call.number, call.args);
            if result == 0 {
                // SAFETY: the kernel has just written it there.
                unsafe {
                    let owner = argument as *mut Owner;
                    let [kind, number] = owner.read_unaligned();
                    let number = match kind {
                        GROUP => process_of_upper(number),
                        _ => tid_of_upper(number),
                    };
                    owner.write_unaligned([kind, number]);
                }
            }
            Outcome::done(result)
        }
        _ => match pass(call.number, call.args) as i32 {
            // Small negative numbers are the kernel's errors.
            number @ -4095..=0 => Outcome::done(i64::from(number)),
            number => Outcome::done(i64::from(either(number, process_of_upper))),
        },
    })
}

/// Commands of <fcntl.h> for owners that may be threads.
const F_SETOWN_EX: i32 = 15;
const F_GETOWN_EX: i32 = 16;
