//! Paths below /proc with a process' or a thread's number in them: see [`crate::numbers`].
//!
//! ```text
//!   /proc/7/status              ->  /proc/210/status
//!   /proc/self/task/12/comm     ->  /proc/self/task/214/comm
//! ```
//!
//! Absolute paths only, and what lies in them is the kernel's: /proc/7/status says 210, and /proc/7/task lists 210.

#![expect(unsafe_code, reason = "reads the application's paths")]
// # Safety
// As for all hooks: any TLS or none, no allocation, no panic. A path is looked at once its memory is seen to be readable.

use super::{Outcome, SystemCall, pass};
use crate::{numbers, sys, window};

/// Those that come here once the program's numbers differ from the kernel's; their sites have trampolines before that.
pub(super) const STEERED: [i64; 7] = [
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_access,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
];

/// Room for a path of /proc; longer ones are left as they are.
const PATH_MAX_BYTES: usize = 128;
/// What these paths begin with.
const PROC: &[u8] = b"/proc/";

/// Where a path is put together.
pub(super) struct Room {
    path: [u8; PATH_MAX_BYTES],
    bytes: usize,
}

impl Room {
    pub(super) fn new() -> Self {
        Self {
            path: [0; PATH_MAX_BYTES],
            bytes: 0,
        }
    }

    /// Adds `bytes`, and leaves a zero behind them; `None`: there is no room for both.
    fn push(&mut self, bytes: &[u8]) -> Option<()> {
        let end = self.bytes + bytes.len();
        self.path.get(end)?;
        self.path.get_mut(self.bytes..end)?.copy_from_slice(bytes);
        self.bytes = end;
        Some(())
    }

    fn push_number(&mut self, number: i32) -> Option<()> {
        let mut digits = [0; 10];
        let mut at = digits.len();
        let mut rest = number;
        while rest > 0 && at > 0 {
            at -= 1;
            digits[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        self.push(&digits[at..])
    }
}

/// Makes one of [`STEERED`].
pub(super) fn dispatch(call: &mut SystemCall) -> Outcome {
    let mut room = Room::new();
    if replace(call, &mut room) {
        Outcome::done(pass(call.number, call.args))
    } else {
        Outcome::unchanged(call)
    }
}

/// Puts the kernel's path, in `room`, in the place of the path of `call`, if they differ.
pub(super) fn replace(call: &mut SystemCall, room: &mut Room) -> bool {
    let argument = match call.number {
        libc::SYS_open | libc::SYS_stat | libc::SYS_lstat | libc::SYS_access => 0,
        libc::SYS_openat
        | libc::SYS_openat2
        | libc::SYS_newfstatat
        | libc::SYS_statx
        | libc::SYS_faccessat
        | libc::SYS_faccessat2 => 1,
        _ => return false,
    };
    let path = call.args[argument];
    call.args[argument] = kernels(path, room);
    call.args[argument] != path
}

/// The address of the path that the kernel knows for the one at `path`: that, or one in `room`.
pub(super) fn kernels(path: u64, room: &mut Room) -> u64 {
    if !numbers::differ() {
        return path;
    }
    let mut given = [0; PATH_MAX_BYTES];
    match read(path, &mut given).and_then(|given| translate(given, numbers::tid_of_kernel, room)) {
        Some(()) => room.path.as_ptr() as u64,
        None => path,
    }
}

/// Copies the path at `path`, if it is short, and one of /proc.
fn read(path: u64, room: &mut [u8; PATH_MAX_BYTES]) -> Option<&[u8]> {
    let mut readable_to = 0;
    for at in 0..PATH_MAX_BYTES {
        let address = path.checked_add(at as u64)?;
        if address >= readable_to {
            if !sys::is_readable(address) {
                return None;
            }
            readable_to = (address | (window::PAGE_BYTES as u64 - 1)).saturating_add(1);
        }
        // SAFETY: its page can be read.
        let byte = unsafe { (address as *const u8).read() };
        if PROC.get(at).is_some_and(|expected| *expected != byte) {
            return None;
        }
        if byte == 0 {
            return room.get(..at);
        }
        *room.get_mut(at)? = byte;
    }
    None
}

/// Writes `path` into `room`, its numbers as `of` has them; `None` if that is what it was.
fn translate(path: &[u8], of: fn(i32) -> i32, room: &mut Room) -> Option<()> {
    let mut parts = path.get(PROC.len()..)?.split(|byte| *byte == b'/');
    let process = parts.next()?;
    let mut is_other = false;
    let mut push = |part: &[u8], room: &mut Room| match number(part) {
        Some(number) if of(number) != number => {
            is_other = true;
            room.push_number(of(number))
        }
        _ => room.push(part),
    };
    room.push(PROC)?;
    push(process, room)?;
    let mut is_task = false;
    for (index, part) in parts.enumerate() {
        room.push(b"/")?;
        match index {
            0 => is_task = part == b"task",
            1 if is_task => {
                push(part, room)?;
                continue;
            }
            _ => {}
        }
        room.push(part)?;
    }
    is_other.then_some(())
}

/// The number that `part` is.
fn number(part: &[u8]) -> Option<i32> {
    let is_number = (1..=9).contains(&part.len()) && part.iter().all(u8::is_ascii_digit);
    is_number.then(|| {
        part.iter()
            .fold(0, |number, digit| number * 10 + i32::from(digit - b'0'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn translated(path: &str) -> Option<String> {
        let mut room = Room::new();
        let of = |number| match number {
            7 => 210,
            12 => 214,
            other => other,
        };
        translate(path.as_bytes(), of, &mut room)?;
        Some(String::from_utf8(room.path[..room.bytes].to_vec()).unwrap())
    }

    #[test]
    fn numbers_in_paths_are_the_kernels() {
        let some = |path: &str| Some(path.to_owned());
        assert_eq!(translated("/proc/7/status"), some("/proc/210/status"));
        assert_eq!(translated("/proc/7"), some("/proc/210"));
        assert_eq!(
            translated("/proc/7/task/12/comm"),
            some("/proc/210/task/214/comm")
        );
        assert_eq!(
            translated("/proc/self/task/12"),
            some("/proc/self/task/214")
        );
        assert_eq!(translated("/proc/7/fd/7"), some("/proc/210/fd/7"));
        for same in ["/proc/8/fd/7", "/proc/77", "/proc/self/fd/12", "/proc/7x/a"] {
            assert_eq!(translated(same), None);
        }
        assert_eq!(translated(&format!("/proc/7/{}", "x".repeat(200))), None);
    }

    #[test]
    fn only_short_paths_of_proc_are_read() {
        let mut room = [0; PATH_MAX_BYTES];
        let address = |path: &std::ffi::CStr| path.as_ptr() as u64;
        assert_eq!(
            read(address(c"/proc/1/a"), &mut room),
            Some(&b"/proc/1/a"[..])
        );
        assert_eq!(read(address(c"/home"), &mut room), None);
        assert_eq!(read(address(c""), &mut room), None);
        assert_eq!(read(0, &mut room), None);
        assert_eq!(read(u64::MAX, &mut room), None);
    }
}
