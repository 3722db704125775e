//! Which programs run under `mana` when they are executed: those that it can load, and should.

#![expect(unsafe_code, reason = "a structure of zeros for the kernel to fill")]
// # Safety
// As for all hooks; also in a child of vfork(2), in its parent's memory: nothing is left behind there.

use std::os::fd::RawFd;

use crate::hooks::paths::strip;
use crate::hooks::{libraries, pass};
use crate::loader::script;

/// As much of a file is looked at: where linkers put the program headers.
const HEAD_BYTES: usize = 1024;

/// Whether `mana` can load what `path` leads to, and should.
pub(super) fn is_followed(path: u64) -> bool {
    if is_launcher(path) {
        return false;
    }
    let mut head = [0_u8; HEAD_BYTES];
    let mut name = [0_u8; HEAD_BYTES];
    let mut path = path;
    for _ in 0..=script::LEVELS_MAX {
        let Some(file) = Opened::program(path) else {
            return false;
        };
        let read = file.read(&mut head);
        match head[..read].strip_prefix(b"#!") {
            None => return is_dynamic(&head[..read]),
            Some(line) => {
                let (interpreter, _) = script::interpreter(line);
                if interpreter.is_empty() || interpreter.len() >= name.len() {
                    return false;
                }
                name[..interpreter.len()].copy_from_slice(interpreter);
                name[interpreter.len()] = 0;
                path = name.as_ptr() as u64;
            }
        }
    }
    false
}

/// Whether this process' parent debugs it: what it executes is what that wants to see, and not `mana`.
pub(super) fn is_debugged() -> bool {
    let path = c"/proc/self/status".as_ptr() as u64;
    let mut head = [0_u8; HEAD_BYTES];
    let Some(file) = Opened::reading(path) else {
        return false;
    };
    let read = file.read(&mut head);
    let tracer = number_behind(&head[..read], b"TracerPid:");
    tracer > 0 && tracer == pass(libc::SYS_getppid, [0; 6])
}

/// The number behind a field's name; 0 if there is none.
fn number_behind(text: &[u8], name: &[u8]) -> i64 {
    let mut lines = text.split(|&byte| byte == b'\n');
    let value = lines.find_map(|line| line.strip_prefix(name));
    let digits = value.map(<[u8]>::trim_ascii).unwrap_or_default();
    let number = std::str::from_utf8(digits)
        .ok()
        .and_then(|it| it.parse().ok());
    number.unwrap_or(0)
}

/// Commands that start MPI's processes, by what their names begin with.
const LAUNCHERS: [&[u8]; 9] = [
    b"mpirun",
    b"mpiexec",
    b"orterun",
    b"orted",
    b"prte",
    b"hydra_",
    b"srun",
    b"aprun",
    b"pmi_proxy",
];

/// Whether the last part of a path is a launcher's name.
fn is_launcher(path: u64) -> bool {
    let name = libraries::last_part(path as *const u8);
    LAUNCHERS.iter().any(|known| strip(name, known).is_some())
}

/// A file, open while this lives.
struct Opened(RawFd);

impl Drop for Opened {
    fn drop(&mut self) {
        pass(libc::SYS_close, [self.0 as u64, 0, 0, 0, 0, 0]);
    }
}

impl Opened {
    fn reading(path: u64) -> Option<Self> {
        let flags = libc::O_RDONLY | libc::O_CLOEXEC | libc::O_NONBLOCK;
        let at = libc::AT_FDCWD as u64;
        let number = pass(libc::SYS_openat, [at, path, flags as u64, 0, 0, 0]);
        (number >= 0).then_some(Self(number as RawFd))
    }

    /// Opens a file that the caller may execute, and that neither changes user nor is `mana`.
    fn program(path: u64) -> Option<Self> {
        let at = libc::AT_FDCWD as u64;
        let file = Self::reading(path)?;
        let stat = file.stat()?;
        let changes_user = stat.st_mode & (libc::S_ISUID | libc::S_ISGID) != 0;
        let is_regular = stat.st_mode & libc::S_IFMT == libc::S_IFREG;
        let may_execute = || {
            let asked = [at, path, libc::X_OK as u64, libc::AT_EACCESS as u64, 0, 0];
            pass(SYS_FACCESSAT2, asked) != -i64::from(libc::EACCES)
        };
        let is_plain = is_regular && !changes_user && !file.has_capabilities() && may_execute();
        (is_plain && !file.is_mana(&stat)).then_some(file)
    }

    fn stat(&self) -> Option<libc::stat> {
        stat_of(libc::SYS_fstat, self.0 as u64)
    }

    fn has_capabilities(&self) -> bool {
        let name = c"security.capability".as_ptr() as u64;
        pass(libc::SYS_fgetxattr, [self.0 as u64, name, 0, 0, 0, 0]) > 0
    }

    fn is_mana(&self, stat: &libc::stat) -> bool {
        let mana = stat_of(libc::SYS_stat, c"/proc/self/exe".as_ptr() as u64);
        mana.is_some_and(|mana| (mana.st_dev, mana.st_ino) == (stat.st_dev, stat.st_ino))
    }

    /// Its beginning; how much there is.
    fn read(&self, room: &mut [u8]) -> usize {
        let args = [self.0 as u64, room.as_mut_ptr() as u64, room.len() as u64];
        let [file, place, bytes] = args;
        let read = pass(libc::SYS_pread64, [file, place, bytes, 0, 0, 0]);
        usize::try_from(read).unwrap_or(0)
    }
}

/// faccessat2(2), which libc has no number for here; older kernels do not know it, and are then asked by execve itself.
const SYS_FACCESSAT2: i64 = 439;

/// stat(2) or fstat(2).
fn stat_of(number: i64, which: u64) -> Option<libc::stat> {
    // SAFETY: zero is a valid value of each of its fields.
    let mut stat: libc::stat = unsafe { std::mem::zeroed() };
    let done = pass(number, [which, (&raw mut stat) as u64, 0, 0, 0, 0]);
    (done == 0).then_some(stat)
}

/// Whether the file that begins so is a program for this machine that ld.so loads: one with PT_INTERP (elf(5)).
fn is_dynamic(head: &[u8]) -> bool {
    const IDENTIFIED: &[u8] = b"\x7fELF\x02\x01\x01";
    const EXECUTABLE_OR_SHARED: [u16; 2] = [2, 3];
    const X86_64: u16 = 62;
    const INTERPRETER: u32 = 3;
    let half = |at: usize| Some(u16::from_le_bytes(head.get(at..at + 2)?.try_into().ok()?));
    let word = |at: usize| Some(u32::from_le_bytes(head.get(at..at + 4)?.try_into().ok()?));
    let long = |at: usize| Some(u64::from_le_bytes(head.get(at..at + 8)?.try_into().ok()?));
    let is_program = head.starts_with(IDENTIFIED)
        && half(16).is_some_and(|kind| EXECUTABLE_OR_SHARED.contains(&kind))
        && half(18) == Some(X86_64);
    let headers = || {
        let start = usize::try_from(long(32)?).ok()?;
        let (each, count) = (usize::from(half(54)?), usize::from(half(56)?));
        Some((0..count).map(move |index| start.saturating_add(index * each)))
    };
    is_program && headers().is_some_and(|mut at| at.any(|header| word(header) == Some(INTERPRETER)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::CString;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    fn followed(path: &Path) -> bool {
        let path = CString::new(path.as_os_str().as_bytes()).unwrap();
        is_followed(path.as_ptr() as u64)
    }

    fn file(directory: &Path, name: &str, text: &[u8], mode: u32) -> std::path::PathBuf {
        let path = directory.join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    #[test]
    fn programs_and_scripts_are_followed_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path();
        assert!(followed(Path::new("/bin/sh")));
        assert!(followed(&file(directory, "s", b"#! /bin/sh -e\n", 0o755)));
        let inner = file(directory, "inner", b"#!/bin/sh", 0o755);
        let outer = format!("#!{}\n", inner.display());
        assert!(followed(&file(directory, "outer", outer.as_bytes(), 0o755)));

        let refused = [
            file(directory, "text", b"echo\n", 0o755),
            file(directory, "empty", b"", 0o755),
            file(directory, "nobody", b"#!/no/such/interpreter\n", 0o755),
            file(directory, "set-user", b"#!/bin/sh\n", 0o4755),
            file(directory, "mpirun", b"#!/bin/sh\n", 0o755),
            file(directory, "mpiexec.hydra", b"#!/bin/sh\n", 0o755),
            directory.to_owned(),
            directory.join("none"),
            // This program, which is `mana` as far as it can tell.
            std::env::current_exe().unwrap(),
        ];
        for path in refused {
            assert!(!followed(&path), "{}", path.display());
        }
    }

    #[test]
    fn the_tracer_is_found() {
        let text = b"Name:\tx\nTracerPid:\t4711\nUid:\t0\n";
        assert_eq!(number_behind(text, b"TracerPid:"), 4711);
        assert_eq!(number_behind(&text[..12], b"TracerPid:"), 0);
        assert!(!is_debugged());
    }
}
