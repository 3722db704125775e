//! System calls that make or close descriptors: the upper half's are known by it, and the lower half's stay open.
//!
//! Made here, in the hook, rather than by the trampoline, because the number is known only afterwards. None of them waits for
//! anybody, but for the opening of a FIFO, which is left to the trampoline (a thread that waits in the lower half cannot be
//! part of a checkpoint, which looks for FIFOs by itself: `claim_fifos`), and for `accept` of a socket that may wait, whose
//! connections a checkpoint knows by their names (`unclaimed`).

use super::{Outcome, SystemCall, libraries, numbers, pass, proc_paths};
use crate::descriptors::{adopt, closed, is_lower, is_owned, is_this_process, owned_from};
use crate::numbers::differ;
use crate::watches;

/// What these calls have in common, by number.
pub(super) fn dispatch(call: &mut SystemCall) -> Outcome {
    if differ()
        && let Some(outcome) = with_numbers(call)
    {
        return outcome;
    }
    let args = call.args;
    // The cheap question first: most calls of fcntl(2) are about no new descriptor, and the other one is a system call.
    if call.number == libc::SYS_fcntl && !makes_one(args[1]) || !is_this_process() {
        return Outcome::unchanged(call);
    }
    let number = args[0] as i32;
    match call.number {
        libc::SYS_open if waits(args[1]) && is_fifo(libc::AT_FDCWD, args[0]) => {
            Outcome::unchanged(call)
        }
        libc::SYS_openat if waits(args[2]) && is_fifo(number, args[1]) => Outcome::unchanged(call),
        libc::SYS_openat2 if is_fifo(number, args[1]) => Outcome::unchanged(call),
        libc::SYS_accept | libc::SYS_accept4 if !is_nonblocking(args[0]) => {
            Outcome::unchanged(call)
        }
        libc::SYS_inotify_add_watch => Outcome::done(add_watch(call)),
        libc::SYS_pipe | libc::SYS_pipe2 => Outcome::done(pair(call, args[0])),
        libc::SYS_socketpair => Outcome::done(pair(call, args[3])),
        libc::SYS_dup2 | libc::SYS_dup3 if is_lower(args[1] as i32) => {
            // What the kernel says of a number that is being opened: "this one is not to be had".
            Outcome::done(-i64::from(libc::EBUSY))
        }
        libc::SYS_close if is_lower(number) => Outcome::done(-i64::from(libc::EBADF)),
        libc::SYS_close => {
            // Before the call: another thread may get the number as soon as it is free.
            closed(number);
            Outcome::unchanged(call)
        }
        libc::SYS_close_range => close_range(call),
        _ => Outcome::done(one(call)),
    }
}

/// A call with numbers of processes in it that are other than the kernel's. `None`: there are none, after all.
#[cold]
fn with_numbers(call: &mut SystemCall) -> Option<Outcome> {
    let mut room = proc_paths::Room::new();
    match call.number {
        libc::SYS_fcntl => return numbers::owner(call),
        libc::SYS_pidfd_open => call.args[0] = numbers::kernels(call.args[0]),
        libc::SYS_perf_event_open => call.args[1] = numbers::kernels(call.args[1]),
        _ => {
            if !proc_paths::replace(call, &mut room) {
                return None;
            }
        }
    }
    Some(Outcome::done(if is_this_process() {
        one(call)
    } else {
        pass(call.number, call.args)
    }))
}

/// Whether opening a FIFO with these flags waits for somebody to open its other end (fifo(7)).
fn waits(flags: u64) -> bool {
    let flags = flags as i32;
    flags & libc::O_ACCMODE != libc::O_RDWR && flags & (libc::O_NONBLOCK | libc::O_PATH) == 0
}

/// Whether calls about `number` never wait.
fn is_nonblocking(number: u64) -> bool {
    let flags = pass(libc::SYS_fcntl, [number, libc::F_GETFL as u64, 0, 0, 0, 0]);
    flags >= 0 && flags as i32 & libc::O_NONBLOCK != 0
}

/// Whether an fcntl(2) command makes a descriptor.
fn makes_one(command: u64) -> bool {
    matches!(command as i32, libc::F_DUPFD | libc::F_DUPFD_CLOEXEC)
}

/// A call that returns a new descriptor.
fn one(call: &SystemCall) -> i64 {
    let result = libraries::opened(call, pass(call.number, call.args));
    if result >= 0 {
        adopt(result as i32);
    }
    result
}

/// A call that puts two new descriptors at `address`.
fn pair(call: &SystemCall, address: u64) -> i64 {
    let result = pass(call.number, call.args);
    if result == 0 {
        // SAFETY: the kernel has just written two ints there.
        let numbers = unsafe { (address as *const [i32; 2]).read_unaligned() };
        numbers.into_iter().for_each(adopt);
    }
    result
}

/// Whether the path at `path` leads to a FIFO.
fn is_fifo(directory: i32, path: u64) -> bool {
    stat(directory, path, 0).is_some_and(|stat| stat.st_mode & libc::S_IFMT == libc::S_IFIFO)
}

/// newfstatat(2).
fn stat(directory: i32, path: u64, flags: i32) -> Option<libc::stat> {
    let mut stat = std::mem::MaybeUninit::<libc::stat>::zeroed();
    let place = stat.as_mut_ptr() as u64;
    let args = [directory as u64, path, place, flags as u64, 0, 0];
    let found = pass(libc::SYS_newfstatat, args) == 0;
    // SAFETY: zeroed is a valid stat.
    found.then(|| unsafe { stat.assume_init() })
}

/// inotify_add_watch(2); a checkpoint will want to know which path it was.
fn add_watch(call: &SystemCall) -> i64 {
    let result = pass(call.number, call.args);
    let [_, path, events, ..] = call.args;
    let flags = if events as u32 & libc::IN_DONT_FOLLOW != 0 {
        libc::AT_SYMLINK_NOFOLLOW
    } else {
        0
    };
    if result >= 0
        && let Some(stat) = stat(libc::AT_FDCWD, path, flags)
    {
        watches::note(path as *const u8, (stat.st_dev, stat.st_ino));
    }
    result
}

/// close_range(2), of the upper half's descriptors in the range only.
fn close_range(call: &SystemCall) -> Outcome {
    let [first, last, flags, ..] = call.args;
    let (first, last) = (first as u32, last as u32);
    // To leave a shared table first is for a process that is about to execute something: all of it, then.
    if first > last || flags as u32 & libc::CLOSE_RANGE_UNSHARE != 0 {
        return Outcome::unchanged(call);
    }
    let from = i32::try_from(first).unwrap_or(i32::MAX);
    for number in owned_from(from).take_while(|number| *number as u32 <= last) {
        if flags == 0 {
            closed(number);
        }
        let args = [number as u64, number as u64, flags, 0, 0, 0];
        let result = pass(libc::SYS_close_range, args);
        if result < 0 && is_owned(number) {
            return Outcome::done(result);
        }
    }
    Outcome::done(0)
}
