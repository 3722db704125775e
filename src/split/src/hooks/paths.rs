//! /proc/self/exe: programs ask it for their own path, the dynamic loader for `$ORIGIN`. The kernel would say `mana`.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::{pass, proc_paths};
use crate::sys;

/// The program's path, set by the loader before any hook runs.
static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
/// The same, for the kernel.
static PROGRAM_STRING: OnceLock<CString> = OnceLock::new();

/// States what /proc/self/exe is to be. Only the first statement counts.
pub(crate) fn set_program(path: PathBuf) {
    if let Ok(string) = CString::new(path.as_os_str().as_bytes()) {
        let _ = PROGRAM_STRING.set(string);
    }
    let _ = PROGRAM.set(path);
}

/// The program's path, if one is loaded.
pub(crate) fn program() -> Option<&'static Path> {
    PROGRAM.get().map(PathBuf::as_path)
}

/// `path`, or the program's where `path`, which the kernel has read, is its /proc entry.
pub(super) fn program_at(path: u64) -> u64 {
    match PROGRAM_STRING.get() {
        Some(program) if is_own_exe(path as *const u8) => program.as_ptr() as u64,
        _ => path,
    }
}

/// readlink(2).
pub(super) fn readlink(mut args: [u64; 6]) -> i64 {
    let mut room = proc_paths::Room::new();
    args[0] = proc_paths::kernels(args[0], &mut room);
    let [path, buffer, buffer_bytes, ..] = args;
    let mut scratch = 0_u8;
    // The kernel looks at the path first, so that it is known to be good and an error is the kernel's own.
    let found = pass(
        libc::SYS_readlink,
        [path, (&raw mut scratch) as u64, 1, 0, 0, 0],
    );
    if found < 0 {
        return found;
    }
    program_for(path, buffer, buffer_bytes).unwrap_or_else(|| pass(libc::SYS_readlink, args))
}

/// readlinkat(2), with an absolute path.
pub(super) fn readlinkat(mut args: [u64; 6]) -> i64 {
    let mut room = proc_paths::Room::new();
    args[1] = proc_paths::kernels(args[1], &mut room);
    let [directory, path, buffer, buffer_bytes, ..] = args;
    let mut scratch = 0_u8;
    let found = pass(
        libc::SYS_readlinkat,
        [directory, path, (&raw mut scratch) as u64, 1, 0, 0],
    );
    if found < 0 {
        return found;
    }
    program_for(path, buffer, buffer_bytes).unwrap_or_else(|| pass(libc::SYS_readlinkat, args))
}

/// Answers with the program's path if `path`, which the kernel has read, is its /proc entry.
fn program_for(path: u64, buffer: u64, buffer_bytes: u64) -> Option<i64> {
    // A size that is not positive is an error, the kernel's to return.
    if buffer_bytes as i32 <= 0 || !is_own_exe(path as *const u8) {
        return None;
    }
    let program = program()?.as_os_str().as_encoded_bytes();
    let bytes = program.len().min(buffer_bytes as usize);
    Some(copy_out(&program[..bytes], buffer))
}

/// Copies `bytes` to the application's `buffer` and returns their number, or the kernel's error for a bad address.
pub(super) fn copy_out(bytes: &[u8], buffer: u64) -> i64 {
    let from = libc::iovec {
        iov_base: bytes.as_ptr().cast_mut().cast(),
        iov_len: bytes.len(),
    };
    let to = libc::iovec {
        iov_base: buffer as *mut libc::c_void,
        iov_len: bytes.len(),
    };
    let args = [
        sys::getpid() as u64,
        (&raw const from) as u64,
        1,
        (&raw const to) as u64,
        1,
        0,
    ];
    let written = pass(libc::SYS_process_vm_writev, args);
    let refused = [libc::EPERM, libc::ENOSYS]
        .iter()
        .any(|&errno| written == -i64::from(errno));
    if !refused {
        return written;
    }
    // Containers may forbid that call, and then nobody checks the address but the processor.
    // SAFETY: the application's buffer of at least this size, by readlink's contract.
    unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), buffer as *mut u8, bytes.len()) };
    bytes.len() as i64
}

/// Whether the path is `/proc/X/exe`, X being `self`, `thread-self` or this process's id.
fn is_own_exe(path: *const u8) -> bool {
    let Some(rest) = strip(path, b"/proc/") else {
        return false;
    };
    let after_process = strip(rest, b"self")
        .or_else(|| strip(rest, b"thread-self"))
        .or_else(|| strip_own_pid(rest));
    after_process
        .and_then(|rest| strip(rest, b"/exe\0"))
        .is_some()
}

/// What follows `prefix` in the NUL-terminated string `string`.
pub(super) fn strip(string: *const u8, prefix: &[u8]) -> Option<*const u8> {
    for (index, &expected) in prefix.iter().enumerate() {
        // SAFETY: the bytes so far are `prefix`'s, which has a NUL in the last place at most: still inside the string.
        if unsafe { string.add(index).read() } != expected {
            return None;
        }
    }
    Some(string.wrapping_add(prefix.len()))
}

fn strip_own_pid(string: *const u8) -> Option<*const u8> {
    let mut digits = [0; 10];
    let mut at = digits.len();
    let mut rest = sys::getpid();
    while rest > 0 && at > 0 {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    strip(string, &digits[at..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_its_own_exe_links() {
        let own = format!("/proc/{}/exe\0", std::process::id());
        for path in [
            b"/proc/self/exe\0".as_slice(),
            b"/proc/thread-self/exe\0",
            own.as_bytes(),
        ] {
            assert!(is_own_exe(path.as_ptr()));
        }
        let other = format!("/proc/{}1/exe\0", std::process::id());
        for path in [
            b"/proc/self/exec\0".as_slice(),
            b"/proc/self\0",
            b"\0",
            b"/proc/1/exe\0",
            other.as_bytes(),
        ] {
            assert!(!is_own_exe(path.as_ptr()), "{path:?}");
        }
    }

    #[test]
    fn answers_with_the_program_and_cuts_to_the_buffer() {
        set_program(PathBuf::from("/opt/app/bin/prog"));
        let mut buffer = [0_u8; 64];
        let path = c"/proc/self/exe";
        let call = |buffer: &mut [u8]| {
            readlink([
                path.as_ptr() as u64,
                buffer.as_mut_ptr() as u64,
                buffer.len() as u64,
                0,
                0,
                0,
            ])
        };
        assert_eq!(call(&mut buffer), 17);
        assert_eq!(
            &buffer[..18],
            b"/opt/app/bin/prog\0",
            "readlink writes nothing behind"
        );
        assert_eq!(call(&mut buffer[..4]), 4);
        let error = |errno: i32| -i64::from(errno);
        assert_eq!(
            readlink([0, buffer.as_mut_ptr() as u64, 64, 0, 0, 0]),
            error(libc::EFAULT)
        );
        assert_eq!(
            readlink([path.as_ptr() as u64, 8, 64, 0, 0, 0]),
            error(libc::EFAULT)
        );
        assert_eq!(call(&mut []), error(libc::EINVAL));
        let file = c"/";
        assert_eq!(
            readlink([
                file.as_ptr() as u64,
                buffer.as_mut_ptr() as u64,
                64,
                0,
                0,
                0
            ]),
            error(libc::EINVAL)
        );
    }
}
