//! execve(2): what the program becomes runs under `mana`, too.
//!
//! ```text
//!   execve(PATH, argv, environment)   a program that `mana` can load      ->  execve(mana, argv, environment + note + settings)
//!                                     anything else, also nothing at all  ->  the kernel's
//! ```
//!
//! /proc/self/exe is the program's file there, not `mana`. So `mana run ./wrapper.sh` stays a job when the script ends in
//! `exec ./solver`. The arguments stay where they are; what `mana` has to know is in the environment behind the program's own: the
//! [`Note`], and the settings as they were when the job was started, whatever the program has done to its variables since.
//!
//! Left to the kernel are programs that are linked statically or for another machine, that change user or have capabilities, that cannot be
//! read, `mana` itself, and the launchers of MPI, whose ranks are a job of their own.

#![expect(unsafe_code, reason = "reads what the application executes")]
// # Safety
// As for all hooks; also in a child of vfork(2), in its parent's memory: nothing is left behind there. The application's path is
// followed once the kernel has opened it, its environment as the kernel would.

use std::ffi::{CString, OsStr, OsString};
use std::fmt::{self, Write};
use std::os::fd::RawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::paths::{program_at, strip};
use super::{Outcome, SystemCall, pass};
use crate::error::Result;
use crate::loader::script;
use crate::numbers::{Renumbered, tid_of_upper};
use crate::thread::Tid;
use crate::{clock, descriptors, forked, numbers, seccomp, signals, sys};

/// The variable that tells `mana` what it is to run instead of what its arguments say.
pub const VARIABLE: &str = "MANA_EXEC";

/// The settings of the job, `NAME=value` each, stated before any hook runs.
static SETTINGS: OnceLock<Vec<CString>> = OnceLock::new();
/// Whether what children execute runs under `mana`, too.
static CHILDREN: AtomicBool = AtomicBool::new(false);

/// Has what the program executes in its own place run under `mana`, with these settings (`NAME=value` each), and what its `children`
/// execute, too. Only the first statement counts.
pub fn follow_exec(settings: Vec<CString>, children: bool) {
    let _ = SETTINGS.set(settings);
    CHILDREN.store(children, Relaxed);
}

/// Whether the process is a child of the program that was started first, also by fork(2) alone.
static IS_CHILD: AtomicBool = AtomicBool::new(false);

/// This process is, or is no more, a child of the program that was started first: so is what it executes.
pub fn count_as_child(is_child: bool) {
    IS_CHILD.store(is_child, Relaxed);
}

/// What [`VARIABLE`] holds: `PROCESS:CHILD:FILTER:NUMBER:MONOTONIC:RAW:BOOT:PATH`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Whether the program before was a child of the one that was started first, perhaps forked for this.
    pub is_child: bool,
    has_filter: bool,
    number: Tid,
    offsets_ns: [i64; 3],
    /// What the processes are called that a restart has made together with the one before, by their programs and by the kernel.
    family: Vec<Renumbered>,
    /// The program.
    pub path: PathBuf,
}

impl Note {
    /// Reads one that is for this process: a program that others start must not take it for its own.
    fn read(value: &[u8]) -> Option<Self> {
        let mut parts = value.splitn(8, |&byte| byte == b':');
        let mut text = || std::str::from_utf8(parts.next()?).ok();
        let process: Tid = text()?.parse().ok()?;
        let note = Self {
            is_child: text()? == "true",
            has_filter: text()? == "true",
            number: text()?.parse().ok()?,
            offsets_ns: [
                text()?.parse().ok()?,
                text()?.parse().ok()?,
                text()?.parse().ok()?,
            ],
            family: Vec::new(),
            path: OsStr::from_bytes(parts.next()?).into(),
        };
        (process == sys::getpid()).then_some(note)
    }

    /// Takes over what the process has from the program before.
    ///
    /// # Errors
    /// [`crate::Error::Os`] when the kernel refuses something.
    pub fn take_over(&self) -> Result<()> {
        if self.has_filter {
            seccomp::inherit()?;
        }
        Ok(())
    }

    /// The same, once the program is loaded: number and clocks are those that the one before has had.
    ///
    /// # Errors
    /// [`crate::Error::Os`] when the kernel refuses something.
    pub fn go_on(&self) -> Result<()> {
        if !self.family.is_empty() {
            numbers::set_family(&self.family);
        }
        if self.number != sys::getpid() || !self.family.is_empty() {
            numbers::set(&[(self.number, sys::getpid())]);
        }
        clock::set_offsets(self.offsets_ns)
    }
}

/// Variables, by name and value.
pub type Variables = Vec<(OsString, OsString)>;

/// What a process was started with.
#[derive(Debug)]
pub struct Given {
    /// What it is to run, where a program has executed that.
    pub note: Option<Note>,
    /// The program's environment.
    pub environment: Variables,
    /// Where settings are looked for: the program's environment, or what came with the note.
    pub settings: Variables,
}

impl Given {
    /// Looks at this process' environment.
    #[must_use]
    pub fn to_this_process() -> Self {
        Self::from_variables(std::env::vars_os().collect())
    }

    fn from_variables(mut all: Variables) -> Self {
        let note_in = |(name, value): &(OsString, OsString)| {
            let is_one = name == VARIABLE;
            is_one.then(|| Note::read(value.as_bytes())).flatten()
        };
        let found = all.iter().position(|variable| note_in(variable).is_some());
        let Some(at) = found else {
            // Perhaps there is one of a process that has started this one.
            all.retain(|(name, _)| name != VARIABLE);
            return Self {
                note: None,
                settings: all.clone(),
                environment: all,
            };
        };
        let mut settings = all.split_off(at + 1);
        let mut note = all.pop().as_ref().and_then(note_in);
        if let (Some(note), Some((name, value))) = (&mut note, settings.first())
            && name == numbers::VARIABLE
        {
            note.family = numbers::from_words(&value.to_string_lossy());
            settings.remove(0);
        }
        Self {
            note,
            settings,
            environment: all,
        }
    }
}

/// How long a path may be, with its NUL (PATH_MAX).
const PATH_BYTES: usize = 4096;
/// As much of a file is looked at: where linkers put the program headers.
const HEAD_BYTES: usize = 1024;
/// Room for the note before the path.
const NOTE_BYTES: usize = 128;
/// How many variables are rearranged on the stack; an environment of more gets a mapping.
const ON_STACK: usize = 256;

/// execve(2).
pub(super) fn execve(call: &SystemCall) -> Outcome {
    let [path, arguments, environment, ..] = call.args;
    if !is_read(path) {
        return Outcome::unchanged(call);
    }
    execute(
        libc::SYS_execve,
        [program_at(path), arguments, environment, 0, 0, 0],
    )
}

/// execveat(2): a path that it does not look up elsewhere is as execve(2)'s.
pub(super) fn execveat(call: &SystemCall) -> Outcome {
    let [directory, path, arguments, environment, flags, _] = call.args;
    if !is_read(path) {
        return Outcome::unchanged(call);
    }
    if directory as i32 != libc::AT_FDCWD || flags != 0 {
        return execute(call.number, call.args);
    }
    execute(
        libc::SYS_execve,
        [program_at(path), arguments, environment, 0, 0, 0],
    )
}

/// Executes what is at a path that can be read, by this call. Returns if that fails.
///
/// No checkpoint signal reaches the program while it has no handler for it, also when this process' parent ends: to such a one it would
/// be the end.
fn execute(number: i64, args: [u64; 6]) -> Outcome {
    let mask = signals::change_mask(libc::SIG_BLOCK, signals::checkpoint_bit());
    let is_watching = forked::is_watching();
    if is_watching {
        forked::watch_parent(false);
    }
    let followed = match (number, args) {
        (libc::SYS_execve, [path, arguments, environment, ..]) => {
            follow(path, arguments, environment)
        }
        _ => None,
    };
    let failed = followed.unwrap_or_else(|| pass(number, args));
    if is_watching {
        forked::watch_parent(true);
    }
    signals::change_mask(libc::SIG_SETMASK, mask);
    Outcome::done(failed)
}

/// Whether the kernel can read a path, wherever that leads.
fn is_read(path: u64) -> bool {
    let mut scratch = 0_u8;
    let as_link = [path, (&raw mut scratch) as u64, 1, 0, 0, 0];
    pass(libc::SYS_readlink, as_link) != -i64::from(libc::EFAULT)
}

/// Executes `mana` for the program at `path`, which can be read; the error, if that fails. `None`: it is the kernel's.
fn follow(path: u64, arguments: u64, environment: u64) -> Option<i64> {
    let settings = SETTINGS.get()?;
    let may_follow = descriptors::is_this_process() || CHILDREN.load(Relaxed);
    if !may_follow || !is_followed(path) {
        return None;
    }
    let mut note = [0_u8; NOTE_BYTES + PATH_BYTES];
    write_note(&mut note, path)?;
    let has = environment as *const u64;
    // SAFETY: an array that ends with a null pointer, or none, by the contract of execve(2).
    let count = |n: &usize| has.is_null() || unsafe { has.add(*n).read() } == 0;
    let own = (0..).find(count)?;
    let words = numbers::in_words();
    let all = own + 1 + usize::from(words.is_some()) + settings.len() + 1;
    let mut on_stack = [0_u64; ON_STACK];
    let room: &mut [u64] = if all <= ON_STACK {
        &mut on_stack[..all]
    } else {
        // SAFETY: a fresh mapping of that size, zeroed, which goes with this program.
        unsafe {
            let writable = libc::PROT_READ | libc::PROT_WRITE;
            let private = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            let mapped = sys::mmap(0, all * 8, writable, private, -1, 0).ok()?;
            std::slice::from_raw_parts_mut(mapped as *mut u64, all)
        }
    };
    for (index, place) in room.iter_mut().enumerate().take(own) {
        // SAFETY: below the null pointer found above.
        *place = unsafe { has.add(index).read() };
    }
    room[own] = note.as_ptr() as u64;
    let behind = words
        .into_iter()
        .chain(settings.iter().map(|it| it.as_ptr()));
    for (place, variable) in room[own + 1..].iter_mut().zip(behind) {
        *place = variable as u64;
    }
    let mana = c"/proc/self/exe".as_ptr() as u64;
    let result = pass(
        libc::SYS_execve,
        [mana, arguments, room.as_ptr() as u64, 0, 0, 0],
    );
    if all > ON_STACK {
        // SAFETY: mapped above, and not used any more.
        let _ = unsafe { sys::munmap(room.as_ptr() as usize, all * 8) };
    }
    Some(result)
}

/// Writes the variable with the note; `None` if the path is too long.
fn write_note(room: &mut [u8], path: u64) -> Option<()> {
    let mut room = Room { room, used: 0 };
    let process = sys::getpid();
    let child = IS_CHILD.load(Relaxed) || !descriptors::is_this_process();
    let (filter, number) = (seccomp::is_armed(), tid_of_upper(process));
    let [monotonic, raw, boot] = clock::offsets();
    write!(
        room,
        "{VARIABLE}={process}:{child}:{filter}:{number}:{monotonic}:{raw}:{boot}:"
    )
    .ok()?;
    let path = path as *const u8;
    for index in 0.. {
        // SAFETY: the application's path, which the kernel has read, up to its NUL.
        let byte = unsafe { path.add(index).read() };
        room.put(&[byte])?;
        if byte == 0 {
            break;
        }
    }
    Some(())
}

/// Room that text is written to, without allocation.
struct Room<'a> {
    room: &'a mut [u8],
    used: usize,
}

impl Room<'_> {
    fn put(&mut self, bytes: &[u8]) -> Option<()> {
        let end = self.used + bytes.len();
        self.room.get_mut(self.used..end)?.copy_from_slice(bytes);
        self.used = end;
        Some(())
    }
}

impl Write for Room<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.put(text.as_bytes()).ok_or(fmt::Error)
    }
}

/// Whether `mana` can load what `path` leads to, and should.
fn is_followed(path: u64) -> bool {
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
    let name = super::libraries::last_part(path as *const u8);
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
    /// Opens a file that the caller may execute, and that neither changes user nor is `mana`.
    fn program(path: u64) -> Option<Self> {
        let flags = libc::O_RDONLY | libc::O_CLOEXEC | libc::O_NONBLOCK;
        let at = libc::AT_FDCWD as u64;
        let number = pass(libc::SYS_openat, [at, path, flags as u64, 0, 0, 0]);
        let file = (number >= 0).then_some(Self(number as RawFd))?;
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
    fn what_comes_behind_the_note_is_not_the_programs() {
        let note = format!("{0}:false:true:{0}:1:-2:3:/bin/app", sys::getpid());
        let variables = |all: &[(&str, &str)]| -> Variables {
            let pair = |(name, value): &(&str, &str)| (OsString::from(name), OsString::from(value));
            all.iter().map(pair).collect()
        };
        let own = [("HOME", "/root"), ("MANA_CKPT_KEEP", "3")];
        let with = |note: &str| {
            let numbers = (numbers::VARIABLE, "7:210:0,8:211:210");
            let rest = [(VARIABLE, note), numbers, ("MANA_CKPT_DIR", "/scratch")];
            Given::from_variables(variables(&[&own[..], &rest].concat()))
        };
        let given = with(&note);
        let expected = Note {
            is_child: false,
            has_filter: true,
            number: sys::getpid(),
            offsets_ns: [1, -2, 3],
            family: vec![
                Renumbered {
                    upper: 7,
                    kernel: 210,
                    parent: 0,
                },
                Renumbered {
                    upper: 8,
                    kernel: 211,
                    parent: 210,
                },
            ],
            path: "/bin/app".into(),
        };
        assert_eq!(given.note, Some(expected));
        assert_eq!(given.environment, variables(&own));
        assert_eq!(given.settings, variables(&[("MANA_CKPT_DIR", "/scratch")]));
        let given = with("1:true:true:1:0:0:0:/bin/other");
        assert_eq!(given.note, None);
        let numbers = (numbers::VARIABLE, "7:210:0,8:211:210");
        let all = variables(&[own[0], own[1], numbers, ("MANA_CKPT_DIR", "/scratch")]);
        assert_eq!((given.environment, given.settings), (all.clone(), all));
    }

    #[test]
    fn a_note_is_for_one_process() {
        let path = c"./a:b";
        let mut room = [0_u8; NOTE_BYTES + PATH_BYTES];
        write_note(&mut room, path.as_ptr() as u64).unwrap();
        let text = room.split(|&byte| byte == 0).next().unwrap();
        let value = text.strip_prefix(b"MANA_EXEC=").unwrap();
        let note = Note::read(value).unwrap();
        assert_eq!(note.path, Path::new("./a:b"));
        assert_eq!(Note::read(b"1:true:true:1:0:0:0:/bin/sh"), None);
        assert_eq!(Note::read(b"/bin/sh"), None);
        assert!(write_note(&mut room[..100], path.as_ptr() as u64).is_some());
        assert!(write_note(&mut room[..16], path.as_ptr() as u64).is_none());
    }
}
