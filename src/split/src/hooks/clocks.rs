//! Points in time of the program's steady clocks, and what the kernel makes of them: see [`crate::clock`].
//!
//! ```text
//!   clock_gettime                        the kernel's, and the offset added
//!   clock_getres                         of the clock as the kernel calls it (`crate::numbers`)
//!   timer_settime, timerfd_settime       a point in time without the offset, in a copy
//!   clock_nanosleep, futex, futex_waitv  likewise, in the call's room; the trampoline makes the call (`waits`)
//! ```
//!
//! Before a restart all offsets are zero, and none of the first four comes here.

#![expect(
    unsafe_code,
    reason = "reads the application's points in time; system calls"
)]
// # Safety
// As for all hooks: any TLS or none, no allocation, no panic; pointers come from the application, as in the kernel.

use super::{Outcome, SystemCall};
use crate::{clock, numbers, sys, timers, vdso};

/// Those that come here once the program's clocks differ from the kernel's; their sites have trampolines before that.
pub(super) const STEERED: [i64; 4] = [
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_timer_settime,
    libc::SYS_timerfd_settime,
];

/// TIMER_ABSTIME, and TFD_TIMER_ABSTIME.
const ABSTIME: u64 = libc::TIMER_ABSTIME as u64;

/// Does one of [`STEERED`].
pub(super) fn dispatch(call: &SystemCall) -> Outcome {
    let [which, flags, new, ..] = call.args;
    match call.number {
        libc::SYS_clock_gettime | libc::SYS_clock_getres => {
            let mut args = call.args;
            args[0] = numbers::clock_of_kernel(which as i32) as u64;
            let result = super::pass(call.number, args);
            if result == 0 && call.number == libc::SYS_clock_gettime {
                // SAFETY: the kernel has just written the time there.
                unsafe { vdso::add_offset(which as i32, flags) };
            }
            Outcome::done(result)
        }
        _ if flags & ABSTIME == 0 || new == 0 => Outcome::unchanged(call),
        libc::SYS_timer_settime => set_timer(call, timers::clock_of(which as i32)),
        _ => set_timer(call, clock_of_descriptor(which as i32)),
    }
}

/// timer_settime(2) or timerfd_settime(2) of a point in time.
fn set_timer(call: &SystemCall, clock: Option<libc::clockid_t>) -> Outcome {
    let offset = clock.map_or(0, clock::offset_ns);
    if offset == 0 {
        return Outcome::unchanged(call);
    }
    let mut args = call.args;
    // SAFETY: the application's pointer to an itimerspec, as natively.
    let mut times = unsafe { (args[2] as *const libc::itimerspec).read_unaligned() };
    // All zero stops the timer.
    let stops = times.it_value.tv_sec == 0 && times.it_value.tv_nsec == 0;
    if !stops {
        times.it_value = kernels(times.it_value, offset);
        // What has been before the kernel's clock began ends at once; zero would stop the timer.
        if times.it_value.tv_sec == 0 && times.it_value.tv_nsec == 0 {
            times.it_value.tv_nsec = 1;
        }
    }
    args[2] = (&raw const times) as u64;
    Outcome::done(super::pass(call.number, args))
}

/// The program's point in `time` as the kernel has it. One that is none stays so.
fn kernels(time: libc::timespec, offset: i64) -> libc::timespec {
    if time.tv_sec < 0 || !(0..1_000_000_000).contains(&time.tv_nsec) {
        return time;
    }
    clock::timespec(clock::nanoseconds(time).saturating_sub(offset).max(0))
}

/// Which argument of a wait is the address of a point in time of a steady clock, and which clock that is.
pub(super) fn deadline(number: i64, args: &[u64; 6]) -> Option<(usize, libc::clockid_t)> {
    let [rdi, rsi, _, _, r8, _] = *args;
    let (argument, clock) = match number {
        libc::SYS_clock_nanosleep if rsi & ABSTIME != 0 => (2, rdi as i32),
        libc::SYS_futex_waitv => (3, r8 as i32),
        libc::SYS_futex => match rsi as i32 & libc::FUTEX_CMD_MASK {
            _ if rsi as i32 & libc::FUTEX_CLOCK_REALTIME != 0 => return None,
            libc::FUTEX_WAIT_BITSET | libc::FUTEX_WAIT_REQUEUE_PI | libc::FUTEX_LOCK_PI2 => {
                (3, libc::CLOCK_MONOTONIC)
            }
            _ => return None,
        },
        _ => return None,
    };
    (args[argument] != 0).then_some((argument, clock))
}

/// Has the kernel wait until the program's point in time.
pub(super) fn send_deadline(call: &mut SystemCall) {
    let Some((argument, clock)) = deadline(call.number, &call.args) else {
        return;
    };
    let offset = clock::offset_ns(clock);
    if offset == 0 {
        return;
    }
    // SAFETY: the application's pointer to a timespec, as natively.
    let asked = unsafe { (call.args[argument] as *const libc::timespec).read_unaligned() };
    let until = kernels(asked, offset);
    call.room = [until.tv_sec as u64, until.tv_nsec as u64];
    let room = call.room_address();
    match argument {
        2 => call.sent.rdx = room,
        _ => call.sent.r10 = room,
    }
}

/// How much of a descriptor's description is read.
const INFO_BYTES: usize = 512;

/// The clock of the timerfd `number`, from the line "clockid: 1" of its description.
fn clock_of_descriptor(number: i32) -> Option<libc::clockid_t> {
    let mut info = [0_u8; INFO_BYTES];
    let length = read_description(number, &mut info)?;
    let key = b"\nclockid: ";
    let info = info.get(..length)?;
    let at = info.windows(key.len()).position(|bytes| bytes == key)?;
    let digits = info.get(at + key.len()..)?;
    let digits = digits.iter().take_while(|byte| byte.is_ascii_digit());
    Some(digits.fold(0, |clock: i32, digit| {
        clock.wrapping_mul(10).wrapping_add(i32::from(digit - b'0'))
    }))
}

/// Reads /proc/self/fdinfo/`number`; the length of what it says.
fn read_description(number: i32, info: &mut [u8; INFO_BYTES]) -> Option<usize> {
    let path = description_path(number)?;
    let flags = (libc::O_RDONLY | libc::O_CLOEXEC) as u64;
    let open = [path.as_ptr() as u64, flags, 0, 0, 0, 0];
    // SAFETY: a path that ends with a zero; the kernel writes into `info`, up to its length.
    unsafe {
        let file = u64::try_from(sys::raw(libc::SYS_open, open)).ok()?;
        let read = [file, info.as_mut_ptr() as u64, INFO_BYTES as u64, 0, 0, 0];
        let length = sys::raw(libc::SYS_read, read);
        sys::raw(libc::SYS_close, [file, 0, 0, 0, 0, 0]);
        usize::try_from(length).ok()
    }
}

/// The path, with zeros behind it; `None` for what is no descriptor.
fn description_path(number: i32) -> Option<[u8; 32]> {
    let folder = b"/proc/self/fdinfo/";
    let mut path = [0; 32];
    path.get_mut(..folder.len())?.copy_from_slice(folder);
    let number = u32::try_from(number).ok()?;
    let digits = number.checked_ilog10().unwrap_or(0) as usize + 1;
    let room = path.get_mut(folder.len()..folder.len() + digits)?;
    room.iter_mut().rev().fold(number, |rest, digit| {
        *digit = b'0' + (rest % 10) as u8;
        rest / 10
    });
    Some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(tv_sec: i64, tv_nsec: i64) -> libc::timespec {
        libc::timespec { tv_sec, tv_nsec }
    }

    fn parts(time: libc::timespec) -> (i64, i64) {
        (time.tv_sec, time.tv_nsec)
    }

    #[test]
    fn points_in_time_are_the_kernels() {
        assert_eq!(parts(kernels(time(10, 5), 3_000_000_000)), (7, 5));
        assert_eq!(parts(kernels(time(10, 5), -1_000_000_000)), (11, 5));
        assert_eq!(parts(kernels(time(1, 0), 3_000_000_000)), (0, 0));
        assert_eq!(parts(kernels(time(1, -1), 3_000_000_000)), (1, -1));
    }

    #[test]
    fn only_points_of_steady_clocks_are_changed() {
        let futex = |operation: i32| {
            deadline(
                libc::SYS_futex,
                &[0x1000, operation as u64, 0, 0x2000, 0, 0],
            )
        };
        let steady = Some((3, libc::CLOCK_MONOTONIC));
        assert_eq!(
            futex(libc::FUTEX_WAIT_BITSET | libc::FUTEX_PRIVATE_FLAG),
            steady
        );
        assert_eq!(futex(libc::FUTEX_LOCK_PI2), steady);
        assert_eq!(futex(libc::FUTEX_LOCK_PI), None, "CLOCK_REALTIME");
        assert_eq!(
            futex(libc::FUTEX_WAIT_BITSET | libc::FUTEX_CLOCK_REALTIME),
            None
        );
        assert_eq!(futex(libc::FUTEX_WAIT), None, "a span");
        let sleep = |flags| deadline(libc::SYS_clock_nanosleep, &[7, flags, 0x2000, 0, 0, 0]);
        assert_eq!(sleep(ABSTIME), Some((2, libc::CLOCK_BOOTTIME)));
        assert_eq!(sleep(0), None);
    }

    #[test]
    fn a_timerfd_tells_its_clock() {
        // SAFETY: takes no pointer.
        let made = unsafe { libc::timerfd_create(libc::CLOCK_BOOTTIME, libc::TFD_CLOEXEC) };
        assert_eq!(clock_of_descriptor(made), Some(libc::CLOCK_BOOTTIME));
        assert_eq!(clock_of_descriptor(0), None);
        assert_eq!(clock_of_descriptor(-1), None);
        assert_eq!(&description_path(120).unwrap()[17..22], b"/120\0");
        assert_eq!(&description_path(0).unwrap()[17..20], b"/0\0");
    }
}
